"""A bus in memory with one fake store on it, and the parts of a process that speaks with it."""

import asyncio
import contextlib

import pytest

from lictor_bus import FakeBus, Hub, LeaderTracker, Proposer, ReadGate, View
from lictor_bus.fake_store import FakeStore


class World:
    """One fake store and the client side of one process."""

    def __init__(self):
        self.hub = Hub()
        self.store = FakeStore(FakeBus(self.hub))
        self.bus = FakeBus(self.hub)
        self.tracker = LeaderTracker(self.bus)
        self.proposer = Proposer(self.bus, self.tracker, "test")
        self.gate = ReadGate(self.bus, self.tracker, give_up_s=0.3)
        self.tasks = []

    async def start(self):
        await self.tracker.start()
        await self.store.open()
        self.spawn(self.proposer.run(), self.gate.run())

    def spawn(self, *works):
        self.tasks += [asyncio.ensure_future(work) for work in works]

    async def view(self, stream="all"):
        view = View(self.bus, self.tracker, stream)
        self.spawn(view.run())
        await asyncio.wait_for(view.ready.wait(), 2)
        return view

    async def close(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.bus.close()
        await self.store.bus.close()


@pytest.fixture
def in_world():
    """Run `story(world)` on an event loop of its own."""

    def run(story, *, start=True):
        async def main():
            world = World()
            if start:
                await world.start()
            try:
                await asyncio.wait_for(story(world), 20)
            finally:
                with contextlib.suppress(asyncio.CancelledError):
                    await world.close()

        asyncio.run(main())

    return run


async def until(condition, timeout_s=3.0):
    """Wait for a condition; fails with its name when it does not come true."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "condition did not come true in time"
        await asyncio.sleep(0.005)


@pytest.fixture(name="until")
def until_fixture():
    return until
