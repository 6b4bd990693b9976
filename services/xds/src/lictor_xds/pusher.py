"""When to rebuild: marks are gathered until it is quiet for a moment, bounded by a longest wait and a rate.

One change of the state often fires the watches of one proxy many times, and of many proxies at once. A key that asks to
go first (a proxy that has nothing yet) does not wait. The rate only delays: nothing that was marked is dropped.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

QUIET_S = 0.02  # rows of one write arrive together; 20 ms joins the writes of one deployment step
LONGEST_S = 0.2  # a state that never rests is still pushed five times a second
PER_SECOND = 250.0  # rebuilds; a change of everything must not starve the streams' own work
SLICE = 16  # rebuilds between two turns of the event loop, about 10 ms


class Pusher(Generic[K]):
    """Gathers keys and hands them to `rebuild` in slices; run `run()` as one of the process's tasks."""

    def __init__(
        self, rebuild: Callable[[Sequence[K]], None], clock: Callable[[], float], *, per_second: float = PER_SECOND
    ) -> None:
        self._rebuild, self._clock, self._per_second = rebuild, clock, per_second
        self._first: dict[K, None] = {}
        self._marked: dict[K, None] = {}
        self._first_mark = self._last_mark = 0.0
        self._credit = per_second
        self._credit_at = clock()
        self._work = asyncio.Event()

    def mark(self, key: K, *, first: bool = False) -> None:
        """Have `key` rebuilt soon; with `first`, before everything else and without waiting."""
        if first:
            self._marked.pop(key, None)
            self._first[key] = None
        elif key not in self._first:
            self._last_mark = self._clock()
            if not self._marked:
                self._first_mark = self._last_mark
            self._marked[key] = None
        self._work.set()

    def forget(self, key: K) -> None:
        """Nobody needs `key` any more."""
        self._first.pop(key, None)
        self._marked.pop(key, None)

    def wait_s(self) -> float | None:
        """Seconds until something may be rebuilt: 0 for now, None when nothing is marked."""
        if not (self._first or self._marked):
            return None
        if self._first:
            return 0.0
        now = self._clock()
        settled = min(self._last_mark + QUIET_S, self._first_mark + LONGEST_S) - now
        self._earn(now)
        paid = (1.0 - self._credit) / self._per_second
        return max(settled, paid, 0.0)

    def take(self) -> list[K]:
        """The next keys to rebuild, at most a slice of them."""
        keys = list(self._first)[:SLICE]
        for key in keys:
            del self._first[key]
        self._earn(self._clock())
        affordable = min(SLICE - len(keys), int(self._credit))
        for key in list(self._marked)[: max(affordable, 0)]:
            del self._marked[key]
            keys.append(key)
        # First configurations are charged too: they may overdraw, and the others then wait a little longer.
        self._credit = max(self._credit - len(keys), -self._per_second)
        return keys

    async def run(self) -> None:
        """Rebuild for ever."""
        while True:
            self._work.clear()
            wait_s = self.wait_s()
            if wait_s == 0:
                self._rebuild(self.take())
                await asyncio.sleep(0)  # the streams' turn
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await self._work.wait()
            except TimeoutError:
                continue

    def _earn(self, now: float) -> None:
        self._credit = min(self._credit + (now - self._credit_at) * self._per_second, self._per_second)
        self._credit_at = now
