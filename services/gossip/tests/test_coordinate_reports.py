"""Where a node is: told when it has moved, at a bounded rate, to one of the catalogs."""

import asyncio
import random

import pytest

from lictor_bus import FakeBus, Hub, LeaderTracker, View, frames
from lictor_bus.fake_store import FakeStore
from lictor_bus.pool_frames import COORDINATES_QUEUE, CoordinateReport
from lictor_bus.subjects import pool_coordinates
from lictor_gossip import coordinate_reports
from lictor_gossip.coordinate_reports import INTERVAL_S_MIN, CoordinateReports, has_moved, interval_s
from lictor_state.commands import AgentJoin
from lictor_swim import Coordinate

HERE = Coordinate((0.010, *(0.0,) * 7), 0.3, 0.0001, 0.001)


def moved(by_s=0.0, error=0.0):
    return Coordinate((0.010 + by_s, *(0.0,) * 7), 0.3 + error, 0.0001, 0.001)


@pytest.mark.parametrize(
    ("told", "now", "worth"),
    [
        (None, Coordinate(), False),  # nothing was measured yet
        (None, HERE, True),
        (HERE, HERE, False),
        (HERE, moved(0.00005), False),
        (HERE, moved(0.0004), False),  # less than a twentieth
        (HERE, moved(0.002), True),
        (HERE, moved(0, 0.2), True),
        (Coordinate(), Coordinate((0.00005, *(0.0,) * 7)), False),  # noise of the shortest paths
        (Coordinate(), Coordinate((0.0005, *(0.0,) * 7)), True),
    ],
)
def test_a_coordinate_is_told_when_it_has_moved(told, now, worth):
    assert has_moved(told, now) is worth


def test_the_pool_as_a_whole_reports_at_most_sixty_four_times_a_second():
    assert interval_s(1) == interval_s(900) == INTERVAL_S_MIN
    assert 64_000 / interval_s(64_000) == pytest.approx(64)


def test_reports_go_to_one_catalog_and_begin_anew_with_each_registration(monkeypatch):
    monkeypatch.setattr(coordinate_reports, "SETTLE_S", 0.01)
    monkeypatch.setattr(coordinate_reports, "INTERVAL_S_MIN", 0.02)

    async def story():
        hub = Hub()
        store, bus = FakeStore(FakeBus(hub)), FakeBus(hub)
        tracker = LeaderTracker(bus)
        view = View(bus, tracker, "discovery")
        await tracker.start()
        await store.open()
        where = [Coordinate()]
        reports = CoordinateReports(bus, view, "n1", lambda: where[0], lambda: 3, random.Random(1))
        taken = []

        def take(_subject, data, _reply):
            taken.append(frames.decode(data, CoordinateReport))

        for _ in range(3):
            await bus.subscribe(pool_coordinates(store.cluster), take, queue=COORDINATES_QUEUE)
        tasks = [asyncio.ensure_future(one.run()) for one in (view, reports)]

        async def until(condition):
            async with asyncio.timeout(5):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

        await view.ready.wait()
        where[0] = HERE
        await asyncio.sleep(0.1)
        assert taken == []  # the node has no row that it could belong to
        await store.apply(AgentJoin("n1", "6a0e3d3c-0000-4000-8000-000000000001", "run", "127.0.0.12", 1, "dc1"))
        await until(lambda: len(taken) == 1)
        assert taken[0] == CoordinateReport("n1", HERE.vector, 0.3, 0.0001, 0.001)
        where[0] = moved(0.0001)
        await asyncio.sleep(0.15)
        assert len(taken) == 1
        where[0] = moved(0.01)
        await until(lambda: len(taken) == 2)
        await store.apply(AgentJoin("n1", "6a0e3d3c-0000-4000-8000-000000000001", "run-2", "127.0.0.12", 1, "dc1"))
        await until(lambda: len(taken) == 3)
        assert reports.sent == 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(bus.close(), store.bus.close())

    asyncio.run(story())
