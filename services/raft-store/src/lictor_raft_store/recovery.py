"""Recovery: from the bytes of the segments to the log, the hard state, and the place where writing goes on.

The rules, after "Protocol-Aware Recovery for Consensus-Based Storage" (FAST 2018) and the Raft paper's section 5:
- a torn tail (a write that no crash-free life ever acknowledged) is cut off;
- damage to anything that was durable is never cut off: the member would come back having forgotten votes or entries
  that it promised to keep. It refuses (`DamagedLog`), and the operator lets it join anew as a learner;
- segments before the last are whole, because the next one is only begun when the one before is durable.

Pure: `recover` sees bytes through a function and writes nothing; `wal` does what it says. What a snapshot holds is
unknown here.
"""

import struct
from collections.abc import Callable, Sequence

import msgspec

from lictor_raft_store.batch import Batch, Flaw, LogEnd, check_mark, check_truncate, read_batch, was_durable
from lictor_raft_store.disk import SECTOR_BYTES, StorageError
from lictor_raft_store.record import BadRecord, HardState, LogEntry, RecordKind, SnapshotMark, decode, encode

FORMAT_VERSION = 1
FIRST_BATCH = SECTOR_BYTES  # the segment header has a sector of its own
CLUSTER_ID_BYTES_MAX = 255
_SEGMENT = struct.Struct("<8sHQQQQB")
_SEGMENT_MAGIC = b"LICTORWL"


class DamagedLog(StorageError):  # noqa: N818  # the name is the finding
    """Something that was durable cannot be read any more; starting would break promises made to other members."""


class ForeignLog(StorageError):  # noqa: N818  # the name is the finding
    """The log belongs to another cluster or another member: a mixed-up or copied volume."""


class SegmentHeader(msgspec.Struct, frozen=True):
    """The first sector of a segment. All batches numbered below `first_sequence` were durable when it was made."""

    cluster_id: bytes
    member_id: int
    number: int
    base_index: int  # the index that the next entry had when the segment was begun
    first_sequence: int


class SegmentEnd(msgspec.Struct, frozen=True):
    """What head truncation must know about a segment: its file name and the highest entry index that it ever held."""

    name: str
    number: int
    index_max: int


class Recovered(msgspec.Struct, frozen=True):
    """What the log holds.

    `entries` run from `first_index` without gap; `prev_term` is the term of entry `first_index - 1` (0 before the
    first), which Raft needs for its consistency check. Entries at and below the snapshot mark may be there: they serve
    slow followers. `created` says that there was no log and an empty one was made.
    """

    first_index: int
    prev_term: int
    entries: list[LogEntry]
    hard_state: HardState | None
    snapshot_mark: SnapshotMark | None
    created: bool = False


class Recovery(msgspec.Struct, frozen=True):
    """`Recovered`, and how to go on writing the last segment: zero from `position` to `garbage_end`, then append."""

    recovered: Recovered
    end: LogEnd
    segments: list[SegmentEnd]
    sequence: int
    position: int
    garbage_end: int


def encode_segment_header(header: SegmentHeader) -> bytes:
    """The header's sector."""
    if not 1 <= len(header.cluster_id) <= CLUSTER_ID_BYTES_MAX:
        raise ValueError(f"cluster_id of {len(header.cluster_id)} bytes: 1 to {CLUSTER_ID_BYTES_MAX}")
    fixed = _SEGMENT.pack(
        _SEGMENT_MAGIC,
        FORMAT_VERSION,
        header.member_id,
        header.number,
        header.base_index,
        header.first_sequence,
        len(header.cluster_id),
    )
    return encode(RecordKind.SEGMENT_HEADER, fixed + header.cluster_id).ljust(SECTOR_BYTES, b"\0")


def decode_segment_header(data: bytes) -> SegmentHeader:
    """The header of a segment's bytes. Raises BadRecord."""
    record = decode(data, 0, min(len(data), SECTOR_BYTES))
    if record.kind != RecordKind.SEGMENT_HEADER or len(record.payload) < _SEGMENT.size:
        raise BadRecord(f"segment header: kind {record.kind}, payload of {len(record.payload)} bytes")
    magic, version, member, number, base, sequence, length = _SEGMENT.unpack_from(record.payload)
    if magic != _SEGMENT_MAGIC or version != FORMAT_VERSION:
        raise BadRecord(f"segment header: format {magic!r} version {version}, must be version {FORMAT_VERSION}")
    cluster_id = record.payload[_SEGMENT.size :]
    if len(cluster_id) != length:
        raise BadRecord(f"segment header: cluster id of {len(cluster_id)} bytes, must be {length}")
    return SegmentHeader(cluster_id, member, number, base, sequence)


def segment_name(number: int) -> str:
    """The file name of a segment; sorts by number."""
    return f"{number:016d}.wal"


def recover(names: Sequence[str], read: Callable[[str], bytes], *, cluster_id: bytes, member_id: int) -> Recovery:
    """Read the segments `names` (sorted, at least one) in order.

    Raises DamagedLog when something durable is gone, ForeignLog when the log is not this member's.
    """
    replay = _Replay()
    segments: list[SegmentEnd] = []
    sequence, position, garbage_end, number = 0, FIRST_BATCH, FIRST_BATCH, 0
    for name in names:
        data = read(name)
        header = _checked_header(name, data, cluster_id, member_id)
        if segments and (header.number, header.first_sequence) != (number + 1, sequence + 1):
            finding = f"segment {header.number} begins with batch {header.first_sequence}"
            raise _damaged(name, f"{finding}; segment {number} before it ends with batch {sequence}")
        number = header.number
        if not segments:
            sequence = header.first_sequence - 1
        replay.begin_segment(name, header.base_index, first=not segments)
        last = name == names[-1]
        sequence, position = _read_segment(name, data, sequence, replay, is_last=last)
        segments.append(SegmentEnd(name, number, replay.index_max))
        garbage_end = max(position, len(data.rstrip(b"\0"))) if last else position
    recovered = replay.recovered(names[0])
    end = LogEnd(replay.last_index, replay.hard_state, replay.mark)
    return Recovery(recovered, end, segments, sequence, position, garbage_end)


