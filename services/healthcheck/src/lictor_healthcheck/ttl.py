"""TTL checks: deadlines that only an update moves.

A TTL check is critical when nobody has spoken for it in time. Deadlines live in memory: after a restart, a change of
owner or a gap in this process's own presence every TTL starts afresh, later and never sooner. Pure: the clock is an
argument.
"""

import heapq

from lictor_healthcheck.checks import CRITICAL, CheckKey, Verdict

EXPIRED = "TTL expired"
# Entries of removed checks stay in the heap until they come up; beyond this many it is rebuilt.
STALE_MAX = 64


class Deadlines:
    """When each TTL check expires; one that has expired stays silent until it is touched."""

    def __init__(self) -> None:
        self._ttl_s: dict[CheckKey, float] = {}
        self._deadline: dict[CheckKey, float] = {}
        self._heap: list[tuple[float, CheckKey]] = []
        self._queued: dict[CheckKey, float] = {}

    def __len__(self) -> int:
        return len(self._ttl_s)

    def add(self, key: CheckKey, ttl_s: float, now: float) -> None:
        """Begin with a check, a whole TTL from now."""
        self._ttl_s[key] = ttl_s
        self.touch(key, now)

    def touch(self, key: CheckKey, now: float) -> None:
        """An update came: a whole TTL from now.

        Raises:
            KeyError: the check is not known.
        """
        deadline = now + self._ttl_s[key]
        self._deadline[key] = deadline
        # A later deadline is found when the queued one comes up: an update costs no heap operation.
        if self._queued.get(key, float("inf")) > deadline:
            self._push(key, deadline)

    def touch_all(self, now: float) -> None:
        """Start every TTL afresh."""
        for key in self._ttl_s:
            self.touch(key, now)

    def remove(self, key: CheckKey) -> None:
        """Forget a check; an unknown one is fine."""
        self._ttl_s.pop(key, None)
        self._deadline.pop(key, None)

    def take_expired(self, now: float) -> list[CheckKey]:
        """The checks whose deadline has passed, each once."""
        expired = []
        while self._heap and self._heap[0][0] <= now:
            queued, key = heapq.heappop(self._heap)
            if self._queued.get(key) != queued:
                continue
            del self._queued[key]
            deadline = self._deadline.get(key)
            if deadline is None:
                continue
            if deadline > now:
                self._push(key, deadline)
            else:
                del self._deadline[key]
                expired.append(key)
        return expired

    def next_deadline(self) -> float | None:
        """The earliest time at which something may expire, None when nothing can."""
        return self._heap[0][0] if self._heap else None

    def _push(self, key: CheckKey, deadline: float) -> None:
        self._queued[key] = deadline
        heapq.heappush(self._heap, (deadline, key))
        if len(self._heap) > 2 * len(self._deadline) + STALE_MAX:
            self._queued = dict(self._deadline)
            self._heap = [(deadline, key) for key, deadline in self._deadline.items()]
            heapq.heapify(self._heap)


def expired_verdict(shown: Verdict) -> Verdict:
    """What an expired check shows, given what it showed before."""
    if shown.status == CRITICAL and shown.output.startswith(EXPIRED):
        return shown
    if not shown.output:
        return Verdict(CRITICAL, EXPIRED)
    return Verdict(CRITICAL, f"{EXPIRED} (last output before timeout follows): {shown.output}")


def cut_output(output: str, bytes_max: int) -> str:
    """Keep the first `bytes_max` bytes (whole characters) of what an update says, and tell how much there was."""
    encoded = output.encode()
    if len(encoded) <= bytes_max:
        return output
    kept = encoded[:bytes_max].decode(errors="ignore")
    return f"{kept} ... (captured {bytes_max} of {len(encoded)} bytes)"
