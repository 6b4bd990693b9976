"""The examples of `lictor_catalog.openapi` as a story: asked one after the other of one catalog, answers compared.

Run as a script it records anew what was answered: `python services/catalog/tests/openapi_story.py`.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
from api_fixture import Catalog, until

import lictor_catalog.openapi
from lictor_catalog.openapi.described import FAMILIES
from lictor_catalog.openapi.endpoint import Answer, Endpoint, Family

BEFORE: tuple[tuple[str, str, object], ...] = (
    ("PUT", "/v1/agent/service/register", {"ID": "batch-1", "Name": "batch", "Port": 9000}),
    ("PUT", "/v1/kv/shop/old/banner", b"winter sale"),
    ("PUT", "/v1/catalog/register", {"Node": "gone-1", "Address": "10.0.0.30"}),
)
"""What the cluster of the examples has before the first of them."""

SHAPE_ONLY = {
    "GET /v1/agent/host": "tells of the machine that is asked",
    "GET /v1/agent/metrics": "counts what the process has done so far",
}
"""Examples whose values are another machine's or process's."""

SHOWN_ROWS_MAX = 2
"""Of each list in those: as many as show what it holds."""

_ANONYMOUS = {"hostId": "3f0b7f1e-0000-4000-8000-000000000000", "hostname": "n1", "kernelVersion": "6.1.0"}
"""In place of what would tell whose machine recorded them."""

_VOLATILE = re.compile(r"Index|ContentHash|SerialNumber|runtime")
"""Members whose values are indexes, hashes and facts of the machine: only their types are compared."""

_VOLATILE_TEXT = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|([0-9a-f]{2}:){7,}[0-9a-f]{2}|\d{4}-\d\d-\d\dT[\d:.]+Z"
)
"""Ids, fingerprints and times: one stands for another."""

_PEM = re.compile(r"(-----BEGIN [A-Z ]+-----\\n).*?(\\n-----END [A-Z ]+-----)")
"""Certificates and keys in JSON: nobody reads what is between, and a key has no place in a repository."""


class Told:
    """One example that was asked: the true answer, in the words of the examples."""

    def __init__(self, family: Family, endpoint: Endpoint, answer: Answer) -> None:
        self.family, self.endpoint, self.answer = family, endpoint, answer


async def told() -> AsyncIterator[Told]:
    """Ask every example that can be asked, in order."""
    catalog = Catalog()
    founding = asyncio.create_task(catalog.authority.run())
    await until(lambda: catalog.authority.active() is not None)
    founding.cancel()
    for method, target, body in BEFORE:
        before = await _asked(catalog, method, target, body)
        assert before.status_code == 200, (target, before.text)
    names: dict[str, str] = {}
    for family in FAMILIES:
        for endpoint in family.endpoints:
            example = endpoint.example
            if example.answer is not None:
                continue
            target = example.target
            for name, true_id in names.items():
                target = target.replace(name, true_id)
            answer = await _asked(catalog, endpoint.method, target, example.body)
            if example.names:
                names[example.names] = answer.json()["ID"]
            await catalog.api.coordinates.flush()
            yield Told(family, endpoint, _as_answer(answer, names))


async def _asked(catalog: Catalog, method: str, target: str, body: object) -> httpx.Response:
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    return await catalog.http.request(method, f"http://catalog{target}", content=content)


def _as_answer(answer: httpx.Response, names: dict[str, str]) -> Answer:
    text = _PEM.sub(r"\1…\2", answer.text)
    for name, true_id in names.items():
        text = text.replace(true_id, name)
    media = answer.headers.get("content-type", "").partition(";")[0]
    body = json.loads(text) if media == "application/json" and text else text
    return Answer(answer.status_code, media if text else "", body if text else None)


def differences(recorded: object, true: object, where: str = "", *, values: bool = True) -> list[str]:
    """Where a true answer is not what the example says; without `values` only members and types count."""
    if isinstance(recorded, dict) and isinstance(true, dict):
        wrong = [f"{where}: members {sorted(set(recorded) ^ set(true))}"] if set(recorded) != set(true) else []
        for name in recorded.keys() & true.keys():
            told_by_value = values and not _VOLATILE.search(name)
            wrong += differences(recorded[name], true[name], f"{where}.{name}", values=told_by_value)
        return wrong
    if isinstance(recorded, list) and isinstance(true, list):
        if values and len(recorded) != len(true):
            return [f"{where}: {len(recorded)} in the example, {len(true)} in truth"]
        pairs = zip(recorded, true, strict=False)
        return [one for i, (a, b) in enumerate(pairs) for one in differences(a, b, f"{where}[{i}]", values=values)]
    if not values and None in (recorded, true):
        return []
    if _kind(recorded) != _kind(true):
        return [f"{where}: {recorded!r} in the example, {true!r} in truth"]
    if isinstance(recorded, str) and isinstance(true, str):
        recorded, true = _VOLATILE_TEXT.sub("_", recorded), _VOLATILE_TEXT.sub("_", true)
    return [f"{where}: {recorded!r} in the example, {true!r} in truth"] if values and recorded != true else []


def _kind(value: object) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _brief(value: object) -> object:
    if isinstance(value, list):
        return [_brief(one) for one in value[:SHOWN_ROWS_MAX]]
    if isinstance(value, dict):
        return {name: _ANONYMOUS.get(name, _brief(one)) for name, one in value.items()}
    return value


async def _record() -> None:
    answers: dict[str, dict[str, Any]] = {}
    async for one in told():
        answer = one.answer
        if one.endpoint.key in SHAPE_ONLY:
            answer = msgspec.structs.replace(answer, body=_brief(answer.body))
        shown = {"status": answer.status} | ({"media": answer.media, "body": answer.body} if answer.media else {})
        answers.setdefault(one.family.name, {})[one.endpoint.key] = shown
    folder = Path(lictor_catalog.openapi.__file__).parent / "answers"
    for family, told_of in answers.items():
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(one, ensure_ascii=False)}" for key, one in told_of.items())
        (folder / f"{family}.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    asyncio.run(_record())
