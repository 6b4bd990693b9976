"""Hot reads: whatever way a request takes, its answer has the same bytes, and answers keep the order of requests."""

import asyncio
import re
from typing import Any

import pytest
from api_fixture import Catalog, story, until
from serving_fixture import Served, exchange, response

from lictor_catalog import hot_reads
from lictor_catalog.recent import Recent

GZIP = "Accept-Encoding: gzip, deflate"
REQUESTS: list[tuple[str, tuple[str, ...]]] = [
    ("health/service/web?passing", ()),
    ("health/service/web?passing=false&pretty", ()),
    ("health/service/web", (GZIP,)),
    ("health/service/web?tag=v1&tag=v2&stale", (GZIP,)),
    ("health/service/web?cached", ("Cache-Control: max-age=10",)),
    ("health/service/web?cached", ("Cache-Control: must-revalidate",)),
    ("health/service/web?cached", ("Cache-Control: max-age=oh",)),
    ("health/service/web?stale&consistent", ()),
    ("health/service/web?passing=perhaps", ()),
    ("health/service/web?filter=Checks", ()),
    ("health/service/web?near=_agent", ()),
    ("health/service/web?dc=dc1", ()),
    ("health/service/web?dc=dc2", ()),
    ("health/service/none", ()),
    ("health/service/", ()),
    ("health/service/web?max_stale=1h", ()),
    ("health/service/web?max_stale=1w", ()),
    ("health/service/web?index=1&wait=1ms", ()),
    ("health/service/web?index=99999&wait=1ms", ()),
    ("health/service/web?index=minus", ()),
    ("health/service/web", ("X-Consul-Namespace: team",)),
    ("health/service/web", ("X-Consul-Token: 8c1c3f1e-0000-4000-8000-000000000000",)),
    ("health/service/web", ("Content-Length: 0",)),
    ("health/service/web", ("Connection: close",)),
    ("health/service/web?a=%zz", ()),
    ("health/service/web#x", ()),
    ("health//service/web", ()),
    ("health/node/n1", ()),
    ("health/checks/web", ()),
    ("health/state/any?consistent", ()),
    ("catalog/nodes?pretty", (GZIP,)),
    ("catalog/services", ()),
    ("catalog/node/n1", ()),
    ("catalog/node/%6e1?stale", ()),
    ("catalog/node/none", ()),
    ("kv/a", ()),
    ("kv/a?raw", ()),
    ("kv/big?raw", (GZIP,)),
    ("kv/a%2Fb", ()),
    ("kv/none", ()),
    ("kv/?keys&separator=/", ()),
    ("kv/?recurse", (GZIP,)),
    ("kv/", ()),
    ("kv/a%0Ab", ()),
    ("session/list", ()),
    ("session/info/none", ()),
    ("connect/ca/roots", ()),
    ("agent/connect/ca/roots", ()),
    ("agent/services", ()),
    ("agent/service/web-1", ()),
    ("agent/service/none", ()),
    ("agent/members?wan=1", ()),
    ("agent/self", ()),
    ("status/leader", ()),
    ("nowhere", ()),
]
STATES = ("well", "no leader", "silent for long")


async def _filled() -> Catalog:
    catalog = Catalog()
    for key, value in (("a", b"1"), ("a/b", b"2"), ("big", b"x" * 5000)):
        await catalog.put(f"kv/{key}", content=value)
    for number in range(10):
        service = {"ID": f"web-{number}", "Name": "web", "Port": 8000 + number, "Tags": ["v1", "v2"]}
        await catalog.put("agent/service/register", service)
    return catalog


def _undated(answer: bytes) -> bytes:
    return re.sub(rb"\r\ndate: [^\r]*", b"", answer)


def _request(path: str, headers: tuple[str, ...]) -> bytes:
    return "\r\n".join((f"GET /v1/{path} HTTP/1.1", "Host: x", *headers, "", "")).encode("latin-1")


@pytest.mark.parametrize("state", STATES)
def test_both_ways_give_the_same_bytes(state: str) -> None:
    @story
    async def told() -> None:
        catalog = await _filled()
        catalog.leader.away = state != "well"
        catalog.view.silence_s = 5000.0 if state == "silent for long" else 0.25
        async with Served(catalog) as hot, Served(catalog, hot=False) as cold:
            for path, headers in REQUESTS:
                request = _request(path, headers)
                long_way = _undated(await exchange(cold, request))
                by_parsing, by_bytes = [_undated(await exchange(hot, request)) for _ in range(2)]
                assert (path, by_parsing) == (path, long_way)
                assert (path, by_bytes) == (path, long_way)
        assert len(catalog.api.hot) > len(REQUESTS) // 3  # or the table would prove nothing

    told()


@story
async def test_a_request_seen_before_is_found_by_its_bytes_and_reads_what_is_true_now() -> None:
    catalog = await _filled()
    request = _request("kv/a?raw", ())
    async with Served(catalog) as served:
        reader, writer = await served.open()
        for value in (b"1", b"2", b"3"):
            await catalog.put("kv/a", content=value)
            writer.write(request)
            assert (await response(reader))[1] == value
        assert catalog.api.hot.known(request) is not None
        writer.close()


