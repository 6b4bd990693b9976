"""Hot writes: whatever way a request takes, its answer has the same bytes and the store the same rows."""

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from api_fixture import Catalog, story, until
from serving_fixture import Served, exchange, response

from lictor_bus.proposer import Committed, OutcomeUnknownError, OverloadedError, ProposeError
from lictor_catalog import kv_request
from lictor_catalog.access import Access, parse_networks
from lictor_catalog.hot_writes import HEAD_KEPT_BYTES_MAX
from lictor_state.commands import Command

GZIP = "Accept-Encoding: gzip, deflate"
NODE = b'{"Node":"m1","Address":"10.0.0.9","Service":{"ID":"web-1","Service":"web","Port":80}}'
SERVICE = b'{"ID":"web-7","Name":"web","Port":80,"Check":{"TTL":"10s","Status":"passing"}}'
CHECK = b'{"Name":"ping","TTL":"10s"}'
REQUESTS: list[tuple[str, str, tuple[str, ...], bytes]] = [
    ("PUT", "kv/a", (), b"1"),
    ("PUT", "kv/a", (GZIP,), b"2"),
    ("PUT", "kv/a?pretty", (), b"3"),
    ("PUT", "kv/a%20b%2Fc?flags=42", (), b"x"),
    ("PUT", "kv/a%25b", (), b"x"),
    ("PUT", "kv/a%zz", (), b"x"),
    ("PUT", "kv/a%0Ab", (), b"x"),
    ("PUT", "kv/caf%C3%A9", (), b"x"),
    ("PUT", "kv/", (), b"x"),
    ("PUT", "kv", (), b"x"),
    ("PUT", "kv//a", (), b"x"),
    ("PUT", "kv/empty", (), b""),
    ("PUT", "kv/a?cas=0", (), b"no"),
    ("PUT", "kv/a?cas=x", (), b"no"),
    ("PUT", "kv/a?cas=1&acquire=s", (), b"no"),
    ("PUT", "kv/a?acquire=none", (), b"no"),
    ("PUT", "kv/a?acquire", (), b"no"),
    ("PUT", "kv/a?flags=%zz", (), b"no"),
    ("PUT", "kv/a?dc=dc1", (), b"4"),
    ("PUT", "kv/a?dc=dc2", (), b"no"),
    ("PUT", "kv/a?token=secret", (), b"5"),
    ("PUT", "kv/a", ("X-Consul-Namespace: team",), b"no"),
    ("PUT", "kv/a", ("X-Consul-Token: 8c1c3f1e-0000-4000-8000-000000000000",), b"6"),
    ("PUT", "kv/a", ("Connection: close",), b"7"),
    ("PUT", "kv/a#b", (), b"8"),
    ("PUT", "kv/long", (), b"x" * 100_000),
    ("PUT", "kv/too-long", (), b"x" * (kv_request.VALUE_BYTES_MAX + 1)),
    ("POST", "kv/a", (), b"no"),
    ("DELETE", "kv/empty", (), b""),
    ("DELETE", "kv/none?cas=7", (), b""),
    ("DELETE", "kv/a?cas=7&recurse", (), b""),
    ("DELETE", "kv/long?recurse", (), b""),
    ("DELETE", "kv/", (), b""),
    ("DELETE", "kv/a", (), b"a body that nobody reads"),
    ("PUT", "catalog/register", (), NODE),
    ("PUT", "catalog/register?pretty", (GZIP,), NODE.replace(b"web-1", b"web-2")),
    ("PUT", "catalog/register", (), b"{"),
    ("PUT", "catalog/register", (), b'{"Node":"m1","Adress":"10.0.0.9"}'),
    ("PUT", "catalog/register", (), b'{"Address":"10.0.0.9"}'),
    ("PUT", "catalog/register?dc=dc2", (), NODE),
    ("PUT", "catalog/register", (), NODE.replace(b'"m1"', b'"m1","Datacenter":"dc2"')),
    ("GET", "catalog/register", (), b""),
    ("PUT", "catalog/deregister", (), b'{"Node":"m1","ServiceID":"web-2"}'),
    ("PUT", "catalog/deregister", (), b"{}"),
    ("PUT", "agent/service/register", (), SERVICE),
    ("PUT", "agent/service/register?replace-existing-checks=true", (), SERVICE),
    ("PUT", "agent/service/register", (), b'{"Port":80}'),
    ("PUT", "agent/service/register?dc=other", (), SERVICE.replace(b"web-7", b"web-8")),
    ("PUT", "agent/service/deregister/web-8", (), b""),
    ("PUT", "agent/service/deregister/none", (), b""),
    ("PUT", "agent/service/deregister/", (), b""),
    ("PUT", "agent/check/register", (), CHECK),
    ("PUT", "agent/check/pass/ping?note=well", (), b""),
    ("PUT", "agent/check/pass/none", (), b""),
    ("PUT", "agent/check/deregister/ping", (), b""),
    ("PUT", "agent/check/deregister/none", (), b""),
    ("PUT", "session/create", (), b"{}"),
    ("PUT", "nowhere", (), b"x"),
]


