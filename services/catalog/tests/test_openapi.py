"""`/docs` and `/openapi.json`: everything that is answered is described, and every example is true."""

import gzip
import json
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from api_fixture import Catalog, story
from openapi_story import SHAPE_ONLY, differences, told

from lictor_catalog import routes
from lictor_catalog.access import Access
from lictor_catalog.fast_reads import READS
from lictor_catalog.openapi import page
from lictor_catalog.openapi.described import FAMILIES, answer_of, recorded
from lictor_catalog.openapi.document import document, examples_in_path
from lictor_catalog.openapi.endpoint import Endpoint, Family
from lictor_catalog.openapi.parameters import CACHED, COMMON, IN_PATH, READ, SHARED
from lictor_catalog.request import Params

NOT_ASKED = {
    "GET /v1/agent/metrics/stream": "never ends",
    "GET /v1/agent/monitor": "never ends",
    "GET /v1/snapshot": "an archive is no text",
    "PUT /v1/snapshot": "the same",
}
"""Examples that carry their answer themselves."""

OPTIONS = {one.name for one in READ + CACHED} | {"hash"}
"""Looked at by every read, whether it honours them or not."""

ELSEWHERE = OPTIONS | {one.name for one in COMMON} | {"ns", "partition", "peer", "datacenter", "seperator"}
"""Those, what every endpoint takes or refuses, and other names of what is described."""

WITHOUT_EFFECT = {
    "POST /v1/operator/keyring": {"local-only"},  # refused: it is of lists only
    "PUT /v1/operator/keyring": {"local-only"},
    "DELETE /v1/operator/keyring": {"local-only"},
    "GET /v1/catalog/nodes": {"merge-central-config"},  # no proxies are shown
    "GET /v1/catalog/node/{node}": {"near", "node-meta"},  # there is one node
    "GET /v1/catalog/node-services/{node}": {"near", "node-meta"},
    "GET /v1/health/checks/{service}": {"merge-central-config"},
    "GET /v1/health/state/{state}": {"merge-central-config"},
}
WITH_OTHERS = {
    "GET /v1/kv/{key}": {"separator"},  # only with `keys`
    "PUT /v1/txn": {"stale", "consistent", "max_stale"},  # only if nothing is written
}

ALL: list[tuple[Family, Endpoint]] = [(family, one) for family in FAMILIES for one in family.endpoints]
DOCUMENT: dict[str, Any] = json.loads(json.dumps(document()))


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, item in DOCUMENT["paths"].items() for method, one in item.items()]


def test_every_method_of_every_route_is_described_and_nothing_else_is() -> None:
    described = set()
    for _, one in ALL:
        found = routes.find(one.path)
        assert found is not None, one.path
        described.add((found.route, one.method))
    assert described == {(route, method) for route, methods in routes.ROUTES.items() for method in methods}
    assert len({one.key for _, one in ALL}) == len(ALL)


def test_an_example_asks_for_the_endpoint_that_it_stands_at() -> None:
    for _, one in ALL:
        path, _, query = one.example.target.partition("?")
        if one.in_path:
            assert tuple(examples_in_path(one)) == one.in_path, one.key
        else:
            assert path == one.path
        asked = {part.partition("=")[0] for part in query.split("&")} - {""}
        assert asked <= {each.name for each in one.query}, one.key
        described, found = routes.find(one.path), routes.find(path)
        assert described is not None
        assert found is not None
        assert described.route == found.route


def test_every_answer_is_recorded_or_stands_in_the_list_of_those_that_are_not() -> None:
    assert {one.key for _, one in ALL if one.example.answer is not None} == set(NOT_ASKED)
    for family in FAMILIES:
        wanted = {one.key for one in family.endpoints if one.example.answer is None}
        assert (set(recorded(family.name)) if wanted else set()) == wanted, family.name


@story
async def test_every_example_is_true() -> None:
    wrong: list[str] = []
    asked = set()
    async for one in told():
        key, example = one.endpoint.key, answer_of(one.family.name, one.endpoint)
        asked.add(key)
        if (example.status, example.media) != (one.answer.status, one.answer.media):
            wrong.append(f"{key}: {one.answer.status} {one.answer.media} {one.answer.body!r}")
        wrong += differences(example.body, one.answer.body, key, values=key not in SHAPE_ONLY)
    assert not wrong, "\n".join(wrong)
    assert asked == {one.key for _, one in ALL} - set(NOT_ASKED)


def test_parameters_that_are_looked_at_are_described_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: set[str] = set()
    for name in ("has", "first", "all"):
        monkeypatch.setattr(Params, name, _noting(getattr(Params, name), looked_at.add))
    monkeypatch.setattr(Params, "any_of", _noting(Params.any_of, looked_at.update))
    wrong: list[str] = []

    @story
    async def ask() -> None:
        async for one in told():
            key, described = one.endpoint.key, {each.name for each in one.endpoint.query}
            unseen = described - looked_at - WITH_OTHERS.get(key, set())
            untold = looked_at - described - ELSEWHERE - WITHOUT_EFFECT.get(key, set())
            wrong.extend(f"{key}: {name} is not looked at" for name in unseen)
            wrong.extend(f"{key}: {name} is not described" for name in untold)
            looked_at.clear()

    ask()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", READS)
