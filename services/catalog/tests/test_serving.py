"""The application behind the real server, on a real socket."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import uvicorn
from api_fixture import Catalog, story, until
from serving_fixture import Served, response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lictor_catalog.app import _spare_the_collector
from lictor_catalog.client_limits import ClientLimits
from lictor_catalog.crowd_writer import CrowdWriter
from lictor_catalog.http_protocol import CatalogProtocol, StatusHeads


@story
async def test_a_client_that_hangs_up_frees_its_waiter_at_once() -> None:
    async with Served() as served:
        await served.catalog.put("kv/a", content=b"1")
        index = await served.catalog.index("kv/a")
        reader, writer = await asyncio.open_connection(*served.listener.getsockname()[:2])
        writer.write(f"GET /v1/kv/a?index={index} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await until(lambda: served.catalog.api.queries.waiting == 1, pause_s=0.001)
        writer.close()
        await until(lambda: served.catalog.api.queries.waiting == 0, pause_s=0.001)
        assert reader is not None


@story
async def test_set_headers_stand_in_every_answer() -> None:
    async with (
        Served(headers=(("X-Frame-Options", "DENY"),)) as served,
        httpx.AsyncClient(base_url=served.url) as client,
    ):
        for path in ("catalog/nodes", "kv/none", "status/leader", "nope", "kv//a"):  # hot, 404, rare, unknown, redirect
            assert (await client.get(path)).headers["x-frame-options"] == "DENY", path
        assert (await client.put("kv/a", content=b"1")).headers["x-frame-options"] == "DENY"


@story
async def test_the_stop_answers_who_waits_before_it_closes() -> None:
    async with Served() as served, httpx.AsyncClient(base_url=served.url) as client:
        await client.put("kv/a", content=b"1")
        index = (await client.get("kv/a")).headers["x-consul-index"]
        waiter = asyncio.create_task(client.get(f"kv/a?index={index}"))
        await until(lambda: served.catalog.api.queries.waiting == 1, pause_s=0.001)
        served.server.should_exit = True
        served.catalog.api.queries.close()
        answer = await waiter
        await served.task
    assert (answer.status_code, answer.headers["x-consul-index"]) == (200, index)


@story
async def test_a_connection_is_kept_and_keys_keep_their_bytes() -> None:
    async with Served() as served, httpx.AsyncClient(base_url=served.url) as client:
        value = bytes(range(256))
        assert (await client.put("kv/a%2Fé", content=value)).text == "true"
        assert (await client.get("kv/a/é?raw")).content == value
        assert (await client.get("kv/a/é")).json()[0]["Key"] == "a/é"
        too_much = await client.put("kv/big", content=b"x" * 600_000)
        assert too_much.status_code == 413
        assert (await client.head("kv/a")).status_code == 405


@story
async def test_a_client_that_asks_before_it_sends_its_body_is_told_to_go_on() -> None:
    async with Served() as served:
        reader, writer = await asyncio.open_connection(*served.listener.getsockname()[:2])
        writer.write(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"1")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await reader.readexactly(4) == b"true"
        writer.close()


@story
async def test_answers_to_pipelined_requests_come_whole_and_in_order() -> None:
    async with Served() as served:
        await served.catalog.put("kv/a", content=b"1")
        await served.catalog.put("kv/b", content=b"2" * 100_000)
        reader, writer = await asyncio.open_connection(*served.listener.getsockname()[:2])
        writer.write(
            b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: x\r\n\r\n"
            b"GET /v1/kv/none HTTP/1.1\r\nHost: x\r\n\r\n"
            b"GET /v1/kv/b?raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        heads, bodies = zip(*[await response(reader) for _ in range(3)], strict=True)
        assert [head.split(b" ", 2)[1] for head in heads] == [b"200", b"404", b"200"]
        assert bodies == (b"1", b"", b"2" * 100_000)
        assert await reader.read() == b""
        writer.close()


def test_the_collector_passes_the_view_over_until_it_is_replaced() -> None:
    class View:
        def __init__(self) -> None:
            self.resets: list[Callable[[], None]] = []

        def on_reset(self, listener: Callable[[], None]) -> None:
            self.resets.append(listener)

    view, thresholds = View(), gc.get_threshold()
    try:
        _spare_the_collector(view)  # type: ignore[arg-type]
        assert gc.get_freeze_count() > 0
        view.resets[0]()
        assert gc.get_freeze_count() == 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


class Wire:
    """A transport that tells what was written to it at once."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, parts: tuple[bytes, ...]) -> None:
        self.writes.append(b"".join(parts))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _name: str) -> None:
        return None

    def resume_reading(self) -> None:
        return None


