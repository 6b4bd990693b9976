"""The replicated log: a stable part in the storage, an unstable end in memory, and how far it is committed and applied.

Raft paper 5.3 (consistency check, conflict resolution), 5.4.1 (which log is more up to date), 7 (snapshots). The search
for the point of agreement skips whole terms (end of 5.3), so a diverged follower costs one exchange per term, not per
entry.

    first_index ... applied <= applying <= committed <= last_index

Entries are handed out for applying once, and only when they are durable here; up to `applying` they are handed out, up
to `applied` they are done. This module knows no messages and no peers.
"""

from collections.abc import Sequence

from lictor_raft.errors import LogDamaged, LogUnavailable
from lictor_raft.messages import Entry, Snapshot
from lictor_raft.storage import Storage, cut_to_bytes, payload_bytes
from lictor_raft.unstable import Unstable

ENTRIES_PER_MESSAGE_MAX = 4096
"""However small the entries are: bounds the work of one append, and of one read from the storage."""


class RaftLog:
    """The log of one member."""

    __slots__ = (
        "_applying_bytes",
        "_applying_full",
        "_slice",
        "_slice_key",
        "applied",
        "applying",
        "committed",
        "storage",
        "unstable",
    )

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        first = storage.first_index()
        self.unstable = Unstable(storage.last_index() + 1)
        self.committed = first - 1
        self.applied = first - 1
        self.applying = first - 1
        # No more is handed out while this much is being applied, or while what was handed out had to be cut.
        self._applying_bytes = 0
        self._applying_full = False
        # Peers in step ask for the same entries: the last answer is kept until the log changes.
        self._slice_key = (0, 0)
        self._slice: tuple[tuple[Entry, ...], int] = ((), 0)

    def first_index(self) -> int:
        """The first index whose entry is at hand, if the log is not empty."""
        snapshot = self.unstable.snapshot
        return self.storage.first_index() if snapshot is None else snapshot.meta.index + 1

    def last_index(self) -> int:
        """The last index of the log, durable or not."""
        unstable = self.unstable
        if unstable.entries:
            return unstable.offset + len(unstable.entries) - 1
        return self.storage.last_index() if unstable.snapshot is None else unstable.snapshot.meta.index

    def durable_index(self) -> int:
        """The last index that would survive a crash now."""
        return self.unstable.offset - 1 if self.unstable.snapshot is None else self.storage.last_index()

    def term(self, index: int) -> int:
        """The term of an entry.

        Raises:
            LogCompacted: below the first index - 1.
            LogUnavailable: above the last index.
        """
        unstable = self.unstable
        if index < unstable.offset and unstable.snapshot is None:  # the usual case, before everything else is asked
            return self.storage.term(index)
        term = unstable.term(index)
        if term is not None:
            return term
        if index >= unstable.offset:
            raise LogUnavailable(f"index {index} is above the last index {self.last_index()}")
        raise LogUnavailable(f"index {index} lies before the snapshot that is being installed")

    def term_or_zero(self, index: int) -> int:
        """The term of an entry, or 0 where the log does not know it."""
        try:
            return self.term(index)
        except LogUnavailable:
            return 0

    def last_term(self) -> int:
        """The term of the last entry."""
        return self.term(self.last_index())

    def matches(self, index: int, term: int) -> bool:
        """Whether the entry at `index` has `term`: then everything before it is equal too (paper 5.3)."""
        try:
            return self.term(index) == term
        except LogUnavailable:
            return False

    def is_up_to_date(self, index: int, term: int) -> bool:
        """Whether a candidate whose log ends at (`index`, `term`) may get a vote (paper 5.4.1)."""
        last_term = self.last_term()
        return term > last_term or (term == last_term and index >= self.last_index())

    def append(self, entries: Sequence[Entry]) -> None:
        """Put entries at their indexes; none of them may be committed already."""
        if not entries:
            return
        if entries[0].index <= self.committed:
            raise LogDamaged(f"entry {entries[0].index} conflicts with the log, which is committed to {self.committed}")
        self._slice_key = (0, 0)
        self.unstable.append(entries)

    def maybe_append(self, prev_index: int, prev_term: int, entries: Sequence[Entry], commit: int) -> int | None:
        """Take an append if the log matches before it; returns the last index that now matches, or None."""
        if not self.matches(prev_index, prev_term):
            return None
        last_new = prev_index + len(entries)
        self.append(self._new_entries(entries))
        self.commit_to(min(commit, last_new))
        return last_new

    def _new_entries(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """What of `entries` is missing or differs: a log is cut only at a conflicting term, never for being longer."""
        if not entries or entries[0].index > self.last_index():
            return entries
        for position, entry in enumerate(entries):
            if not self.matches(entry.index, entry.term):
                return entries[position:]
        return ()

    def find_conflict_by_term(self, index: int, term: int) -> tuple[int, int]:
        """The largest index up to `index` with a term of at most `term`, and its term (0 if no longer known)."""
        while index > 0:
            try:
                own_term = self.term(index)
            except LogUnavailable:
                return index, 0
            if own_term <= term:
                return index, own_term
            index -= 1
        return 0, 0

    def commit_to(self, index: int) -> None:
        """Commit up to `index`; never goes back.

        Raises:
            LogDamaged: the leader counts on entries that this member acknowledged and no longer has.
        """
        if index <= self.committed:
            return
        if index > self.last_index():
            raise LogDamaged(f"commit index {index} is above the last index {self.last_index()}: was the disk lost?")
        self.committed = index

    def applied_to(self, index: int, size: int = 0) -> None:
        """The driver has applied up to `index`, the last `size` bytes of payload of what it was handed.

        What a snapshot has overtaken meanwhile changes nothing.
        """
        assert index <= self.committed, "only what is committed is applied"
        if index > self.applied:
            self.applied = index
            self.applying = max(self.applying, index)
        self._applying_bytes -= size
        self._applying_full = False

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the log by a snapshot."""
        self._slice_key = (0, 0)
        self.committed = snapshot.meta.index
        self.unstable.restore(snapshot)

    def entries(self, low: int, bytes_max: int) -> tuple[tuple[Entry, ...], int]:
        """The entries from `low` on within `bytes_max` of payload but at least one, and their payload.

        Raises:
            LogCompacted: `low` is below the first index.
        """
        high = min(self.last_index() + 1, low + ENTRIES_PER_MESSAGE_MAX)
        if low >= high:
            return (), 0
        if self._slice_key != (low, bytes_max):
            entries = tuple(self._between(low, high, bytes_max))
            self._slice = (entries, payload_bytes(entries))
            self._slice_key = (low, bytes_max)
        return self._slice

    def _between(self, low: int, high: int, bytes_max: int) -> Sequence[Entry]:
        unstable = self.unstable
        if low >= unstable.offset:
            return cut_to_bytes(unstable.entries[low - unstable.offset : high - unstable.offset], bytes_max)
        stable = self.storage.entries(low, min(high, unstable.offset), bytes_max)
        if high <= unstable.offset or len(stable) < unstable.offset - low:
            return stable
        return cut_to_bytes([*stable, *unstable.entries[: high - unstable.offset]], bytes_max)

    def committed_between(self, low: int, high: int, bytes_max: int) -> Sequence[Entry]:
        """Entries from `low` up to but not including `high`, cut as `entries` is."""
        return self._between(low, min(high, low + ENTRIES_PER_MESSAGE_MAX), bytes_max)

    def has_next_committed(self) -> bool:
        """Whether there are entries to apply: committed, durable, and not behind a snapshot still to be installed."""
        return (
            self.unstable.snapshot is None
            and self.applying < min(self.committed, self.unstable.offset - 1)
            and not self._applying_full
        )

    def next_committed(self, bytes_max: int) -> Sequence[Entry]:
        """The next entries to apply, within `bytes_max` of payload being applied but at least one."""
        if self.applying >= self.committed or not self.has_next_committed():
            return ()
        low, high = self.applying + 1, min(self.committed, self.unstable.offset - 1) + 1
        high_max = min(high, low + ENTRIES_PER_MESSAGE_MAX)
        return self.storage.entries(low, high_max, bytes_max - self._applying_bytes)

    def start_applying(self, entries: Sequence[Entry], bytes_max: int) -> None:
        """`entries` were handed out while others may still be: hand out more only within `bytes_max` of payload.

        Where they had to be cut the next one would go over the limit, so that waits for an answer too.
        """
        self.applying = entries[-1].index
        self._applying_bytes += payload_bytes(entries)
        cut = self.applying < min(self.committed, self.unstable.offset - 1)
        self._applying_full = cut or self._applying_bytes >= bytes_max