@story
async def test_a_request_in_pieces_is_answered_once_and_not_remembered_by_a_piece() -> None:
    catalog = await _filled()
    request = _request("kv/a?raw", ())
    async with Served(catalog) as served:
        reader, writer = await served.open()
        for at in range(1, len(request), 7):
            writer.write(request[:at])
            await asyncio.sleep(0.001)
            writer.write(request[at:])
            assert (await response(reader))[1] == b"1"
            assert catalog.api.hot.known(request[at:]) is None
        writer.close()


@story
async def test_pipelined_hot_and_other_requests_are_answered_in_order() -> None:
    catalog = await _filled()
    waiting: list[Any] = []

    def keep(settled: Any, *, consistent: bool) -> None:
        assert not consistent
        waiting.append(settled)

    catalog.leader.join = keep  # type: ignore[method-assign]
    async with Served(catalog) as served:
        reader, writer = await served.open()
        put = b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n5"
        writer.write(_request("kv/a?raw", ()) + put + _request("kv/a?raw&stale", ()) + _request("kv/none", ()))
        await until(lambda: len(waiting) == 1, pause_s=0.001)
        await asyncio.sleep(0.01)
        assert catalog.view.store.kv("a").value == b"1"  # type: ignore[union-attr]  # nothing overtakes the first
        del catalog.leader.join
        catalog.leader.join(waiting[0], consistent=False)
        found = [await response(reader) for _ in range(4)]
        assert [head.split(b" ", 2)[1] for head, _ in found] == [b"200", b"200", b"200", b"404"]
        assert [body for _, body in found] == [b"1", b"true", b"5", b""]
        writer.close()


@story
async def test_a_blocking_query_is_released_by_a_change_and_by_nothing_else() -> None:
    catalog = await _filled()
    index = await catalog.index("kv/a")
    async with Served(catalog) as served:
        reader, writer = await served.open()
        writer.write(_request(f"kv/a?raw&index={index}", ()))
        await until(lambda: catalog.api.queries.waiting == 1, pause_s=0.001)
        await catalog.put("kv/b", content=b"x")
        await asyncio.sleep(0.01)
        assert catalog.api.queries.waiting == 1
        await catalog.put("kv/a", content=b"new")
        assert (await response(reader))[1] == b"new"
        assert catalog.api.queries.waiting == 0
        writer.close()


@story
async def test_a_client_that_leaves_before_the_leader_answers_leaves_nothing_behind() -> None:
    catalog = await _filled()
    waiting: list[Any] = []

    def keep(settled: Any, *, consistent: bool) -> None:
        assert not consistent
        waiting.append(settled)

    catalog.leader.join = keep  # type: ignore[method-assign]
    async with Served(catalog) as served:
        _, writer = await served.open()
        writer.write(_request("kv/a?index=99999", ()))
        await until(lambda: len(waiting) == 1, pause_s=0.001)
        writer.close()
        await until(lambda: not served.server.server_state.connections, pause_s=0.001)
        del catalog.leader.join
        catalog.leader.join(waiting[0], consistent=False)
        assert catalog.api.queries.waiting == 0


@story
async def test_no_hot_read_is_answered_before_the_view_is_complete() -> None:
    catalog = await _filled()
    request = _request("kv/a?raw&stale", ())
    async with Served(catalog) as served:
        assert b"200 OK" in await exchange(served, request)
        catalog.view.ready.clear()
        assert b" 503 " in await exchange(served, request)


@story
async def test_a_read_that_fails_is_an_internal_error_and_the_connection_goes_on() -> None:
    catalog = await _filled()
    async with Served(catalog) as served:
        reader, writer = await served.open()

        def broken(_plan: object) -> None:
            raise RuntimeError("a bug")

        catalog.api.queries.page = broken  # type: ignore[method-assign, assignment]
        writer.write(_request("kv/a", ()))
        assert (await response(reader))[1] == b"internal error"
        del catalog.api.queries.page
        writer.write(_request("kv/a?raw", ()))
        assert (await response(reader))[1] == b"1"
        writer.close()


@story
async def test_a_stale_head_is_not_kept_for_each_millisecond() -> None:
    catalog = await _filled()
    async with Served(catalog) as served:
        for silence_ms in range(40):
            catalog.view.silence_s = silence_ms / 1000 + 0.0001
            answer = await exchange(served, _request("kv/a?stale", ()))
            assert b"x-consul-lastcontact: %d\r\n" % silence_ms in answer
    answers = catalog.api.queries._answers.values()
    assert max(len(one.page.heads) for one in answers) <= hot_reads.HEADS_KEPT_MAX


def test_recent_keeps_what_is_used_and_forgets_the_rest() -> None:
    recent: Recent[int, str] = Recent(10)
    recent.put(-1, "used")
    for number in range(1000):
        recent.put(number, "once")
        assert recent.get(-1) == "used"
        assert len(recent) <= 20
    assert recent.get(0) is None
    assert recent.get(999) == "once"
