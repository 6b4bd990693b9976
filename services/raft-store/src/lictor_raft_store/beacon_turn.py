"""When a leader's next beacon may be sent (design rules 3.8 and 3.12).

Every 250 ms, and at once when a leadership begins. A beacon says "I lead": under the lease that needs no proof. A
leader without a lease, as one that has tried to hand over and stayed, proves it by a quorum round first. Otherwise it
would be silent for the rest of its term, and every view and client would think that nobody leads.

Pure: the round is the caller's to start.
"""

BEACON_EVERY_S = 0.25


class BeaconTurn:
    """The beacons of one member, while it leads."""

    def __init__(self) -> None:
        self._due_at = 0.0
        self._round: int | None = None
        self._proven = False

    def begin(self) -> None:
        """A leadership begins: the first beacon is due at once."""
        self._due_at, self._round, self._proven = 0.0, None, False

    def due(self, now: float) -> bool:
        """Whether it is time for a beacon: before that nothing else needs to be asked."""
        return now >= self._due_at

    def wants_round(self, now: float, *, leased: bool) -> bool:
        """Whether a beacon is due that only a quorum round can back, and none is under way."""
        return now >= self._due_at and not leased and not self._proven and self._round is None

    def round_began(self, context: int) -> None:
        """The round of `context` was begun for a beacon."""
        self._round = context

    def round_ended(self, context: int, *, confirmed: bool) -> None:
        """A round has ended, for a beacon or for somebody else's read."""
        if context == self._round:
            self._round, self._proven = None, confirmed

    def take(self, now: float, *, leased: bool) -> bool:
        """Whether a beacon is sent now; the next one is due a quarter of a second later."""
        if now < self._due_at or not (leased or self._proven):
            return False
        self._due_at, self._proven = now + BEACON_EVERY_S, False
        return True
