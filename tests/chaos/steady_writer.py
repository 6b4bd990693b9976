"""A client that writes without pause and remembers what was acknowledged and when: what chaos tests hold a cluster to.

It is a process's usual client side (tracker, proposer, read gate) on an event loop of the test.
"""

import asyncio
import itertools
import time
from typing import Any

from lictor_bus import LeaderTracker, ProposeError, Proposer, View, connect
from lictor_state.commands import KVSet

CLIENTS = 8
"""Writers at once: some are always under way when something breaks."""


class SteadyWriter:
    """Writes one new key after another; every key is written once and says its number."""

    def __init__(self, nats_url: str, name: str = "writer") -> None:
        self._url, self._name = nats_url, name
        self.acknowledged: list[tuple[float, str]] = []
        self.failed: list[tuple[float, str]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._ended = False

    async def start(self) -> None:
        """Connect, and begin to write."""
        self._bus = await connect(self._url, self._name)
        self._leader = LeaderTracker(self._bus)
        await self._leader.start()
        self._proposer = Proposer(self._bus, self._leader, self._name)
        self._tasks = [asyncio.create_task(self._proposer.run())]
        self._tasks += [asyncio.create_task(self._write(number)) for number in range(CLIENTS)]

    async def _write(self, client: int) -> None:
        number = 0
        while not self._ended:
            key = f"{self._name}/{client}/{number}"
            number += 1
            try:
                done = await self._proposer.propose(KVSet(key, b"x" * 100, cas=0))
            except ProposeError as error:
                self.failed.append((time.monotonic(), str(error)))
                await asyncio.sleep(0.01)
                continue
            assert done.result.value is True, f"{key} was applied twice"
            self.acknowledged.append((time.monotonic(), key))

    def longest_gap_s(self, since: float) -> float:
        """The longest time without an acknowledgement after `since`, up to now."""
        moments = [since, *(at for at, _ in self.acknowledged if at > since), time.monotonic()]
        return max(late - early for early, late in itertools.pairwise(moments))

    async def until_more(self, count: int, timeout_s: float = 15.0) -> None:
        """Wait for `count` further acknowledgements."""
        goal = len(self.acknowledged) + count
        async with asyncio.timeout(timeout_s):
            while len(self.acknowledged) < goal:
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.01)

    async def finish(self) -> None:
        """Let what is under way end, and stop."""
        self._ended = True
        await asyncio.wait(self._tasks[1:], timeout=15)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def missing(self, nats_url: str) -> set[str]:
        """The acknowledged keys that a fresh view of the cluster does not hold."""
        bus = await connect(nats_url, "auditor")
        leader = LeaderTracker(bus)
        await leader.start()
        view = View(bus, leader, "all")
        follow = asyncio.create_task(view.run())
        try:
            async with asyncio.timeout(15):
                await view.ready.wait()
                last = self.acknowledged[-1][1]
                while view.store.kv(last) is None:  # noqa: ASYNC110  a test may poll
                    await asyncio.sleep(0.02)
            return {key for _, key in self.acknowledged if view.store.kv(key) is None}
        finally:
            follow.cancel()
            await asyncio.gather(follow, return_exceptions=True)
            await bus.close()
            await self._bus.close()
