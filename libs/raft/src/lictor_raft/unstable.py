"""The end of the log that is not yet durable, and a snapshot that is not yet installed.

Everything from `offset` on is here and not in the storage, or overrides what the storage still holds there. Entries
are handed out for writing once: those below `in_progress` are on their way to the disk. They leave from here when the
driver says that it has persisted them; a late report about entries that were replaced in the meantime changes nothing.

    storage ... offset - 1 | offset ... in_progress - 1 | in_progress ... last
       durable             |     being written          |   to be handed out
"""

from collections.abc import Sequence

from lictor_raft.messages import Entry, Snapshot


class Unstable:
    """Entries from `offset` on, and perhaps a snapshot that ends just before it."""

    __slots__ = ("entries", "in_progress", "offset", "snapshot", "snapshot_in_progress")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.in_progress = offset
        self.entries: list[Entry] = []
        self.snapshot: Snapshot | None = None
        self.snapshot_in_progress = False

    def term(self, index: int) -> int | None:
        """The term of an index, or None if it is not here."""
        position = index - self.offset
        if 0 <= position < len(self.entries):
            return self.entries[position].term
        if self.snapshot is not None and index == self.snapshot.meta.index:
            return self.snapshot.meta.term
        return None

    def append(self, entries: Sequence[Entry]) -> None:
        """Put entries at their indexes, dropping everything from the first of them on."""
        first = entries[0].index
        position = first - self.offset
        if position == len(self.entries):
            self.entries.extend(entries)
        elif position <= 0:
            self.offset = self.in_progress = first
            self.entries = list(entries)
        else:
            assert position < len(self.entries), "appended entries would leave a gap"
            del self.entries[position:]
            self.entries.extend(entries)
            # What replaces entries that are being written has to be written after them.
            self.in_progress = min(self.in_progress, first)

    def has_next(self) -> bool:
        """Whether there are entries to hand out for writing."""
        return self.in_progress < self.offset + len(self.entries)

    def hand_out(self) -> tuple[tuple[Entry, ...], Snapshot | None]:
        """What is to be written now, the snapshot before the entries; it will not be handed out again."""
        entries = tuple(self.entries[self.in_progress - self.offset :])
        snapshot = None if self.snapshot_in_progress else self.snapshot
        self.in_progress = self.offset + len(self.entries)
        self.snapshot_in_progress = self.snapshot is not None
        return entries, snapshot

    def stable_to(self, index: int, term: int) -> None:
        """The driver has persisted up to (`index`, `term`)."""
        position = index - self.offset
        if not 0 <= position < len(self.entries) or self.entries[position].term != term:
            # Replaced while it was written: what is here now is still to be persisted.
            return
        del self.entries[: position + 1]
        self.offset = index + 1
        self.in_progress = max(self.in_progress, self.offset)

    def stable_snapshot_to(self, index: int) -> None:
        """The driver has installed the snapshot at `index`."""
        if self.snapshot is not None and self.snapshot.meta.index == index:
            self.snapshot = None
            self.snapshot_in_progress = False

    def restore(self, snapshot: Snapshot) -> None:
        """Start over from a snapshot."""
        self.offset = self.in_progress = snapshot.meta.index + 1
        self.entries = []
        self.snapshot = snapshot
        self.snapshot_in_progress = False
