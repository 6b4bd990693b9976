"""Timers by key: many run, few are due (what the leader's duties count with).

A heap of deadlines holds one entry a timer. Moving a timer writes its new deadline down and leaves the heap alone: when
the old entry comes up, it goes back in at the new place. So moving later costs O(1), starting and coming due O(log n).
Deadlines are of whatever clock the caller counts with.
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)

SLACK_MIN = 64
"""Entries of stopped timers that may lie in the heap before it is built anew; beyond it, as many as timers run."""


class Timers(Generic[Name]):
    """Named timers; a name has one timer at most."""

    def __init__(self) -> None:
        self._deadlines: dict[Name, float] = {}
        self._heap: list[tuple[float, int, Name]] = []
        self._entered: dict[Name, tuple[float, int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, name: object) -> bool:
        return name in self._deadlines

    def deadline(self, name: Name) -> float | None:
        """When a timer is due; None if it does not run."""
        return self._deadlines.get(name)

    def set(self, name: Name, deadline: float) -> None:
        """Start a timer, or move it."""
        self._deadlines[name] = deadline
        entered = self._entered.get(name)
        if entered is None or deadline < entered[0]:
            self._enter(name, deadline)

    def fill(self, deadlines: dict[Name, float]) -> None:
        """Begin anew with all these at once: O(n), where starting one after the other costs O(n log n)."""
        self._deadlines = deadlines
        self._entered = {name: (deadline, number) for number, (name, deadline) in enumerate(deadlines.items())}
        self._count = len(deadlines)
        self._rebuild()

    def stop(self, name: Name) -> None:
        """End a timer; one that does not run is fine."""
        self._deadlines.pop(name, None)
        self._entered.pop(name, None)
        if len(self._heap) > 2 * len(self._deadlines) + SLACK_MIN:
            self._rebuild()

    def due(self, now: float, limit: int) -> list[Name]:
        """The timers whose deadline has come, earliest first; they go on running until stopped or moved."""
        found: list[Name] = []
        heap = self._heap
        while heap and heap[0][0] <= now and len(found) < limit:
            _, number, name = heapq.heappop(heap)
            entered = self._entered.get(name)
            if entered is None or entered[1] != number:
                continue  # stopped, or entered anew
            del self._entered[name]
            deadline = self._deadlines[name]
            if deadline <= now:
                found.append(name)
            else:
                self._enter(name, deadline)
        for name in found:
            self._enter(name, self._deadlines[name])
        return found

    def _enter(self, name: Name, deadline: float) -> None:
        self._count += 1
        self._entered[name] = (deadline, self._count)
        heapq.heappush(self._heap, (deadline, self._count, name))
        if len(self._heap) > 2 * len(self._deadlines) + SLACK_MIN:
            self._rebuild()

    def _rebuild(self) -> None:
        self._heap = [(deadline, number, name) for name, (deadline, number) in self._entered.items()]
        heapq.heapify(self._heap)
