"""Lamport clocks (Lamport 1978): order without synchronised clocks. Serf keeps three: members, events, queries."""

LTIME_MAX = (1 << 64) - 1
"""Times are unsigned 64-bit numbers on the wire; a clock stops there instead of wrapping to a past that all ignore."""


class LamportClock:
    """A counter that never falls behind a time it has witnessed. Starts at 1."""

    __slots__ = ("time",)

    def __init__(self) -> None:
        self.time = 1

    def advance(self) -> int:
        """The current time, for a message about to be sent; the clock moves on."""
        now = self.time
        self.time = min(now + 1, LTIME_MAX)
        return now

    def witness(self, other: int) -> None:
        """Move beyond a time that a peer has used."""
        if other >= self.time:
            self.time = min(other + 1, LTIME_MAX)