def _request(method: str, path: str, headers: tuple[str, ...] = (), body: bytes = b"") -> bytes:
    length = (f"Content-Length: {len(body)}",) if body else ()
    return "\r\n".join((f"{method} /v1/{path} HTTP/1.1", "Host: x", *headers, *length, "", "")).encode() + body


def _undated(answer: bytes) -> bytes:
    return re.sub(rb"\r\ndate: [^\r]*", b"", answer)


class Held:
    """Keeps the answers to proposals until they are let go; `fails` makes all of them an error."""

    def __init__(self, catalog: Catalog) -> None:
        self.done: list[tuple[Callable[[Committed | ProposeError], None], Committed]] = []
        self.commands: list[Command] = []
        self._leader = catalog.leader
        catalog.leader.submit = self._submit  # type: ignore[method-assign]

    def _submit(self, command: Command, done: Callable[[Committed | ProposeError], None]) -> None:
        self.commands.append(command)
        self.done.append((done, self._leader.apply(command)))

    def let_go(self) -> None:
        done, self.done = self.done, []
        for tell, committed in done:
            tell(committed)


async def _both(requests: list[bytes], access: Access | None = None, *, away: bool = False) -> int:
    """Send the same requests both ways, each twice; how many blocks of headers were remembered."""
    catalogs = [Catalog(access=access) if access else Catalog() for _ in range(2)]
    for catalog in catalogs:
        catalog.leader.away = away
    async with Served(catalogs[0]) as hot, Served(catalogs[1], hot=False) as cold:
        for request in requests:
            for _ in range(2):  # parsed, then found by its headers
                answers = [_undated(await exchange(served, request)) for served in (hot, cold)]
                assert (request[:200], answers[0]) == (request[:200], answers[1])
    assert catalogs[0].view.store.digest() == catalogs[1].view.store.digest()
    return len(catalogs[0].api.hot_writes)


@pytest.mark.parametrize("away", [False, True])
def test_both_ways_give_the_same_bytes_and_rows(away: bool) -> None:
    @story
    async def told() -> None:
        assert await _both([_request(*one) for one in REQUESTS], away=away) > 10

    told()


@pytest.mark.parametrize("network", ["127.0.0.0/8", "10.0.0.0/8"])
def test_both_ways_judge_who_may_write(network: str) -> None:
    @story
    async def told() -> None:
        networks = parse_networks(network)
        assert isinstance(networks, tuple)
        await _both([_request(*one) for one in REQUESTS[:8]], Access(("/v1/kv/a%20b",), networks))

    told()


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_give_the_same_on_requests_of_random_parts(seed: int) -> None:
    dice = random.Random(seed)
    methods, paths, headers, bodies = (list(dict.fromkeys(column)) for column in zip(*REQUESTS, strict=True))
    bodies = [body for body in bodies if len(body) < 1000]
    queries = ("", "?cas=0", "?cas=3&pretty", "?flags=1", "?recurse", "?dc=dc1", "?x=y&x=z", "?ns=a", "?;", "?peer=p")

    def one() -> bytes:
        path = dice.choice(paths).partition("?")[0] + dice.choice(queries)
        return _request(dice.choice(methods), path, dice.choice(headers), dice.choice(bodies))

    @story
    async def told() -> None:
        await _both([one() for _ in range(60)])

    told()


