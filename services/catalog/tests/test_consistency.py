"""Consistency modes, blocking limits, sharing: design rules 3.12 to 3.14 and the limits of blocking queries."""

import asyncio
from typing import Any

import pytest
from api_fixture import Catalog, FakeLeader, FakeView, story, until, waiting

from lictor_bus.proposer import Committed, NoLeaderError, NoSpaceError, OutcomeUnknownError, OverloadedError
from lictor_catalog.blocking_query import BlockingQueries, ClientGoneError, Outcome, Plan, Sleeper
from lictor_catalog.consistency import (
    WAIT_DEFAULT_S,
    WAIT_MAX_S,
    Consistency,
    Mode,
    ReadOptions,
    honour_cache_control,
    read_options,
)
from lictor_catalog.errors import ApiError
from lictor_catalog.page import Page, json_page
from lictor_catalog.request import Params
from lictor_state import Store
from lictor_state.commands import KVSet
from lictor_state.rows import Table


@pytest.mark.parametrize(
    ("query", "mode", "effective"),
    [
        ("", [False], "leader"),
        ("?consistent", [True], "consistent"),
        ("?leader", [False], "leader"),
        ("?stale", [], "stale"),
        ("?max_stale=1h", [], "stale"),
        ("?max_stale=1s", [False], "leader"),
        ("?cached", [], "stale"),
    ],
)
def test_only_strong_reads_ask_the_leader(query: Any, mode: Any, effective: Any) -> None:
    @story
    async def asked() -> None:
        catalog = Catalog()
        catalog.view.silence_s = 2.0
        answer = await catalog.get(f"health/service/web{query}")
        assert catalog.leader.asks == mode
        assert answer.headers["x-consul-effective-consistency"] == effective
        assert answer.headers["x-consul-lastcontact"] == ("2000" if not mode else "0")
        assert ("x-cache" in answer.headers) == (query == "?cached")

    asked()


@story
async def test_cached_is_ignored_where_consul_has_no_cache() -> None:
    catalog = Catalog()
    await catalog.get("kv/a?cached")
    assert catalog.leader.asks == [False]


@story
async def test_without_a_leader_strong_reads_fail_and_stale_ones_go_on() -> None:
    catalog = Catalog()
    catalog.leader.away = True
    catalog.view.silence_s = 60.0
    for query in ("", "?consistent"):
        answer = await catalog.get(f"kv/a{query}")
        assert (answer.status_code, answer.text) == (500, "No cluster leader")
    answer = await catalog.get("catalog/nodes?stale")
    assert answer.status_code == 200
    assert (answer.headers["x-consul-knownleader"], answer.headers["x-consul-lastcontact"]) == ("false", "60000")
    answer = await catalog.put("kv/a", content=b"1")
    assert (answer.status_code, answer.text) == (500, "No cluster leader")


@story
async def test_no_read_is_answered_before_the_view_is_complete() -> None:
    catalog = Catalog()
    catalog.view.ready.clear()
    for path in ("catalog/services", "catalog/services?stale", "kv/a?cached", "agent/services", "agent/self"):
        answer = await catalog.get(path)
        assert (answer.status_code, answer.text) == (503, "view not complete"), path


@story
async def test_a_query_that_ends_by_time_is_confirmed() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    index = await catalog.index("kv/a")
    asked = len(catalog.leader.asks)
    answer = await catalog.get(f"kv/a?index={index}&wait=20ms")
    assert (answer.status_code, int(answer.headers["x-consul-index"])) == (200, index)
    assert len(catalog.leader.asks) == asked + 2
    async with waiting(catalog, f"kv/a?index={index}&wait=50ms") as waiter:
        catalog.leader.away = True
        answer = await waiter
    assert (answer.status_code, answer.text) == (500, "No cluster leader")


@pytest.mark.parametrize(
    ("query", "wait_s"),
    [
        (b"", WAIT_DEFAULT_S),
        (b"index=1", WAIT_DEFAULT_S),
        (b"wait=1m", 60),
        (b"wait=20m", WAIT_MAX_S),
        (b"wait=0s", WAIT_DEFAULT_S),
    ],
)
def test_waits_are_five_minutes_by_default_and_ten_at_most(query: Any, wait_s: Any) -> None:
    assert read_options(Params(query), cacheable=False).wait_s == wait_s


@pytest.mark.parametrize(
    ("header", "mode", "max_stale_s"),
    [
        ("", Mode.CACHED, None),
        ("max-age=5", Mode.CACHED, 5.0),
        ("must-revalidate", Mode.DEFAULT, None),
        ("max-age=0", Mode.DEFAULT, None),
    ],
)
def test_cache_control_bounds_a_cached_read(header: Any, mode: Any, max_stale_s: Any) -> None:
    options = honour_cache_control(ReadOptions(Mode.CACHED), header)
    assert (options.mode, options.max_stale_s) == (mode, max_stale_s)


def test_a_bad_cache_control_is_refused() -> None:
    with pytest.raises(ApiError, match="Invalid Cache-Control header"):
        honour_cache_control(ReadOptions(Mode.CACHED), "max-age=x")


