"""Batches: the unit of durability. One batch is written with one write, and is there whole or not at all.

    | begin, 64 bytes | records … | zeros | commit, 32 bytes |        starts and ends at multiples of 64

Begin tells its own offset, its sequence number, the number of the newest batch that was *known durable* when this
one was written, and the length; commit holds a CRC32C over all bytes before it. Neither ever crosses a sector.

Recovery has to tell two things apart that look alike: a batch torn by a crash (never acknowledged; cutting it is
right) and a batch damaged after it was durable (cutting it would lose a promise). See "Protocol-Aware Recovery for
Consensus-Based Storage" (FAST 2018). Two facts decide:

1. A later batch that says "that one was durable" proves damage. A later batch alone proves nothing: both may have
   been unsynced, and a disk writes sectors in any order.
2. Segments start as zeros, so a sector that a torn write did not reach reads as zeros. Begin therefore counts the
   sectors inside the batch that may rightly read as zeros (`sparse`: at most one bit set, so that one flipped bit
   cannot make another). A batch whose begin, commit and sectors are all there, and whose CRC is wrong, was written
   whole: damage.
"""

import struct
from collections.abc import Sequence

import msgspec

from lictor_raft_store.disk import SECTOR_BYTES
from lictor_raft_store.record import (
    BadRecord,
    EntryLike,
    HardState,
    HardStateLike,
    LogEntry,
    RecordKind,
    SnapshotMark,
    crc32c,
    decode,
    decode_value,
    encode,
    encode_entry,
    encode_hard_state,
    encode_snapshot_mark,
    encode_truncate,
)

BATCH_ALIGNMENT = 64  # begin fits, and 512 is a multiple: begin and commit never cross a sector
BATCH_BYTES_MAX = 64 * 1024 * 1024  # one write; four times the longest record leaves room for a whole group of appends