@story
async def test_a_request_in_pieces_is_one_write() -> None:
    catalog = Catalog()
    request = _request("PUT", "kv/a", (), b"in pieces")
    async with Served(catalog) as served:
        reader, writer = await served.open()
        for at in range(1, len(request), 9):
            writer.write(request[:at])
            await asyncio.sleep(0.001)
            writer.write(request[at:])
            assert (await response(reader))[1] == b"true"
        assert catalog.view.store.kv("a").value == b"in pieces"  # type: ignore[union-attr]
        writer.close()


@story
async def test_a_block_of_headers_is_known_for_the_length_that_it_declares_and_no_other() -> None:
    catalog = Catalog()
    async with Served(catalog) as served:
        reader, writer = await served.open()
        writer.write(_request("PUT", "kv/a", (), b"12"))
        await response(reader)
        known = catalog.api.hot_writes.known
        assert known(_request("PUT", "kv/b", (), b"34"), "") is not None
        assert known(_request("PUT", "kv/b", (), b"34") + b"5", "") is None  # the beginning of the next request
        assert known(_request("PUT", "kv/b", (), b"34")[:-1], "") is None
        assert known(_request("PUT", "kv/b", (), b"345"), "") is None
        assert known(_request("PUT", "kv/b c", (), b"34"), "") is None
        assert known(_request("PAT", "kv/b", (), b"34"), "") is None
        assert known(_request("PUT", "kv/b HTTP/1.1\r\nX: /", (), b"34"), "") is None
        long = f"X: {'y' * HEAD_KEPT_BYTES_MAX}"
        writer.write(_request("PUT", "kv/a", (long,), b"12"))
        await response(reader)
        assert known(_request("PUT", "kv/a", (long,), b"12"), "") is None
        writer.close()


@story
async def test_pipelined_writes_and_reads_keep_their_order() -> None:
    catalog = Catalog()
    held = Held(catalog)
    async with Served(catalog) as served:
        reader, writer = await served.open()
        writer.write(
            _request("PUT", "kv/a", (), b"1")
            + _request("PUT", "kv/a", (), b"2")
            + _request("GET", "kv/a?raw")
            + _request("DELETE", "kv/a")
        )
        await until(lambda: len(held.done) == 1, pause_s=0.001)
        await asyncio.sleep(0.01)
        assert len(held.commands) == 1  # nothing overtakes the first
        held.let_go()
        found = [await response(reader) for _ in range(4)]
        assert [body for _, body in found] == [b"true", b"true", b"2", b"true"]
        writer.close()


@story
async def test_a_client_that_leaves_before_its_answer_has_written_and_is_counted_once() -> None:
    catalog = Catalog()
    held = Held(catalog)
    counted: list[tuple[str, int]] = []
    metrics = catalog.api.hot_writes._metrics
    metrics.request = lambda route, status, _seconds: counted.append((route, status))  # type: ignore[method-assign, assignment]
    async with Served(catalog) as served:
        _, writer = await served.open()
        writer.write(_request("PUT", "kv/a", (), b"1"))
        await until(lambda: len(held.done) == 1, pause_s=0.001)
        writer.close()
        await until(lambda: not served.server.server_state.connections, pause_s=0.001)
        held.let_go()
        assert catalog.view.store.kv("a") is not None
        assert counted == [("/v1/kv/", 499)]