def test_reads_are_described_with_what_they_honour(route: str) -> None:
    read = READS[route]
    for _, one in ALL:
        found = routes.find(one.path)
        if one.method != "GET" or found is None or found.route != route:
            continue
        names = {each.name for each in one.query}
        assert ("index" in names) is (not read.local or read.own_index), one.key
        assert ("stale" in names) is (not read.local), one.key
        assert ("cached" in names) is read.cacheable, one.key


def _noting(method: Any, note: Any) -> Any:
    def noted(self: Params, name: Any) -> Any:
        note(name)
        return method(self, name)

    return noted


@pytest.mark.parametrize(
    ("example", "true", "values", "same"),
    [
        ({"A": 1}, {"A": 1}, True, True),
        ({"A": 1}, {"A": 2}, True, False),
        ({"A": 1}, {"A": 2}, False, True),
        ({"A": 1}, {"A": True}, False, False),
        ({"A": 1}, {"B": 1}, False, False),
        ({"ModifyIndex": 1}, {"ModifyIndex": 2}, True, True),
        ([{"A": 1}], [], True, False),
        ([{"A": "x"}], [{"A": 1}], False, False),
        ({"At": "2027-01-15T08:00:00Z"}, {"At": "2028-01-15T08:00:00Z"}, True, True),
        ({"At": "2027-01-15T08:00:00Z"}, {"At": "soon"}, True, False),
        ("a", "b", True, False),
    ],
)
def test_a_false_example_is_seen(example: object, true: object, values: bool, same: bool) -> None:
    assert (differences(example, true, values=values) == []) is same


def test_operations_have_names_of_their_own_and_belong_to_a_family() -> None:
    counted = Counter(one["operationId"] for _, _, one in operations())
    assert len(counted) == len(ALL)
    families = [one["name"] for one in DOCUMENT["tags"]]
    assert len(set(families)) == len(families)
    for _, _, one in operations():
        assert one["tags"][0] in families
        assert one["summary"].strip(" .") == one["summary"]


def test_the_parameters_of_a_path_are_declared_and_all_references_lead_somewhere() -> None:
    used = set()
    for path, method, one in operations():
        declared = []
        for parameter in one["parameters"]:
            whole = parameter
            if "$ref" in parameter:
                assert set(parameter) == {"$ref"}
                used.add(parameter["$ref"].removeprefix("#/components/parameters/"))
                whole = DOCUMENT["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
            assert {"name", "in", "description", "schema"} <= set(whole)
            assert whole.get("required", False) is (whole["in"] == "path")
            declared.append((whole["in"], whole["name"]))
        assert len(set(declared)) == len(declared), (path, method)
        assert {name for where, name in declared if where == "path"} == set(re.findall(r"\{(\w+)\}", path))
        assert one["responses"]["default"]["$ref"] == "#/components/responses/Error"
        assert any(status.isdigit() for status in one["responses"])
    assert "Error" in DOCUMENT["components"]["responses"]
    assert used == set(SHARED)
    assert {name for _, one in ALL for name in one.in_path} == set(IN_PATH)


@story
async def test_the_document_and_the_page_are_served_beside_the_api_whatever_is_blocked() -> None:
    catalog = Catalog(access=Access(blocked=("/", "/docs", "/openapi.json")))
    answer = await catalog.http.get("http://catalog/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == DOCUMENT
    assert answer.json()["openapi"] == "3.1.0"
    pretty = await catalog.http.get("http://catalog/openapi.json?pretty", headers={"accept-encoding": "identity"})
    assert "\n    " in pretty.text
    html = await catalog.http.get("http://catalog/docs")
    assert (html.status_code, html.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert html.headers["content-encoding"] == "gzip"
    assert html.content == page.encoded()
    head = await catalog.http.head("http://catalog/docs")
    assert head.status_code == 200
    refused = await catalog.http.put("http://catalog/docs")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET,HEAD")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.elsewhere: list[str] = []
        self.open: list[str] = []
        self.details = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        self.details += tag == "details"
        if tag == "a":
            self.links.append(given["href"] or "")
        if tag == "link" or "src" in given:
            self.elsewhere.append(tag)
        if tag not in {"meta", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1] == tag:
            self.open.pop()


def test_the_page_shows_every_endpoint_and_loads_nothing() -> None:
    text = page.encoded().decode()
    seen = _Page()
    seen.feed(text)
    assert seen.elsewhere == []
    assert seen.open == []
    assert seen.details == len(ALL) + len(DOCUMENT["components"]["schemas"])
    assert {link[1:] for link in seen.links if link.startswith("#")} <= seen.ids
    assert [link for link in seen.links if not link.startswith("#")] == ["/openapi.json"]
    assert "url(" not in text
    assert "@import" not in text
    assert len(gzip.compress(text.encode())) < 64 * 1024