_BEGIN = struct.Struct("<QQQIII16s")
_BEGIN_MARKER = b"LICTOR-WAL-BEGIN"
_COMMIT = struct.Struct("<QI8s")
_COMMIT_MARKER = b"COMMITED"
_BATCH_BEGIN, _BATCH_COMMIT = RecordKind.BATCH_BEGIN, RecordKind.BATCH_COMMIT
BEGIN_BYTES = 64
COMMIT_BYTES = 32
_MARKER_OFFSET = BEGIN_BYTES - len(_BEGIN_MARKER)
_FIRST_WORD = 8  # begin's CRC and length; the length alone keeps more than one bit set, so one flip cannot clear it
_SPARSE_RUN = bytes(SECTOR_BYTES // 2 - 1)  # a sector with one bit set has at least this many zero bytes in a row


class EncodedBatch(msgspec.Struct, frozen=True):
    """Records ready to be framed, and what they do to the log, so that the writer need not decode them again."""

    body: bytes
    first_index: int
    last_index: int  # 0 when there are no entries
    truncate_from: int  # 0 when nothing is taken back
    snapshot_mark: SnapshotMark | None
    hard_state: HardState | None


class LogEnd(msgspec.Struct, frozen=True):
    """What must be known at the end of the log to judge the next batch and to start the next segment."""

    last_index: int = 0
    hard_state: HardState | None = None
    snapshot_mark: SnapshotMark | None = None


class Batch(msgspec.Struct, frozen=True):
    """One whole batch read back: its values in order, and where the next one begins."""

    sequence: int
    values: list[LogEntry | HardState | SnapshotMark | int]
    end: int


class Flaw(msgspec.Struct, frozen=True):
    """Why there is no whole batch at this place. `torn`: an unfinished write explains it (or nothing was written)."""

    torn: bool
    reason: str


def encode_batch(
    entries: Sequence[EntryLike] = (),
    hard_state: HardStateLike | None = None,
    *,
    truncate_from: int | None = None,
    snapshot_mark: SnapshotMark | None = None,
) -> EncodedBatch:
    """Encode one batch; it takes effect in the order truncate, snapshot mark, entries, hard state.

    Entries must follow one another by index. Raises ValueError naming what does not fit.
    """
    if truncate_from is not None and truncate_from < 1:
        raise ValueError(f"truncate_from: {truncate_from}, must be at least 1")
    parts: list[bytes] = []
    if truncate_from is not None:
        parts.append(encode_truncate(truncate_from))
    if snapshot_mark is not None:
        parts.append(encode_snapshot_mark(snapshot_mark))
    first = last = 0
    if entries:
        first, last = entries[0].index, entries[-1].index
        if first < 1:
            raise ValueError(f"entry index: {first}, must be at least 1")
        for index, entry in enumerate(entries, first):
            if entry.index != index:
                raise ValueError(f"entry index: {entry.index} follows {index - 1}, must be {index}")
            parts.append(encode_entry(entry))
    own_state = None
    if hard_state is not None:
        parts.append(encode_hard_state(hard_state))
        own_state = HardState(hard_state.term, hard_state.vote, hard_state.commit)
    body = b"".join(parts)
    if framed_bytes(len(body)) > BATCH_BYTES_MAX:
        raise ValueError(f"batch of {len(body)} bytes: at most {BATCH_BYTES_MAX} with its frame")
    return EncodedBatch(body, first, last, truncate_from or 0, snapshot_mark, own_state)


def advance(end: LogEnd, batch: EncodedBatch) -> LogEnd:
    """The end of the log after `batch`. Raises ValueError when the batch does not fit behind `end`."""
    last, mark = end.last_index, end.snapshot_mark
    if batch.truncate_from:
        check_truncate(batch.truncate_from, last, mark)
        last = batch.truncate_from - 1
    if batch.snapshot_mark is not None:
        check_mark(batch.snapshot_mark, last, mark)
        mark = SnapshotMark(batch.snapshot_mark.index, batch.snapshot_mark.term)
        if batch.snapshot_mark.installed:
            last = mark.index
    if batch.first_index:
        if batch.first_index != last + 1:
            raise ValueError(
                f"entry {batch.first_index}: the log ends at {last}, so {last + 1} must follow; "
                "entries that overwrite need a truncate record first"
            )
        last = batch.last_index
    return LogEnd(last, batch.hard_state or end.hard_state, mark)


def check_truncate(from_index: int, last_index: int, mark: SnapshotMark | None) -> None:
    """Raise ValueError unless the log may be cut at `from_index`."""
    if from_index > last_index + 1:
        raise ValueError(f"truncate from {from_index}: the log ends at {last_index}")
    if mark is not None and from_index <= mark.index:
        raise ValueError(f"truncate from {from_index}: entries up to {mark.index} are in a snapshot, hence committed")


def check_mark(mark: SnapshotMark, last_index: int, previous: SnapshotMark | None) -> None:
    """Raise ValueError unless `mark` may follow `previous` on a log that ends at `last_index`."""
    if previous is not None and mark.index < previous.index:
        raise ValueError(f"snapshot mark {mark.index}: there is a newer one, {previous.index}")
    if not mark.installed and mark.index > last_index:
        raise ValueError(f"snapshot mark {mark.index}: the log ends at {last_index}; mark it as installed")


def framed_bytes(body_bytes: int) -> int:
    """The length of a batch around a body of that many bytes."""
    bare = BEGIN_BYTES + body_bytes + COMMIT_BYTES
    return bare + -bare % BATCH_ALIGNMENT


def frame(body: bytes, *, position: int, sequence: int, durable: int) -> bytes:
    """A whole batch for the byte offset `position`; batches up to the number `durable` are known to be durable."""
    assert position % BATCH_ALIGNMENT == 0, "batches start at multiples of 64"
    assert durable < sequence, "a batch cannot be durable before it is written"
    total = framed_bytes(len(body))
    padded = body + bytes(total - BEGIN_BYTES - COMMIT_BYTES - len(body))
    sparse = _sparse_sectors(padded, position + BEGIN_BYTES)
    begin = encode(_BATCH_BEGIN, _BEGIN.pack(position, sequence, durable, total, len(body), sparse, _BEGIN_MARKER))
    checked = begin + padded
    return checked + encode(_BATCH_COMMIT, _COMMIT.pack(sequence, crc32c(checked), _COMMIT_MARKER))


def read_batch(data: bytes, position: int, sequence: int) -> Batch | Flaw:
    """The batch number `sequence` at `position` of a segment's bytes, or what is wrong there."""
    begin = data[position : position + BEGIN_BYTES]
    if len(begin) < BEGIN_BYTES or not begin.strip(b"\0"):
        return Flaw(torn=True, reason="nothing written")
    head = _read_begin(begin, position)
    if head is None:
        torn = not begin[:_FIRST_WORD].strip(b"\0") or begin[-1] == 0
        return Flaw(torn=torn, reason="begin is no valid record of this place")
    number, _, total, body_bytes, sparse = head
    end = position + total
    if number != sequence:
        return Flaw(torn=False, reason=f"sequence: {number}, must be {sequence}")
    if end > len(data) or framed_bytes(body_bytes) != total:
        return Flaw(torn=False, reason=f"length: {total} for a body of {body_bytes}, {len(data) - position} bytes left")
    if not _is_committed(data, position, end, sequence):
        inside = data[position + BEGIN_BYTES : end - COMMIT_BYTES]
        torn = data[end - 1] == 0 or _zero_sectors(inside, position + BEGIN_BYTES) > sparse
        return Flaw(torn=torn, reason="crc of the batch is not that of its bytes")
    values: list[LogEntry | HardState | SnapshotMark | int] = []
    at, body_end = position + BEGIN_BYTES, position + BEGIN_BYTES + body_bytes
    try:
        while at < body_end:
            record = decode(data, at, body_end)
            values.append(decode_value(record))
            at = record.end
    except BadRecord as error:
        return Flaw(torn=False, reason=f"a committed batch holds a bad record: {error}")
    return Batch(sequence, values, end)


def was_durable(data: bytes, position: int, sequence: int) -> bool:
    """Whether any batch after `position` says that the batch number `sequence` was durable when it was written."""
    at = data.find(_BEGIN_MARKER, position)
    while at != -1:
        start = at - _MARKER_OFFSET
        if start > position and start % BATCH_ALIGNMENT == 0:
            head = _read_begin(data[start : start + BEGIN_BYTES], start)
            if head is not None and head[0] > sequence and head[1] >= sequence:
                return True
        at = data.find(_BEGIN_MARKER, at + 1)
    return False


def _read_begin(begin: bytes, position: int) -> tuple[int, int, int, int, int] | None:
    """(sequence, durable, total, body bytes, sparse sectors) when these 64 bytes begin a batch at `position`."""
    try:
        record = decode(begin, 0, len(begin))
        own, sequence, durable, total, body_bytes, sparse, marker = _BEGIN.unpack(record.payload)
    except (BadRecord, struct.error):
        return None
    # The own offset keeps an image of a log inside an entry's data from being taken for a batch.
    if record.kind != RecordKind.BATCH_BEGIN or own != position or marker != _BEGIN_MARKER:
        return None
    return sequence, durable, total, body_bytes, sparse


def _is_committed(data: bytes, position: int, end: int, sequence: int) -> bool:
    try:
        record = decode(data, end - COMMIT_BYTES, end)
        number, checksum, marker = _COMMIT.unpack(record.payload)
    except (BadRecord, struct.error):
        return False
    if (record.kind, number, marker) != (RecordKind.BATCH_COMMIT, sequence, _COMMIT_MARKER):
        return False
    return bool(crc32c(data[position : end - COMMIT_BYTES]) == checksum)


def _sectors_within(data: bytes, position: int) -> range:
    """Where whole sectors of the file begin inside `data`, which lies at file offset `position`."""
    return range(-position % SECTOR_BYTES, len(data) - SECTOR_BYTES + 1, SECTOR_BYTES)


def _sparse_sectors(data: bytes, position: int) -> int:
    if _SPARSE_RUN not in data:  # the usual case, one fast search
        return 0
    return sum(
        int.from_bytes(data[at : at + SECTOR_BYTES], "little").bit_count() <= 1
        for at in _sectors_within(data, position)
    )


def _zero_sectors(data: bytes, position: int) -> int:
    return sum(not data[at : at + SECTOR_BYTES].strip(b"\0") for at in _sectors_within(data, position))
