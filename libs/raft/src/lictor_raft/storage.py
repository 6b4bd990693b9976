"""Where the stable part of the log lives, as the core sees it.

`Storage` is what a driver provides: reads only, answered at once, of what is durable. `MemoryStorage` keeps the recent
entries in a list; a driver puts it over its write-ahead log and fills it once the log has synced, and simulations take
it as the disk.

Raft paper 7 (log compaction): a snapshot stands for everything up to its index. What the core calls the first index is
the first that `entries` can return; the term of the index before it is kept, for the consistency check of the next
append.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol, Self

from lictor_raft.errors import LogCompacted, LogUnavailable, SnapshotUnavailable
from lictor_raft.messages import ConfState, Entry, HardState, Snapshot, SnapshotMeta

FOUNDING_INDEX = 1
"""A founded log starts behind a snapshot at this index, so that a member that joins later has to fetch the
configuration."""
FOUNDING_TERM = 1


class Storage(Protocol):
    """The stable log, read by the core."""

    def initial_state(self) -> tuple[HardState, ConfState]:
        """The durable hard state, and the configuration as of `Config.applied`."""

    def first_index(self) -> int:
        """The first index that `entries` can return, if the log is not empty."""

    def last_index(self) -> int:
        """The last index, or the one before `first_index` where the log is empty."""

    def term(self, index: int) -> int:
        """The term of an entry.

        Raises:
            LogCompacted: below `first_index` - 1.
            LogUnavailable: above `last_index`.
        """

    def entries(self, low: int, high: int, bytes_max: int) -> Sequence[Entry]:
        """The entries from `low` up to but not including `high`, cut at `bytes_max` of payload but at least one.

        Raises:
            LogCompacted: `low` is below `first_index`.
            LogUnavailable: `high` is above `last_index` + 1.
        """

    def snapshot(self) -> Snapshot:
        """The newest snapshot.

        Raises:
            SnapshotUnavailable: none is at hand; the core asks again later.
        """


def payload_bytes(entries: Sequence[Entry]) -> int:
    """The payload of the entries, as every limit of this library counts it."""
    return sum([len(entry.data) for entry in entries])


def cut_to_bytes(entries: Sequence[Entry], bytes_max: int) -> Sequence[Entry]:
    """The longest prefix within `bytes_max` of payload, but at least one entry."""
    if payload_bytes(entries) <= bytes_max:  # the usual case, in a third of the time
        return entries
    for count, size in enumerate(accumulate([len(entry.data) for entry in entries])):
        if size > bytes_max:
            return entries[: max(1, count)]
    return entries


class MemoryStorage:
    """A `Storage` in memory."""

    def __init__(self, conf_state: ConfState | None = None) -> None:
        self._hard_state = HardState()
        self._conf_state = conf_state or ConfState()
        self._snapshot = Snapshot()
        self._base = 0
        self._base_term = 0
        self._entries: list[Entry] = []

    @classmethod
    def founded(cls, conf_state: ConfState, reference: bytes = b"") -> Self:
        """The storage with which each founding member starts: an empty state at `FOUNDING_INDEX`."""
        storage = cls(conf_state)
        meta = SnapshotMeta(FOUNDING_INDEX, FOUNDING_TERM, conf_state)
        storage.apply_snapshot(Snapshot(meta, reference))
        storage.set_hard_state(HardState(term=FOUNDING_TERM, commit=FOUNDING_INDEX))
        return storage

    def initial_state(self) -> tuple[HardState, ConfState]:
        """See `Storage`."""
        return self._hard_state, self._conf_state

    def first_index(self) -> int:
        """See `Storage`."""
        return self._base + 1

    def last_index(self) -> int:
        """See `Storage`."""
        return self._base + len(self._entries)

    def term(self, index: int) -> int:
        """See `Storage`."""
        offset = index - self._base
        if offset <= 0:
            if offset < 0:
                raise LogCompacted(f"index {index} is compacted, the log starts after {self._base}")
            return self._base_term
        if offset > len(self._entries):
            raise LogUnavailable(f"index {index} is above the last index {self.last_index()}")
        return self._entries[offset - 1].term

    def entries(self, low: int, high: int, bytes_max: int) -> Sequence[Entry]:
        """See `Storage`."""
        base = self._base
        if low <= base:
            raise LogCompacted(f"index {low} is compacted, the log starts after {base}")
        if high > base + len(self._entries) + 1:
            raise LogUnavailable(f"index {high - 1} is above the last index {self.last_index()}")
        return cut_to_bytes(self._entries[low - base - 1 : high - base - 1], bytes_max)

    def snapshot(self) -> Snapshot:
        """See `Storage`."""
        if self._snapshot.meta.index == 0:
            raise SnapshotUnavailable("no snapshot was made yet")
        return self._snapshot

    def set_hard_state(self, hard_state: HardState) -> None:
        """Keep the hard state."""
        self._hard_state = hard_state

    def set_conf_state(self, conf_state: ConfState) -> None:
        """Keep the configuration as of the last applied change, for a restart at that applied index."""
        self._conf_state = conf_state

    def append(self, entries: Sequence[Entry]) -> None:
        """Put entries after the log, replacing whatever it holds from their first index on."""
        if not entries:
            return
        offset = entries[0].index - self._base - 1
        if offset < 0:
            # The start was compacted while these were on their way.
            entries = entries[-offset:]
            offset = 0
        if offset > len(self._entries):
            raise LogUnavailable(f"entry {self._base + offset + 1} would leave a gap after {self.last_index()}")
        if offset < len(self._entries):
            del self._entries[offset:]
        self._entries.extend(entries)

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        """Replace everything by a snapshot that came from the leader."""
        meta = snapshot.meta
        if meta.index < self._base:
            raise LogCompacted(f"the snapshot at {meta.index} is older than the log, which starts after {self._base}")
        self._snapshot = snapshot
        self._conf_state = meta.conf_state
        self._base, self._base_term = meta.index, meta.term
        self._entries.clear()

    def create_snapshot(self, index: int, conf_state: ConfState, reference: bytes = b"") -> Snapshot:
        """Note that a snapshot of the state as of `index` exists, with the configuration as of that index."""
        if index <= self._snapshot.meta.index:
            raise LogCompacted(f"a snapshot at {self._snapshot.meta.index} exists, {index} is not newer")
        self._snapshot = Snapshot(SnapshotMeta(index, self.term(index), conf_state), reference)
        return self._snapshot

    def compact(self, index: int) -> None:
        """Drop the entries up to and including `index`; its term stays known."""
        if index <= self._base:
            raise LogCompacted(f"the log starts after {self._base} already")
        term = self.term(index)
        del self._entries[: index - self._base]
        self._base, self._base_term = index, term