def _checked_header(name: str, data: bytes, cluster_id: bytes, member_id: int) -> SegmentHeader:
    try:
        header = decode_segment_header(data)
    except BadRecord as error:
        raise _damaged(name, str(error)) from error
    if header.cluster_id != cluster_id:
        raise ForeignLog(f"log segment {name} is of cluster {header.cluster_id!r}, this member is of {cluster_id!r}")
    if header.member_id != member_id:
        raise ForeignLog(f"log segment {name} is of member {header.member_id}, this is member {member_id}")
    if segment_name(header.number) != name:
        raise _damaged(name, f"the file holds segment {header.number}")
    return header


def _read_segment(name: str, data: bytes, sequence: int, replay: "_Replay", *, is_last: bool) -> tuple[int, int]:
    """Replay one segment; returns (number of its last batch, offset behind it)."""
    position = FIRST_BATCH
    while isinstance(batch := read_batch(data, position, sequence + 1), Batch):
        try:
            replay.apply(batch.values)
        except ValueError as error:
            raise _damaged(name, f"batch {batch.sequence} at {position}: {error}") from error
        sequence, position = batch.sequence, batch.end
    assert isinstance(batch, Flaw)
    if position == FIRST_BATCH:
        # A segment gets its name only when its header and first batch are durable.
        raise _damaged(name, f"first batch: {batch.reason}")
    if is_last and not batch.torn:
        raise _damaged(name, f"batch {sequence + 1} at {position} was written whole and is damaged: {batch.reason}")
    if is_last and was_durable(data, position, sequence + 1):
        raise _damaged(name, f"batch {sequence + 1} at {position} was durable and is damaged: {batch.reason}")
    # Before the last segment a missing batch shows as a gap to the next segment's first sequence number.
    return sequence, position


def _damaged(name: str, finding: str) -> DamagedLog:
    return DamagedLog(
        f"log segment {name}: {finding}. Durable data of this member is lost, so it must not vote with what is left. "
        "To go on: stop it, wipe the slot's data folder (or move it aside for inspection), and start it again; it "
        "joins as a learner with a new id, receives a snapshot from the leader, and autopilot promotes it."
    )


class _Replay:
    """The log as the batches build it up. Raises ValueError for a committed batch that contradicts those before it."""

    def __init__(self) -> None:
        self.first_index = 1
        self.prev_term: int | None = 0  # None: not known from what is left
        self.last_index = 0
        self.entries: list[LogEntry] = []
        self.hard_state: HardState | None = None
        self.mark: SnapshotMark | None = None
        self.index_max = 0

    def begin_segment(self, name: str, base_index: int, *, first: bool) -> None:
        """Check that the log goes on where the segment says; the first segment left says where the log begins."""
        if first:
            self.first_index = base_index
            self.last_index = base_index - 1
            self.prev_term = 0 if base_index == 1 else None
        elif base_index != self.last_index + 1:
            raise _damaged(name, f"base index {base_index}, but the log before it ends at {self.last_index}")
        self.index_max = self.last_index

    def apply(self, values: list[LogEntry | HardState | SnapshotMark | int]) -> None:
        """Apply one batch's values in order."""
        for value in values:
            if isinstance(value, LogEntry):
                if value.index != self.last_index + 1:
                    raise ValueError(f"entry {value.index} follows entry {self.last_index}")
                self.entries.append(value)
                self.last_index = value.index
            elif isinstance(value, HardState):
                self.hard_state = value
            elif isinstance(value, SnapshotMark):
                self._apply_mark(value)
            else:
                self._truncate(value)
            self.index_max = max(self.index_max, self.last_index)

    def _apply_mark(self, mark: SnapshotMark) -> None:
        check_mark(mark, self.last_index, self.mark)
        self.mark = SnapshotMark(mark.index, mark.term)
        if mark.installed:
            self.entries.clear()
            self.first_index, self.last_index = mark.index + 1, mark.index
        if self.first_index == mark.index + 1:
            self.prev_term = mark.term

    def _truncate(self, from_index: int) -> None:
        check_truncate(from_index, self.last_index, self.mark)
        keep = from_index - self.first_index
        if keep < 0:  # the entries before were in a segment that is gone; they come again behind this record
            self.first_index = from_index
            self.prev_term = 0 if from_index == 1 else None
        del self.entries[max(keep, 0) :]
        self.last_index = from_index - 1

    def recovered(self, first_name: str) -> Recovered:
        """The outcome. When the term before the first entry is unknown, the first entry gives it and is left out."""
        first, entries = self.first_index, self.entries
        mark_index = self.mark.index if self.mark is not None else 0
        if first > mark_index + 1:
            raise _damaged(first_name, f"the log begins at {first}, and the newest snapshot mark is {mark_index}")
        prev_term = self.prev_term
        if prev_term is None:
            # first <= mark, and the log never ends before its mark: there is an entry, and a snapshot holds it.
            prev_term, first, entries = entries[0].term, first + 1, entries[1:]
        return Recovered(first, prev_term, entries, self.hard_state, self.mark)