def _start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def _body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


FOUR = (b"content-length", b"4")


@pytest.mark.parametrize(
    ("method", "messages", "writes"),
    [
        ("GET", [_start(FOUR, (b"vary", b"x")), _body(b"true")], 1),
        ("GET", [_start((b"content-length", b"0"), status=404), _body(b"")], 1),
        ("GET", [_start(FOUR, (b"location", b"/" * 65)), _body(b"true")], 1),
        ("GET", [_start(FOUR, (b"connection", b"close")), _body(b"true")], 1),
        ("GET", [_start(FOUR), _body(b"tr", more=True), _body(b"ue")], 2),
        ("GET", [_start(), _body(b"true")], 1),
        ("HEAD", [_start(FOUR), _body(b"")], 1),
    ],
)
def test_head_and_first_body_leave_in_one_write_with_uvicorns_bytes(
    method: str, messages: list[dict[str, Any]], writes: int
) -> None:
    ours, theirs = _written(_ours, method, messages), _written(HttpToolsProtocol, method, messages)
    assert b"".join(ours.writes) == b"".join(theirs.writes)
    assert ours.closed == theirs.closed
    assert len([data for data in ours.writes if data]) == writes


@pytest.mark.parametrize(
    "messages",
    [
        [_start(FOUR, (b"vary", b"a\r\nb: c")), _body(b"true")],
        [_start((b"content-length", b"3")), _body(b"true")],
        [_start((b"content-length", b"5")), _body(b"true")],
        [_body(b"true")],
        [_start(FOUR)],
        [_start(FOUR), _start(FOUR), _body(b"true")],
    ],
)
def test_an_answer_that_breaks_off_ends_as_uvicorn_ends_it(messages: list[dict[str, Any]]) -> None:
    ours, theirs = _written(_ours, "GET", messages), _written(HttpToolsProtocol, "GET", messages)
    assert b"".join(ours.writes) == b"".join(theirs.writes)
    assert (ours.closed, b"b: c" in b"".join(ours.writes)) == (theirs.closed, False)


def _ours(config: uvicorn.Config, state: uvicorn.server.ServerState, app_state: dict[str, Any]) -> CatalogProtocol:
    api = Catalog().api
    return CatalogProtocol(
        config,
        state,
        app_state,
        hot=api.hot,
        hot_writes=api.hot_writes,
        limits=ClientLimits(0, 0),
        crowd=CrowdWriter(),
        heads=StatusHeads(),
    )


def _written(protocol: Callable[..., HttpToolsProtocol], method: str, messages: list[dict[str, Any]]) -> Wire:
    """What a connection carries when an application sends these messages."""

    async def application(_scope: object, _receive: object, send: Any) -> None:
        for message in messages:
            await send(message)

    async def served() -> Wire:
        wire = Wire()
        config = uvicorn.Config(
            application, interface="asgi3", ws="none", lifespan="off", log_config=None, access_log=False
        )
        connection = protocol(config, uvicorn.server.ServerState(), {})
        connection.connection_made(wire)  # type: ignore[arg-type]
        connection.data_received(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await asyncio.gather(*connection.tasks)
        connection._unset_keepalive_if_required()
        return wire

    return asyncio.run(served())


def test_a_connection_that_says_nothing_is_closed_as_one_that_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lictor_catalog.http_protocol.KEEP_ALIVE_S", 1)
    _two_go_silent()


@story
async def _two_go_silent() -> None:
    async with Served() as served:
        silent, _ = await served.open()
        asking, writer = await served.open()
        writer.write(b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\n")
        await response(asking)
        assert await silent.read() == b""
        assert await asking.read() == b""