class Bench:
    """Blocking queries over one key, with a count of how often its answer was computed."""

    def __init__(self) -> None:
        self.view = FakeView()
        self.leader = FakeLeader(self.view)
        self.queries = BlockingQueries(self.view, dice=lambda: 1.0)
        self.settle = Consistency(self.view, self.leader).settle
        self.runs = 0
        self.leader.apply(KVSet("a", b"0"))

    def plan(self) -> Plan:
        def run(store: Store) -> Outcome:
            self.runs += 1
            row = store.kv("a")
            assert row is not None
            return Outcome(json_page(row.modify_index, index=row.modify_index), (("row", Table.KV, ("a",)),))

        return Plan("a", run)

    def index(self) -> int:
        row = self.view.store.kv("a")
        assert row is not None
        return row.modify_index


@story
async def test_one_change_wakes_all_waiters_with_one_body_computed_once() -> None:
    bench = Bench()
    options = ReadOptions(min_index=bench.index())
    waiters = [asyncio.create_task(bench.queries.read(bench.plan(), options, bench.settle)) for _ in range(500)]
    await until(lambda: bench.queries.waiting == 500)
    assert (bench.runs, len(bench.view.store.watches)) == (1, 1)
    bench.leader.apply(KVSet("a", b"1"))
    pages = [page for page, _ in await asyncio.gather(*waiters)]
    assert bench.runs == 2
    assert len({id(page) for page in pages}) == 1
    assert bench.queries.waiting == 0


@story
async def test_the_wait_is_a_sixteenth_longer_at_most() -> None:
    bench = Bench()
    loop = asyncio.get_running_loop()
    start = loop.time()
    await bench.queries.read(bench.plan(), ReadOptions(min_index=bench.index(), wait_s=0.16), bench.settle)
    assert 0.165 <= loop.time() - start < 0.5


@story
async def test_a_change_in_the_moment_in_which_the_time_is_up_is_the_answer_and_the_only_one() -> None:
    bench, loop = Bench(), asyncio.get_running_loop()
    told: list[Page | None] = []
    options = ReadOptions(min_index=bench.index(), wait_s=0.01)
    assert isinstance(bench.queries.begin(bench.plan(), options, told.append), Sleeper)
    due = loop.time() + 0.005
    loop.call_at(due, bench.leader.apply, KVSet("a", b"1"))
    while loop.time() < due + 0.02:
        pass  # a loop that stood still finds both due, the change first
    await until(lambda: told != [])
    await asyncio.sleep(0)
    assert [page and page.index for page in told] == [bench.index()]
    assert bench.queries.waiting == 0


@story
async def test_a_replaced_store_wakes_every_waiter_whatever_its_index() -> None:
    bench = Bench()
    old = bench.view.store
    waiter = asyncio.create_task(bench.queries.read(bench.plan(), ReadOptions(min_index=1000), bench.settle))
    await until(lambda: bench.queries.waiting == 1)
    bench.view.store = Store("c")
    bench.leader.apply(KVSet("a", b"restored"))
    old.watches.fire_all()
    bench.queries.reset()
    page, _ = await waiter
    assert page.index == bench.index() < 1000


@story
async def test_a_client_that_hangs_up_frees_its_waiter() -> None:
    bench = Bench()
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiter = asyncio.create_task(
        bench.queries.read(bench.plan(), ReadOptions(min_index=bench.index()), bench.settle, gone)
    )
    await until(lambda: bench.queries.waiting == 1)
    gone.set_result(None)
    with pytest.raises(ClientGoneError):
        await waiter
    assert bench.queries.waiting == 0


@story
async def test_closing_answers_waiters_as_if_their_time_were_up() -> None:
    bench = Bench()
    waiter = asyncio.create_task(bench.queries.read(bench.plan(), ReadOptions(min_index=bench.index()), bench.settle))
    await until(lambda: bench.queries.waiting == 1)
    bench.queries.close()
    page, _ = await waiter
    assert page.index == bench.index()


@story
async def test_answers_kept_for_sharing_are_bounded() -> None:
    bench = Bench()
    for number in range(5000):
        plan = Plan(number, bench.plan().run)
        await bench.queries.read(plan, ReadOptions(mode=Mode.STALE), bench.settle)
    assert len(bench.view.store.watches) <= 4096


@story
async def test_a_view_that_cannot_catch_up_fails_strong_reads_only() -> None:
    catalog = Catalog()

    async def never(_answer: object, _timeout_s: float) -> bool:
        return False

    catalog.view.reach = never  # type: ignore[method-assign, assignment]
    catalog.view.reached = lambda _answer: False  # type: ignore[method-assign, assignment]
    answer = await catalog.get("catalog/nodes")
    assert (answer.status_code, "could not catch up" in answer.text) == (500, True)
    assert (await catalog.get("catalog/nodes?stale")).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (OutcomeUnknownError(), 500, "outcome unknown"),
        (NoLeaderError(), 500, "No cluster leader"),
        (NoSpaceError("No space left for the log of server-2"), 500, "No space left for the log of server-2"),
        (OverloadedError(), 429, "too many writes are waiting, try again later"),
    ],
)
def test_a_write_that_is_not_answered_says_why(error: Exception, status: int, text: str) -> None:
    @story
    async def written() -> None:
        catalog = Catalog()

        async def fails(_command: object, _timeout_s: float = 10.0) -> Committed:
            raise error

        catalog.leader.propose = fails  # type: ignore[method-assign, assignment]
        answer = await catalog.put("kv/a", content=b"1")
        assert (answer.status_code, answer.text) == (status, text)

    written()
