"""Schedule: which checks are due at `now`.

A check first runs within a second, since until then nobody knows its target; then after between a half and a whole
interval, so that a thousand checks registered together do not probe together for ever; and then one interval after the
end of its last run: a slow target is not probed twice at once. (Consul waits a random part of the interval for the
first run.) Intervals below one second are raised (`checks.interval_s`). Pure: clock and dice are arguments.
"""

import heapq
from collections.abc import Callable

from lictor_healthcheck.checks import INTERVAL_S_MIN, CheckKey

# Entries of removed checks stay in the heap until they come up; beyond this many it is rebuilt.
STALE_MAX = 64
FIRST_RUN_WITHIN_S = 1.0


class Schedule:
    """The times at which checks are due; a check taken stays away until it is `finished`."""

    def __init__(self) -> None:
        self._interval_s: dict[CheckKey, float] = {}
        self._phase_s: dict[CheckKey, float] = {}
        self._due: dict[CheckKey, float] = {}
        self._heap: list[tuple[float, CheckKey]] = []

    def __len__(self) -> int:
        return len(self._interval_s)

    def add(self, key: CheckKey, interval_s: float, now: float, dice: Callable[[], float]) -> None:
        """Begin with a check, or begin anew with another interval."""
        interval_s = max(INTERVAL_S_MIN, interval_s)
        self._interval_s[key] = interval_s
        spread = dice()
        self._phase_s[key] = interval_s * (1 + spread) / 2
        self._push(key, now + FIRST_RUN_WITHIN_S * spread)

    def remove(self, key: CheckKey) -> None:
        """Forget a check; an unknown one is fine."""
        self._interval_s.pop(key, None)
        self._phase_s.pop(key, None)
        self._due.pop(key, None)

    def take_due(self, now: float) -> list[tuple[float, CheckKey]]:
        """Take the checks that are due, the longest due first, each with the time at which it was due."""
        taken = []
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                taken.append((due, key))
        return taken

    def finished(self, key: CheckKey, now: float) -> None:
        """A run has ended: the next is due one interval later, after the first run only a part of one.

        Nothing happens for a check since removed.
        """
        interval_s = self._interval_s.get(key)
        if interval_s is not None:
            self._push(key, now + self._phase_s.pop(key, interval_s))

    def next_due(self) -> float | None:
        """When the next check is due, None when none is."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _push(self, key: CheckKey, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        if len(self._heap) > 2 * len(self._due) + STALE_MAX:
            self._heap = [(due, key) for key, due in self._due.items()]
            heapq.heapify(self._heap)
