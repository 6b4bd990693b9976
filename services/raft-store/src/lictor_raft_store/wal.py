"""The write-ahead log: segments of batches in one folder.

A batch is one write and, when asked, one fdatasync. Segments are allocated in advance, so that a sync need not change
metadata; synced batches are never rewritten: the tail is taken back by a truncate record, the head by unlinking whole
segments. A new segment waits under a temporary name, starts by repeating the hard state and the snapshot mark (so the
segments before it can go), and is durable before it gets its name.

The next segment (the spare) is allocated while the current one fills. When the disk has no room for it, nothing that
was written is in doubt: the log goes on in what is allocated, and `seek_room` tries again. Only a batch for which no
allocated room is left is refused, before anything is touched (`NoRoom`). A write into allocated room cannot run out of
space on file systems that overwrite in place (ext4, xfs, tmpfs); one that copies on write (btrfs with snapshots, zfs)
may break that promise, and then the write is a storage error like any other.

Allocated room that was never written still costs the file system's journal an entry when it is (ext4: 0.31 ms for three
members' syncs at a time, 0.22 ms where zeros were written before). So a synced write takes `AHEAD_BYTES` of zeros along
whenever it comes to such room, and those after it find written room. A batch is then twice on the disk, once as zeros.

After any other storage error the log is unusable until it is opened anew: what has reached the disk is unknown (see
`disk`). Not thread-safe; `log_writer` gives it one thread. Recovery's rules are in `recovery`.
"""

from collections.abc import Sequence

from lictor_raft_store.batch import (
    BATCH_BYTES_MAX,
    EncodedBatch,
    LogEnd,
    advance,
    encode_batch,
    frame,
    framed_bytes,
)
from lictor_raft_store.disk import Disk, DiskFull, File, StorageError, StorageFailed
from lictor_raft_store.recovery import (
    FIRST_BATCH,
    Recovered,
    SegmentEnd,
    SegmentHeader,
    encode_segment_header,
    recover,
    segment_name,
)

SEGMENT_BYTES = 64 * 1024 * 1024  # about 200,000 usual entries: rotation is rare, and a head is dropped in small steps
SEGMENT_BYTES_MIN = 2048
AHEAD_BYTES = 64 * 1024  # the zeros of some seven full rounds: with less, more syncs pay; with more, one takes longer
_SUFFIX = ".wal"
_TEMPORARY = ".wal.tmp"
_ZERO_STEP_BYTES = 1024 * 1024


class NoRoom(DiskFull):
    """The log cannot grow now. Nothing was touched: the same write may be tried again when there is space."""


