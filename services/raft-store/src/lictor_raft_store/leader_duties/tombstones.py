"""Forgetting tombstones of deleted keys by time, as Consul does: a TTL of 15 minutes in steps of 30 seconds.

Tombstones carry an index and no time. So the leader notes now and then the newest index that it has seen, and when a
note is old enough everything up to its index is. A new leader takes all that it finds for new: later, never sooner.
"""

from collections import deque

from lictor_state import Change, Store
from lictor_state import reported_indexes as reported
from lictor_state.commands import Command, TombstonesReap
from lictor_state.rows import Table, TombstoneRow

TTL_S = 15 * 60.0
GRANULARITY_S = 30.0
"""One note in this time: at most 31 notes are kept."""


class Tombstones:
    """The leader's notes of (time, newest index)."""

    tables: frozenset[Table] = frozenset()

    def __init__(self) -> None:
        self._notes: deque[tuple[float, int]] = deque()
        self._noted = 0
        self._up_to = 0

    def begin(self, store: Store, now: float) -> None:
        """Note what there is."""
        self._notes.clear()
        self._noted = self._up_to = 0
        self._note(store, now)

    def changed(self, change: Change, now: float) -> None:
        """Nothing is followed: the index row of all tombstones says what is needed."""

    def _note(self, store: Store, now: float) -> None:
        if self._notes and now - self._notes[-1][0] < GRANULARITY_S:
            return
        newest = store.index_of(reported.TOMBSTONES)
        if newest > self._noted:
            self._notes.append((now, newest))
            self._noted = newest

    def round(self, store: Store, now: float) -> list[Command]:
        """Forget what every reader has had time to see; bounded per entry, so perhaps several times."""
        self._note(store, now)
        while self._notes and now - self._notes[0][0] >= TTL_S:
            self._up_to = self._notes.popleft()[1]
        if not self._up_to:
            return []
        if not store.count(Table.TOMBSTONES) or self._oldest(store) > self._up_to:
            self._up_to = 0
            return []
        return [TombstonesReap(self._up_to)]

    @staticmethod
    def _oldest(store: Store) -> int:
        row = store.get(Table.TOMBSTONES, store.oldest_tombstone())
        assert isinstance(row, TombstoneRow)
        return row.index
