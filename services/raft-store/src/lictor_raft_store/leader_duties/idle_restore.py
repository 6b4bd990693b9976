"""Giving up restores that nobody goes on with (design rule 3.11): a pure decision of the leader.

A client that died between two chunks leaves a staged state behind, which costs every member its memory and keeps it
from taking snapshots. The leader counts from when it first saw a restore at its present point, so a new leader counts
anew: later, never sooner.
"""

from lictor_state import Store
from lictor_state.commands import RestoreAbort

IDLE_S = 60.0
"""Chunks come milliseconds apart; a catalog that lost its leader for a while still has the time to go on."""


class IdleRestore:
    """Watches one store."""

    def __init__(self) -> None:
        self._seen: tuple[str, int] | None = None
        self._since = 0.0

    def judge(self, store: Store, now: float) -> RestoreAbort | None:
        """What to propose now, if anything."""
        staged = store.restoring
        seen = (staged.restore_id, staged.last_at) if staged is not None else None
        if seen != self._seen:
            self._seen, self._since = seen, now
        if seen is None or now - self._since < IDLE_S:
            return None
        return RestoreAbort(seen[0])