@story
async def test_a_client_that_leaves_amid_its_body_has_written_nothing() -> None:
    catalog = Catalog()
    held = Held(catalog)
    async with Served(catalog) as served:
        _, writer = await served.open()
        writer.write(_request("PUT", "kv/a", (), b"12345678")[:-3])
        await until(lambda: bool(served.server.server_state.connections), pause_s=0.001)
        await asyncio.sleep(0.01)
        writer.close()
        await until(lambda: not served.server.server_state.connections, pause_s=0.001)
        assert held.commands == []


@story
async def test_a_server_that_stops_answers_the_writes_under_way_and_ends_their_connections() -> None:
    catalog = Catalog()
    held = Held(catalog)
    async with Served(catalog) as served:
        reader, writer = await served.open()
        half_reader, half_writer = await served.open()
        writer.write(_request("PUT", "kv/a", (), b"1"))
        half_writer.write(_request("PUT", "kv/b", (), b"12")[:-1])
        await until(lambda: len(held.done) == 1, pause_s=0.001)
        await asyncio.sleep(0.01)
        served.server.should_exit = True
        await asyncio.sleep(0.15)  # uvicorn looks ten times a second
        half_writer.write(b"2")
        await until(lambda: len(held.done) == 2, pause_s=0.001)
        held.let_go()
        for each in (reader, half_reader):
            head, body = await response(each)
            assert (b"\r\nconnection: close\r\n" in head, body) == (True, b"true")
            assert await each.read() == b""


@pytest.mark.parametrize(
    ("error", "status"), [(OverloadedError(), b"429"), (OutcomeUnknownError(), b"500"), (ProposeError("why"), b"500")]
)
def test_what_the_proposer_says_is_told(error: ProposeError, status: bytes) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()

        def refuse(_command: Command, done: Callable[[Any], None]) -> None:
            if isinstance(error, OverloadedError):
                raise error
            done(error)

        catalog.leader.submit = refuse  # type: ignore[method-assign, assignment]
        async with Served(catalog) as served:
            answer = await exchange(served, _request("PUT", "kv/a", (), b"1"))
        assert (answer.split(b" ", 2)[1], answer.partition(b"\r\n\r\n")[2]) == (status, str(error).encode())

    told()


@story
async def test_a_write_waits_for_the_own_view_as_the_long_way_does() -> None:
    catalog = Catalog()
    asked: list[tuple[int, float]] = []
    telling: list[Callable[[bool], None]] = []

    def when(index: int, timeout_s: float, reached: Callable[[bool], None]) -> None:
        asked.append((index, timeout_s))
        telling.append(reached)

    catalog.view.when = when  # type: ignore[method-assign]
    async with Served(catalog) as served:
        reader, writer = await served.open()
        writer.write(_request("PUT", "kv/a", (), b"1"))
        await until(lambda: bool(telling), pause_s=0.001)
        assert asked == [(catalog.view.store.index, 0.05)]
        reading = asyncio.ensure_future(response(reader))
        await asyncio.sleep(0.01)
        assert not reading.done()
        telling[0](False)
        assert (await reading)[1] == b"true"
        writer.close()


@story
async def test_a_command_that_cannot_be_made_ends_one_request_only() -> None:
    catalog = Catalog()

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    catalog.leader.submit = fail  # type: ignore[method-assign, assignment]
    async with Served(catalog) as served:
        reader, writer = await served.open()
        writer.write(_request("PUT", "kv/a", (), b"1"))
        assert await response(reader) == ((await _answered(served, "kv/b"))[0], b"internal error")
        del catalog.leader.submit
        writer.write(_request("PUT", "kv/a", (), b"1"))
        assert (await response(reader))[1] == b"true"
        writer.close()


async def _answered(served: Served, path: str) -> tuple[bytes, bytes]:
    reader, writer = await served.open()
    writer.write(_request("PUT", path, (), b"1"))
    answer = await response(reader)
    writer.close()
    return answer


@story
async def test_hot_writes_count_against_a_clients_rate() -> None:
    async with Served(rate=2) as served:
        statuses = [(await _answered(served, "kv/a"))[0].split(b" ", 2)[1] for _ in range(4)]
    assert statuses == [b"200", b"200", b"429", b"429"]