class Wal:
    """An open log. Made by `Wal.open`."""

    def __init__(
        self, disk: Disk, folder: str, cluster_id: bytes, member_id: int, segment_bytes: int, ahead_bytes: int
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._cluster_id = cluster_id
        self._member_id = member_id
        self._segment_bytes = segment_bytes
        self._ahead_bytes = ahead_bytes
        self._sealed: list[SegmentEnd] = []
        self._file: File | None = None
        self._file_bytes = 0
        self._spare: File | None = None
        self._spare_bytes = 0
        self._short = False
        self._number = 0
        self._index_max = 0  # the highest entry index in the current segment
        self._position = 0
        self._written = 0  # up to here the current segment holds bytes or zeros that were written, not allocated alone
        self._sequence = 0
        self._durable = 0  # the newest batch known durable
        self._durable_mark_index = 0
        self._end = LogEnd()
        self._failed = False

    @classmethod
    def open(
        cls,
        disk: Disk,
        folder: str,
        *,
        cluster_id: bytes | str,
        member_id: int,
        segment_bytes: int = SEGMENT_BYTES,
        ahead_bytes: int = AHEAD_BYTES,
    ) -> tuple["Wal", Recovered]:
        """Open the log in `folder`, or make an empty one, and say what it holds; all of that is durable on return.

        Raises DamagedLog, ForeignLog, StorageFailed, DiskFull, and ValueError for settings out of range.
        """
        if segment_bytes < SEGMENT_BYTES_MIN:
            raise ValueError(f"segment_bytes: {segment_bytes}, at least {SEGMENT_BYTES_MIN}")
        if not 0 < member_id < 2**63:
            raise ValueError(f"member_id: {member_id}, must be a positive 63-bit number")
        cluster = cluster_id.encode() if isinstance(cluster_id, str) else cluster_id
        wal = cls(disk, folder, cluster, member_id, segment_bytes, ahead_bytes)
        disk.make_folder(folder)
        names = disk.listdir(folder)
        for name in names:
            if name.endswith(_TEMPORARY):  # a segment that a crash kept from getting its name
                disk.unlink(f"{folder}/{name}")
        segments = [name for name in names if name.endswith(_SUFFIX)]
        if segments:
            recovered = wal._resume(segments)
        else:
            wal._prepare_next(0)
            wal._begin_segment()
            recovered = Recovered(1, 0, [], None, None, created=True)
        wal.seek_room()
        return wal, recovered

    @property
    def last_index(self) -> int:
        """The index of the newest entry written (0 when there was none)."""
        return self._end.last_index

    @property
    def short(self) -> bool:
        """Whether the disk had no room for the next segment when it was last asked. May be read from another thread.

        A log that has failed is not short: appends that nobody holds back find out, and end the member.
        """
        return self._short and not self._failed

    @property
    def room_bytes(self) -> int:
        """What the current segment still takes. May be read from another thread."""
        return self._file_bytes - self._position

    def seek_room(self) -> bool:
        """Allocate the spare segment if there is none; whether there is one now. Raises StorageFailed."""
        self._usable()
        if self._spare is None:
            try:
                self._allocate_spare(self._segment_bytes)
            except DiskFull:
                self._short = True
                return False
            except StorageError:
                self._failed = True
                raise
        self._short = False
        return True

    def write(self, batches: Sequence[EncodedBatch], *, sync: bool) -> None:
        """Append `batches` as one: a crash leaves all of them or none. Durable on return when `sync`.

        Without `sync` they become durable with the next synced write; that is for a commit index alone, or for tests.
        Raises ValueError (nothing was written) when they do not fit the log, NoRoom (nothing was written), DiskFull,
        StorageFailed.
        """
        file = self._usable()
        end, index_max = self._end, 0
        for batch in batches:
            end = advance(end, batch)
            index_max = max(index_max, batch.last_index, end.last_index)
        body = batches[0].body if len(batches) == 1 else b"".join([batch.body for batch in batches])
        size = framed_bytes(len(body))
        if size > BATCH_BYTES_MAX:
            raise ValueError(f"batch of {size} bytes: at most {BATCH_BYTES_MAX}")
        rotates = self._position + size > self._file_bytes
        try:
            if rotates:
                self._prepare_next(size)
                file = self._rotate()
            together = sync and self._durable == self._sequence  # nothing else waits for its sync
            self._append(file, body, durably=together)
            self._end = end
            self._index_max = max(self._index_max, index_max)
            if together:
                self._synced()
            elif sync:
                self._sync(file)
        except NoRoom:
            raise
        except StorageError:
            self._failed = True
            raise
        if rotates:
            self.seek_room()

    def sync(self) -> None:
        """Make everything written durable; no effect when it is. Raises StorageFailed."""
        file = self._usable()
        if self._durable == self._sequence:
            return
        try:
            self._sync(file)
        except StorageError:
            self._failed = True
            raise

    def drop_before(self, index: int) -> int:
        """Unlink the segments that hold only entries below `index`, except the current one; returns how many.

        Raises ValueError beyond the durable snapshot mark: such entries are nowhere else. Raises StorageFailed.
        """
        self._usable()
        limit = self._durable_mark_index + 1
        if index > limit:
            raise ValueError(f"drop before {index}: the durable snapshot mark allows at most {limit}")
        dropped = 0
        try:
            while self._sealed and self._sealed[0].index_max < index:
                self._disk.unlink(f"{self._folder}/{self._sealed[0].name}")
                # One by one and in order: a crash must never leave a hole in the numbering.
                self._disk.fsync_dir(self._folder)
                self._sealed.pop(0)
                dropped += 1
        except StorageError:
            self._failed = True
            raise
        return dropped

    def close(self) -> None:
        """Sync what is not durable yet and let go of the file. After a storage error: only let go."""
        try:
            if self._file is not None and not self._failed:
                self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the file without a sync, as a crash would."""
        for file in (self._file, self._spare):
            if file is not None:
                file.close()
        self._file = self._spare = None

    def _usable(self) -> File:
        if self._failed:
            raise StorageFailed(f"log {self._folder}: unusable since an earlier storage error; open it anew")
        if self._file is None:
            raise ValueError(f"log {self._folder}: closed")
        return self._file

    def _append(self, file: File, body: bytes, *, durably: bool) -> None:
        data = frame(body, position=self._position, sequence=self._sequence + 1, durable=self._durable)
        end = self._position + len(data)
        if not durably:
            file.pwrite(data, self._position)
        elif end <= self._written:
            file.pwrite_durably(data, self._position)
        else:
            self._written = min(end + self._ahead_bytes, self._file_bytes)
            file.pwrite_durably(data + bytes(self._written - end), self._position)
        self._sequence += 1
        self._position = end

    def _sync(self, file: File) -> None:
        file.fdatasync()
        self._synced()

    def _synced(self) -> None:
        self._durable = self._sequence
        self._durable_mark_index = _mark_index(self._end)

    def _rotate(self) -> File:
        """Finish the current segment and begin the next."""
        assert self._file is not None, "rotation happens while writing"
        if self._durable < self._sequence:
            self._sync(self._file)  # a segment may only follow a durable one
        self._file.close()
        self._file = None
        self._sealed.append(SegmentEnd(segment_name(self._number), self._number, self._index_max))
        return self._begin_segment()

    def _prepare_next(self, batch_bytes: int) -> None:
        """See to it that the spare exists and has room for a batch of that size.

        Raises:
            NoRoom: the disk has no room for it; everything is as it was.
        """
        carried = framed_bytes(len(self._carried().body))
        size = max(self._segment_bytes, FIRST_BATCH + carried + batch_bytes)
        try:
            if self._spare is None:
                self._allocate_spare(size)
            elif self._spare_bytes < size:
                self._spare.fallocate(size)
                self._spare_bytes = size
        except DiskFull as error:
            raise NoRoom(f"log {self._folder}: no room for the next segment of {size} bytes: {error}") from error

    def _allocate_spare(self, size: int) -> None:
        path = f"{self._folder}/{segment_name(self._number + 1)}.tmp"
        file = self._disk.open(path, create=True)
        try:
            file.fallocate(size)
        except StorageError:
            file.close()
            self._disk.unlink(path)  # part of it may be allocated
            raise
        self._spare, self._spare_bytes = file, size

    def _carried(self) -> EncodedBatch:
        """What each segment begins with, so that those before it can go."""
        return encode_batch((), self._end.hard_state, snapshot_mark=self._end.snapshot_mark)

    def _begin_segment(self) -> File:
        assert self._spare is not None, "prepared before"
        file, size, number = self._spare, self._spare_bytes, self._number + 1
        header = SegmentHeader(self._cluster_id, self._member_id, number, self._end.last_index + 1, self._sequence + 1)
        path = f"{self._folder}/{segment_name(number)}"
        first = frame(self._carried().body, position=FIRST_BATCH, sequence=self._sequence + 1, durable=self._sequence)
        file.pwrite(encode_segment_header(header) + first, 0)
        file.fdatasync()
        self._disk.rename(f"{path}.tmp", path)
        self._disk.fsync_dir(self._folder)
        self._file, self._file_bytes, self._number = file, size, number
        self._spare = None
        self._sequence = self._durable = self._sequence + 1
        self._position = self._written = FIRST_BATCH + len(first)
        self._index_max = self._end.last_index
        return file

    def _resume(self, names: list[str]) -> Recovered:
        """Recover, clean the torn tail and make all that is reported durable: it may have been in memory only."""
        found = recover(
            names,
            lambda name: self._disk.read(f"{self._folder}/{name}"),
            cluster_id=self._cluster_id,
            member_id=self._member_id,
        )
        file = self._disk.open(f"{self._folder}/{names[-1]}", create=False)
        try:
            for at in range(found.position, found.garbage_end, _ZERO_STEP_BYTES):
                file.pwrite(bytes(min(_ZERO_STEP_BYTES, found.garbage_end - at)), at)
            file.fallocate(file.size())  # costs nothing, unless a copy of the folder was made with holes
            file.fdatasync()
            self._disk.fsync_dir(self._folder)
            self._file, self._file_bytes = file, file.size()
        except StorageError:
            file.close()
            raise
        last = found.segments[-1]
        self._sealed = found.segments[:-1]
        self._number, self._index_max = last.number, last.index_max
        self._position = self._written = found.position
        self._sequence = self._durable = found.sequence
        self._end, self._durable_mark_index = found.end, _mark_index(found.end)
        return found.recovered


def _mark_index(end: LogEnd) -> int:
    return end.snapshot_mark.index if end.snapshot_mark is not None else 0
