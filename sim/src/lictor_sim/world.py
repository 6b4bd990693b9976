"""Virtual time, one source of chance, and a fingerprint of everything that happened.

A world is a heap of events. Two runs of one seed are equal when their fingerprints are: `note` folds every delivery,
write, crash and answer into it. Nothing here knows what is simulated.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from zlib import crc32


class World:
    """A clock that jumps from event to event.

    Args:
        seed: everything follows from it.
    """

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.trace = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        """Let `event` happen in `delay_s` virtual seconds; what is due at one moment happens in the order of asking."""
        self._sequence += 1
        heappush(self._events, (self.now + delay_s, self._sequence, event))

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heappop(self._events)
            event()
        self.now = end

    def chance(self, probability: float) -> bool:
        """Whether something happens that does so with this probability."""
        return self.rng.random() < probability

    def note(self, what: str) -> None:
        """Fold something that happened now into the fingerprint."""
        self.trace = crc32(f"{self.now:.9f} {what}".encode(), self.trace)
