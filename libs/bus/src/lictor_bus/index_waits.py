"""Who waits until a view has come to an index, each with a time limit of its own.

One timer serves all of them, at the earliest deadline that was heard of: nearly everybody is told long before.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable

Reached = Callable[[bool], None]
"""Told, once, whether the view has come to an index in time; must not raise."""


class _Wait:
    """Somebody who waits for an index; `reached` is None once it was told."""

    __slots__ = ("deadline", "reached")

    def __init__(self, reached: Reached, deadline: float) -> None:
        self.reached: Reached | None = reached
        self.deadline = deadline

    def tell(self, there: bool) -> None:
        reached, self.reached = self.reached, None
        if reached is not None:
            reached(there)


class IndexWaits:
    """All who wait for one view; used from the event loop."""

    def __init__(self) -> None:
        self._waits: list[tuple[int, int, _Wait]] = []  # a heap: index, order of coming
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waits)

    def add(self, index: int, timeout_s: float, reached: Reached) -> None:
        """Have `reached` told by `tell` of that index, or False after `timeout_s`."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        heapq.heappush(self._waits, (index, next(self._order), _Wait(reached, deadline)))
        if self._timer is None or deadline < self._timer_at:
            self._expire_at(deadline)

    def tell(self, index: int) -> None:
        """The view has come to `index`."""
        while self._waits and self._waits[0][0] <= index:
            heapq.heappop(self._waits)[2].tell(True)

    def _expire_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        late = [entry for entry in self._waits if entry[2].deadline <= now]
        self._waits = [entry for entry in self._waits if entry[2].deadline > now]
        heapq.heapify(self._waits)
        if self._waits:
            self._expire_at(min(wait.deadline for _, _, wait in self._waits))
        for _, _, wait in sorted(late, key=lambda entry: entry[1]):
            wait.tell(False)
