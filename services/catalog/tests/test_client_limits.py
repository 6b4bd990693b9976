"""Limits per client address: connections, requests a second, blocking queries."""

import random

import pytest
from api_fixture import Catalog, is_asleep, story, until, waiting
from serving_fixture import Served, exchange, response

from lictor_catalog import blocking_query, client_limits
from lictor_catalog.client_limits import ClientLimits
from lictor_catalog.page import Page

GET = b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: x\r\n\r\n"
PUT = b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2"


def test_connections_are_counted_per_client_while_they_are_open() -> None:
    limits = ClientLimits(2, 0)
    assert [limits.opened("a"), limits.opened("a"), limits.opened("a"), limits.opened("b")] == [True, True, False, True]
    limits.closed("a")
    assert limits.opened("a")
    assert limits.connections_refused == 1
    for client in ("a", "a", "b"):
        limits.closed(client)
    assert len(limits) == 0


def test_a_bucket_holds_a_seconds_worth_and_fills_at_the_rate() -> None:
    limits = ClientLimits(0, 10)
    assert [limits.wait_s("a", 0.0) for _ in range(10)] == [0.0] * 10
    assert limits.wait_s("a", 0.0) == pytest.approx(0.1)
    assert limits.wait_s("b", 0.0) == 0.0
    assert limits.wait_s("a", 0.05) == pytest.approx(0.05)
    assert limits.wait_s("a", 0.1) == 0.0
    assert limits.wait_s("a", 0.1) > 0
    assert [limits.wait_s("a", 100.0) for _ in range(11)].count(0.0) == 10


def test_a_rate_below_one_lets_one_request_pass_at_a_time() -> None:
    limits = ClientLimits(0, 0.1)
    assert limits.wait_s("a", 0.0) == 0.0
    assert limits.wait_s("a", 4.0) == pytest.approx(6.0)
    assert limits.wait_s("a", 10.0) == 0.0


def test_no_client_ever_gets_more_than_its_rate_and_none_is_told_to_wait_for_nothing() -> None:
    dice = random.Random(7)
    limits, now, passed = ClientLimits(0, 5), 0.0, {"a": 0, "b": 0}
    for _ in range(5000):
        now += dice.expovariate(20)
        client = dice.choice("ab")
        wait_s = limits.wait_s(client, now)
        assert 0 <= wait_s <= 1 / 5 + 1e-9
        passed[client] += wait_s == 0
    for count in passed.values():
        assert 5 * now * 0.95 <= count <= 5 * now + 6


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_limits, "CLIENTS_MAX", 100)
    limits = ClientLimits(0, 1)
    for number in range(1000):
        limits.wait_s(str(number), 0.0)
    assert len(limits) == 100


@story
async def test_a_connection_too_many_is_told_so_and_closed_and_one_that_ends_makes_room() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    async with Served(catalog, connections=2) as served:
        kept = [await served.open() for _ in range(2)]
        reader, writer = await served.open()
        writer.write(GET)
        head, body = await response(reader)
        assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert b"retry-after: 1\r\n" in head
        assert b"too many concurrent connections" in body
        assert await reader.read() == b""
        kept[0][0].feed_eof()
        kept[0][1].close()
        await until(lambda: len(served.server.server_state.connections) == 1, pause_s=0.001)
        assert (await exchange(served, GET)).startswith(b"HTTP/1.1 200")
        kept[1][1].close()
        assert served.limits.connections_refused == 1


@pytest.mark.parametrize("request_bytes", [GET, PUT])
def test_requests_beyond_the_rate_are_answered_429_on_a_connection_that_goes_on(request_bytes: bytes) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        await catalog.put("kv/a", content=b"1")
        async with Served(catalog, rate=2) as served:
            reader, writer = await served.open()
            statuses = []
            for _ in range(4):
                writer.write(request_bytes)
                head, _ = await response(reader)
                statuses.append(head.split(b" ", 2)[1])
                assert (b"retry-after: 1\r\n" in head) == (statuses[-1] == b"429")
            assert statuses == [b"200", b"200", b"429", b"429"]
            writer.close()

    told()


def test_one_clients_blocking_queries_leave_room_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking_query, "WAITERS_PER_CLIENT_MAX", 1)

    @story
    async def told() -> None:
        catalog = Catalog()
        queries = catalog.api.queries
        await catalog.put("kv/a", content=b"1")
        index = await catalog.index("kv/a")
        async with waiting(catalog, f"kv/a?index={index}") as first:
            second = await catalog.get(f"kv/a?index={index}")
            assert (second.status_code, second.headers["retry-after"]) == (429, "5")
            assert "of this client" in second.text
            assert await is_asleep(first)
            read = catalog.api.hot.find(b"/v1/kv/a?index=%d" % index, [])
            assert read is not None
            pages: list[Page | None] = []
            queries.begin(read.plan, read.options, pages.append, "10.0.0.9")
            assert queries.waiting == 2
            await catalog.put("kv/a", content=b"2")
            assert (await first).status_code == 200
        assert [page and page.index for page in pages] == [await catalog.index("kv/a")]
        assert (queries._of_client, queries.refused) == ({}, 1)

    told()
