"""One member's durable memory: the write-ahead log on disk and, over it, the recent entries that the core reads.

The core reads only what is durable, at once and from memory (`lictor_raft.MemoryStorage`); this module writes to the
log first and to memory afterwards. At the start it puts both together again from what recovery found.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from lictor_raft import (
    ConfState,
    Entry,
    EntryKind,
    HardState,
    LogUnavailable,
    MemoryStorage,
    Snapshot,
    SnapshotUnavailable,
)
from lictor_raft import SnapshotMeta as RaftSnapshotMeta
from lictor_raft.storage import FOUNDING_INDEX, FOUNDING_TERM, payload_bytes
from lictor_raft_store.batch import EncodedBatch, encode_batch
from lictor_raft_store.disk import StorageError, StorageFailed
from lictor_raft_store.log_writer import Ended, until_ended
from lictor_raft_store.record import HardState as StoredHardState
from lictor_raft_store.record import SnapshotMark
from lictor_raft_store.recovery import DamagedLog, Recovered
from lictor_raft_store.room import LogRoom
from lictor_raft_store.surroundings import Writer

ENTRY_MEMORY_BYTES = 150
"""An entry's own object, its numbers and the header of its payload, roughly."""

log = structlog.get_logger()


class LogStorage(MemoryStorage):
    """The recent entries in memory, as the core reads them."""

    def __init__(self, conf_state: ConfState | None = None) -> None:
        super().__init__(conf_state)
        self.on_snapshot_wanted: Callable[[], None] = lambda: None
        self.bytes = 0
        """What the entries in memory take, by payload and a little for each."""

    @property
    def snapshot_index(self) -> int:
        """Where the newest snapshot ends, with data or without."""
        return self._snapshot.meta.index

    def append(self, entries: Sequence[Entry]) -> None:
        """See `MemoryStorage`."""
        if not entries:
            return
        before = len(self._entries)
        offset = entries[0].index - self._base - 1
        if offset < before:
            offset = max(0, offset)
            self.bytes -= _memory_bytes(self._entries[offset:])
            before = offset
        super().append(entries)
        added = entries if len(self._entries) == before + len(entries) else self._entries[before:]
        self.bytes += _memory_bytes(added)

    def compact(self, index: int) -> None:
        """See `MemoryStorage`."""
        self.bytes -= _memory_bytes(self._entries[: max(0, index - self._base)])
        super().compact(index)

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        """See `MemoryStorage`."""
        super().apply_snapshot(snapshot)
        self.bytes = 0

    def trailing_from(self, index: int, entries_max: int, bytes_max: int) -> int:
        """The last index that may go, so that at most so many entries, and bytes, up to `index` stay."""
        behind = max(self._base, index - entries_max)
        total = 0
        for position in range(index - self._base - 1, behind - self._base - 1, -1):
            total += ENTRY_MEMORY_BYTES + len(self._entries[position].data)
            if total > bytes_max:
                return self._base + position + 1
        return behind

    def snapshot(self) -> Snapshot:
        """The newest snapshot; the founding one is a name without data, so a real one is asked for.

        Raises:
            SnapshotUnavailable: none with data is there yet; the core asks again later.
        """
        newest = super().snapshot()
        if not newest.reference:
            self.on_snapshot_wanted()
            raise SnapshotUnavailable("the first snapshot is being taken")
        return newest


def _memory_bytes(entries: Sequence[Entry]) -> int:
    return len(entries) * ENTRY_MEMORY_BYTES + payload_bytes(entries)


class DurableLog:
    """The log of one member."""

    def __init__(
        self, writer: Writer, storage: LogStorage, room: LogRoom, observe_sync: Callable[[float], None]
    ) -> None:
        self._writer = writer
        self.storage = storage
        self.room = room
        self._observe_sync = observe_sync
        self._unwritten: HardState | None = None
        self._marked = storage.snapshot_index
        self._begun = storage.last_index()  # the last index of the log once all that has been begun is written

    def keep(self, hard_state: HardState) -> None:
        """A commit index alone has moved: it may be lost, so it goes to disk with the next batch."""
        self.storage.set_hard_state(hard_state)
        self._unwritten = hard_state

    def begin(self, hard_state: HardState | None, entries: Sequence[Entry], ended: Ended) -> None:
        """Begin to make entries and hard state durable; entries replace what the log holds from their first index on.

        Several may be under way; they are written, and end, in the order of the calls. `ended` is told a StorageError
        when the disk fails: the member must stop. It may be told before the call returns.
        """
        truncate = entries[0].index if entries and entries[0].index <= self._begun else None
        if entries:
            self._begun = entries[-1].index
        batch = encode_batch(entries, hard_state or self._unwritten, truncate_from=truncate)
        self._write(batch, hard_state, partial(self.storage.append, entries), ended)

    def replace(self, snapshot: Snapshot, hard_state: HardState | None, ended: Ended) -> None:
        """Begin to replace the whole log by a leader's snapshot, which is durable in the snapshot store already.

        In one order with what is begun before and after, as `begin`: an entry that follows the snapshot must lie behind
        its mark, on the disk and in memory.
        """
        mark = SnapshotMark(snapshot.meta.index, snapshot.meta.term, installed=True)
        self._begun = self._marked = snapshot.meta.index
        batch = encode_batch([], hard_state or self._unwritten, snapshot_mark=mark)
        self._write(batch, hard_state, partial(self.storage.apply_snapshot, snapshot), ended)

    async def drop_replaced(self, index: int) -> None:
        """Drop the segments that a snapshot at `index`, of which the log has been told, has replaced."""
        await self._writer.drop_before(index + 1)

    def _write(
        self, batch: EncodedBatch, hard_state: HardState | None, remember: Callable[[], None], ended: Ended
    ) -> None:
        """Write a batch; memory follows the disk before anybody hears of it, so that it follows in the same order."""
        self._unwritten = None
        self.room.begin(len(batch.body))
        began = time.perf_counter()

        def written(failure: StorageError | ValueError | None) -> None:
            if failure is None:
                self.room.end(len(batch.body))
                self._observe_sync(time.perf_counter() - began)
                try:
                    remember()
                except LogUnavailable as error:  # who does not hear of it lives on without its log
                    failure = StorageFailed(f"log: memory does not follow the disk: {error}")
                else:
                    if hard_state is not None:
                        self.storage.set_hard_state(hard_state)
            ended(failure)

        self._writer.begin(batch, written)

    async def taken(
        self, index: int, conf_state: ConfState, reference: bytes, trailing_entries: int, trailing_bytes: int
    ) -> bool:
        """A snapshot of this member's own state is durable: entries far enough behind it may go.

        False when one from the leader has overtaken it: then it means nothing any more.
        """
        if index <= self._marked:
            return False
        self._marked = index
        snapshot = self.storage.create_snapshot(index, conf_state, reference)
        mark = SnapshotMark(index, snapshot.meta.term)
        await until_ended(partial(self._writer.begin, encode_batch([], None, snapshot_mark=mark)))
        if self._marked != index:
            return True  # the log was replaced meanwhile
        behind = self.storage.trailing_from(index, trailing_entries, trailing_bytes)
        if behind >= self.storage.first_index():
            self.storage.compact(behind)
            await self._writer.drop_before(behind + 1)
        return True

    async def close(self) -> None:
        """Write what is queued, sync and close."""
        await self._writer.close()


