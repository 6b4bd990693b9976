"""The bridge over a bus in memory: rows for the pool's events, word to the pool of the store's, exactly once."""

import asyncio

from structlog.testing import capture_logs

from lictor_bus import FakeBus, Hub, LeaderTracker, Presence, Proposer, View, frames
from lictor_bus.fake_store import FakeStore
from lictor_bus.pool_frames import EventNotice
from lictor_bus.subjects import pool_events
from lictor_gossip.event_bridge import EventBridge
from lictor_gossip.event_format import to_pool
from lictor_state.levels import LEVEL_MAX
from lictor_state.rows import Table
from lictor_swim import UserEvent

IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(10)]


class Pool:
    """Gossips on one bus, and a pool that hands every event to all of them."""

    def __init__(self, size):
        self.hub = Hub()
        self.store = FakeStore(FakeBus(self.hub))
        self.told, self.tasks, self.bridges, self.buses = [], [], [], []
        self.size = size

    async def open(self):
        self.store.store.raise_level(LEVEL_MAX)
        await self.store.open()
        for number in range(self.size):
            bus = FakeBus(self.hub)
            tracker = LeaderTracker(bus)
            view, proposer = View(bus, tracker, "discovery"), Proposer(bus, tracker, f"g{number}")
            presence = Presence(bus, "gossip", f"n{number}", f"run-{number}")
            bridge = EventBridge(bus, view, proposer, self.tell, presence)
            await tracker.start()
            self.bridges.append(bridge)
            self.buses.append(bus)
            self.tasks += [asyncio.ensure_future(one.run()) for one in (view, proposer, presence, bridge)]
        await self.store.beacon()
        await until(lambda: all(len(one._presence.present("gossip")) == self.size for one in self.bridges))
        await until(lambda: sum(one.pattern.startswith("pool.") for one in self.hub.subscriptions) == self.size)

    def tell(self, name, payload):
        self.told.append((name, payload))
        self.spread(UserEvent(len(self.told), name, payload))

    def spread(self, event):
        for bridge in self.bridges:
            bridge.on_pool_event(event)

    async def notice(self, notice):
        await self.buses[0].publish(pool_events(self.store.cluster), frames.encode(notice))

    def rows(self):
        return [row for _, row in self.store.store.rows(Table.EVENTS)]


async def until(condition):
    async with asyncio.timeout(8):
        while not condition():  # noqa: ASYNC110  (watches what several parts show)
            await asyncio.sleep(0.005)


def run(size, story):
    async def main():
        pool = Pool(size)
        await pool.open()
        try:
            await asyncio.wait_for(story(pool), 10)
        finally:
            for task in pool.tasks:
                task.cancel()
            await asyncio.gather(*pool.tasks, return_exceptions=True)
            for bus in (*pool.buses, pool.store.bus):
                await bus.close()

    asyncio.run(main())


def test_a_fired_event_reaches_the_pool_once_and_makes_no_second_row():
    async def story(pool):
        notice = EventNotice(IDS[1], "deploy", b"v1")
        await pool.notice(notice)
        await until(lambda: pool.told)
        await asyncio.sleep(0.5)
        assert pool.told == [to_pool(notice)]
        assert pool.rows() == []  # the row is the catalog's work, and nobody proposed another

    run(5, story)


def test_an_event_of_the_pool_becomes_one_row_by_one_proposal():
    async def story(pool):
        pool.spread(UserEvent(4, "deploy", b"v1"))
        pool.spread(UserEvent(5, *to_pool(EventNotice(IDS[2], "consuls", b"x", "n"))))
        await until(lambda: len(pool.rows()) == 2)
        await asyncio.sleep(0.3)
        assert sum(one.from_pool for one in pool.bridges) == 2
        assert pool.told == []
        shown = {row.name: (row.payload, row.node_filter, row.ltime) for row in pool.rows()}
        assert shown == {"deploy": (b"v1", "", 4), "consuls": (b"x", "n", 5)}

    run(5, story)


def test_noise_in_the_pool_and_on_the_bus_is_counted_and_passed_over():
    async def story(pool):
        pool.spread(UserEvent(1, "consul:event:x", b"\xc1"))
        pool.spread(UserEvent(1, "consul:new-leader", b""))
        with capture_logs() as lines:
            await pool.buses[0].publish(pool_events(pool.store.cluster), b"\xc1")
            pool.spread(UserEvent(2, "deploy", b""))
            await until(pool.rows)
        assert "notice of an event not understood" in [one["event"] for one in lines]
        assert [one.malformed for one in pool.bridges] == [1]

    run(1, story)


def test_an_event_that_is_too_large_for_the_pool_stays_in_the_store_alone():
    async def story(pool):
        def refuse(_name, _payload):
            raise ValueError("too large")

        pool.bridges[0]._tell = refuse
        with capture_logs() as lines:
            await pool.notice(EventNotice(IDS[3], "deploy", b"v" * 600))
            await until(lambda: "the pool cannot be told of an event" in [one["event"] for one in lines])

    run(1, story)
