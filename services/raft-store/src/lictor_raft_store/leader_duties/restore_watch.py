"""A restore that nobody goes on with is given up: while it lasts, members hold two states and take no snapshots."""

from lictor_state import Change, Store
from lictor_state.commands import Command, RestoreAbort
from lictor_state.rows import Table

IDLE_S = 60.0
"""Several times what a client waits for one chunk."""


class RestoreWatch:
    """The leader's eye on the restore under way."""

    tables: frozenset[Table] = frozenset()

    def __init__(self) -> None:
        self._seen: tuple[str, int] | None = None
        self._since = 0.0

    def begin(self, _store: Store, _now: float) -> None:
        """Count anew."""
        self._seen = None

    def changed(self, change: Change, now: float) -> None:
        """Nothing is followed: what is staged is no row."""

    def round(self, store: Store, now: float) -> list[Command]:
        """Give up a restore without progress; again after as long, should the command have been lost."""
        staged = store.restoring
        if staged is None:
            self._seen = None
            return []
        seen = (staged.restore_id, staged.last_at)
        if seen != self._seen:
            self._seen, self._since = seen, now
        if now - self._since < IDLE_S:
            return []
        self._since = now
        return [RestoreAbort(staged.restore_id)]