async def open_log(
    writer: Writer,
    recovered: Recovered,
    founders: ConfState,
    snapshot: Snapshot | None,
    room: LogRoom,
    observe_sync: Callable[[float], None],
) -> DurableLog:
    """Join what the disk holds.

    Args:
        writer: the started writer of the log.
        recovered: what recovery found in it.
        founders: the founding configuration, for a log that has just been made.
        snapshot: the newest sound snapshot, if there is one.
        room: what the log has allocated.
        observe_sync: called with the seconds of each sync.

    Raises:
        DamagedLog: the log does not reach back to the newest sound snapshot.
    """
    if founders.voters and snapshot is None and _is_empty(recovered):
        storage = LogStorage.founded(founders)
        hard_state = HardState(term=FOUNDING_TERM, commit=FOUNDING_INDEX)
        mark = SnapshotMark(FOUNDING_INDEX, FOUNDING_TERM, installed=True)
        await writer.append(encode_batch([], hard_state, snapshot_mark=mark), sync=True)
        return DurableLog(writer, storage, room, observe_sync)
    if snapshot is not None and not _holds(recovered, snapshot.meta):
        # It came from a leader, and the process ended before the log said so. What it holds is committed, so it takes
        # the log's place now.
        durable = DurableLog(writer, LogStorage(), room, observe_sync)
        await until_ended(partial(durable.replace, snapshot, _promised(recovered.hard_state, snapshot.meta)))
        log.info("the log begins anew behind a received snapshot", snapshot=snapshot.meta.index)
        return durable
    return DurableLog(writer, _joined(recovered, founders, snapshot), room, observe_sync)


def _is_empty(recovered: Recovered) -> bool:
    """Whether nothing was ever written: just made, or made by a process that ended before the founding was written."""
    return not recovered.entries and recovered.hard_state is None and recovered.snapshot_mark is None


def _holds(recovered: Recovered, meta: RaftSnapshotMeta) -> bool:
    """Whether the log holds the entry that a snapshot ends with, or begins behind it."""
    at = meta.index - recovered.first_index
    return at < 0 or (at < len(recovered.entries) and recovered.entries[at].term == meta.term)


def _promised(hard: StoredHardState | None, meta: RaftSnapshotMeta) -> HardState:
    """The hard state behind an installed snapshot: a term below the snapshot's is over, and so is its vote."""
    if hard is None or hard.term < meta.term:
        return HardState(meta.term, 0, meta.index)
    return HardState(hard.term, hard.vote, meta.index)


def _joined(recovered: Recovered, founders: ConfState, snapshot: Snapshot | None) -> LogStorage:
    """What recovery found, over the newest snapshot."""
    founding = Snapshot(RaftSnapshotMeta(FOUNDING_INDEX, FOUNDING_TERM, founders)) if founders.voters else Snapshot()
    start = snapshot or founding
    base, base_term = recovered.first_index - 1, recovered.prev_term
    last = base + len(recovered.entries)
    if base > start.meta.index or last < start.meta.index:
        raise DamagedLog(
            f"the log holds entries {base + 1} to {last}, the newest sound snapshot ends at {start.meta.index}: "
            "what lies between is lost. Move this slot's data folder aside and start again: the member joins anew."
        )
    storage = LogStorage(start.meta.conf_state)
    if base and base == start.meta.index:
        storage.apply_snapshot(start)
    elif base:
        storage.apply_snapshot(Snapshot(RaftSnapshotMeta(base, base_term, start.meta.conf_state)))
    storage.append([Entry(one.term, one.index, EntryKind(one.kind), one.data) for one in recovered.entries])
    if start.meta.index > base:
        storage.create_snapshot(start.meta.index, start.meta.conf_state, start.reference)
    hard = recovered.hard_state
    if hard is not None:
        storage.set_hard_state(HardState(hard.term, hard.vote, max(hard.commit, start.meta.index)))
    log.info("log recovered", first=base + 1, last=last, snapshot=start.meta.index, term=hard.term if hard else 0)
    return storage
