"""Whether this member has been removed from its cluster without having seen it (design §6, autopilot).

A member that was away when it was removed keeps the configuration of its log, in which it still is. Leaders' beacons
name the members as of the index that they have applied; they are sent under a lease. A member that has applied
something, and for a while hears only of configurations that it is not in, at indexes that it has not passed itself, is
removed for good: ids are never used again. One that has applied nothing yet waits to be added and is not removed.

Pure: beacons and `now` in, a verdict out.
"""

from lictor_bus.frames import Beacon

CERTAIN_S = 2.0
"""Eight beacons in a row: an older one that was late on its way cannot last so long."""


class RemovalWatch:
    """Judges the beacons that one member hears."""

    def __init__(self, member_id: int) -> None:
        self._member_id = member_id
        self._missing_since: float | None = None

    def heard(self, beacon: Beacon, *, applied: int, store_index: int, now: float) -> bool:
        """Take in a beacon of this member's own cluster; whether the member is removed.

        Args:
            beacon: the beacon.
            applied: the Raft index that this member has applied, 0 for nothing.
            store_index: the store index of its state.
            now: seconds.
        """
        named = not beacon.conf or self._member_id in beacon.conf  # a leader of an earlier build names nobody
        if not applied or named or beacon.applied < store_index:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = now
        return self._missing_since is not None and now - self._missing_since >= CERTAIN_S
