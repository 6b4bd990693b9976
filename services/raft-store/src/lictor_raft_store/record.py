"""Records: the smallest framed pieces of the log, and the values that they carry.

    0        4        8    9    10     12
    | crc32c | length |kind|aux | magic | payload … | zeros to a multiple of 8 |

All numbers are little-endian. `length` counts the payload only and is bounded before anything is allocated; the
CRC32C (RFC 3720 appendix B.4) covers everything after itself except the padding. Records live inside a batch
(`batch`), which is the unit of durability; a record alone proves nothing about having been committed.

An entry's payload is term, index, data, and its Raft kind is in `aux`. This module knows neither files nor batches.
"""

import struct
from enum import IntEnum
from typing import Protocol

import google_crc32c
import msgspec

ALIGNMENT = 8
RECORD_BYTES_MAX = 16 * 1024 * 1024  # a damaged length must not make us allocate; a bus message is below 1 MiB anyway
MAGIC = 0x574C  # "LW": makes a run of zeros, the commonest garbage, fail at once

_HEADER = struct.Struct("<IIBBH")
_ENTRY_HEAD = struct.Struct("<IBBHQQ")  # the header without its CRC, then term and index
_CRC = struct.Struct("<I")
_TERM_INDEX = struct.Struct("<QQ")
_HARD_STATE = struct.Struct("<QQQ")
_HARD_STATE_RECORD = struct.Struct("<IBBHQQQ")  # the header without its CRC, then the hard state
_INDEX = struct.Struct("<Q")
_pack_entry_head, _pack_crc = _ENTRY_HEAD.pack, _CRC.pack  # looked up once: they run for every entry
_crc32c = google_crc32c.value
_PADDING = tuple(bytes(-n % ALIGNMENT) for n in range(ALIGNMENT))
HEADER_BYTES = _HEADER.size
ENTRY_DATA_BYTES_MAX = RECORD_BYTES_MAX - _TERM_INDEX.size
_U64_MAX = 2**64 - 1


class RecordKind(IntEnum):
    """What a record is. Zero is none of them."""

    SEGMENT_HEADER = 1
    BATCH_BEGIN = 2
    ENTRY = 3
    HARD_STATE = 4
    TRUNCATE = 5
    SNAPSHOT = 6
    BATCH_COMMIT = 7
    SLOT_FILE = 8


# Looked up for every entry and batch: as a member of the class it costs ten times as much.
_ENTRY = int(RecordKind.ENTRY)
_HARD_STATE_KIND = int(RecordKind.HARD_STATE)
_HARD_STATE_PADDING = _PADDING[(HEADER_BYTES + _HARD_STATE.size) % ALIGNMENT]


class LogEntry(msgspec.Struct, frozen=True, gc=False):
    """One Raft entry as stored. `kind` (0 to 255) is opaque here."""

    index: int
    term: int
    kind: int
    data: bytes


class HardState(msgspec.Struct, frozen=True, gc=False):
    """What Raft must not forget (Raft paper, figure 2): term, vote (member id, 0 for none), and the known commit."""

    term: int
    vote: int
    commit: int


class SnapshotMark(msgspec.Struct, frozen=True, gc=False):
    """A snapshot up to `index` (of `term`) is durable in the snapshot store.

    `installed` says that it came from the leader and replaces the whole log: the next entry is `index + 1`. A snapshot
    made here leaves the log as it is.
    """

    index: int
    term: int
    installed: bool = False


class EntryLike(Protocol):
    """Anything with an entry's four fields: the Raft core's own entries can be stored without being copied first."""

    @property
    def index(self) -> int:
        """The log index, from 1."""

    @property
    def term(self) -> int:
        """The term in which it was proposed."""

    @property
    def kind(self) -> int:
        """Normal, configuration change, …: 0 to 255, opaque here."""

    @property
    def data(self) -> bytes:
        """The command."""


class HardStateLike(Protocol):
    """Anything with a hard state's three fields."""

    @property
    def term(self) -> int:
        """The current term."""

    @property
    def vote(self) -> int:
        """The member voted for in this term, 0 for none."""

    @property
    def commit(self) -> int:
        """The highest commit index known."""


class BadRecord(Exception):  # noqa: N818  # a verdict on bytes, handled inside the member; the outcome is DamagedLog
    """The bytes at this place are no record; the message names the field and the rule."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One decoded record and where the next one begins."""

    kind: int
    aux: int
    payload: bytes
    end: int


def crc32c(data: bytes, seed: int = 0) -> int:
    """CRC32C of `data`, continuing from `seed`."""
    checksum: int = google_crc32c.extend(seed, data)
    return checksum


def encode(kind: RecordKind, payload: bytes, aux: int = 0) -> bytes:
    """One padded record. Raises ValueError over the length bound: a caller's mistake."""
    if len(payload) > RECORD_BYTES_MAX:
        raise ValueError(f"record payload of {len(payload)} bytes: at most {RECORD_BYTES_MAX}")
    covered = _HEADER.pack(0, len(payload), kind, aux, MAGIC)[4:] + payload
    return _pack_crc(_crc32c(covered)) + covered + _PADDING[(4 + len(covered)) % ALIGNMENT]


def decode(data: bytes, offset: int, limit: int) -> Record:
    """The record at `offset`, which with its padding must end by `limit`. Raises BadRecord."""
    if offset + HEADER_BYTES > limit:
        raise BadRecord(f"header at {offset}: only {limit - offset} bytes left")
    checksum, length, kind, aux, magic = _HEADER.unpack_from(data, offset)
    if magic != MAGIC:
        raise BadRecord(f"magic at {offset}: {magic:#06x}, not {MAGIC:#06x}")
    if length > RECORD_BYTES_MAX:
        raise BadRecord(f"length at {offset}: {length}, above {RECORD_BYTES_MAX}")
    payload_end = offset + HEADER_BYTES + length
    end = payload_end + -payload_end % ALIGNMENT
    if end > limit:
        raise BadRecord(f"length at {offset}: {length} reaches beyond {limit}")
    if crc32c(data[offset + 4 : payload_end]) != checksum:
        raise BadRecord(f"crc at {offset}: not that of the bytes")
    return Record(kind, aux, data[offset + HEADER_BYTES : payload_end], end)


def encode_entry(entry: EntryLike) -> bytes:
    """One entry as a record. Raises ValueError when a field is out of its range."""
    data = entry.data
    size = len(data)
    if size > ENTRY_DATA_BYTES_MAX:
        raise ValueError(f"entry {entry.index}: data of {size} bytes, at most {ENTRY_DATA_BYTES_MAX}")
    try:
        covered = _pack_entry_head(size + 16, _ENTRY, entry.kind, MAGIC, entry.term, entry.index) + data
    except struct.error as error:
        raise ValueError(f"entry {entry.index}: term, index (64 bits) or kind (8 bits) out of range") from error
    return _pack_crc(_crc32c(covered)) + covered + _PADDING[(size + 28) % ALIGNMENT]


def decode_entry(record: Record) -> LogEntry:
    """The entry in a record of kind ENTRY. Raises BadRecord."""
    if len(record.payload) < _TERM_INDEX.size:
        raise BadRecord(f"entry before {record.end}: payload of {len(record.payload)} bytes, at least 16")
    term, index = _TERM_INDEX.unpack_from(record.payload)
    return LogEntry(index, term, record.aux, record.payload[_TERM_INDEX.size :])


def encode_hard_state(state: HardStateLike) -> bytes:
    """A hard state as a record. Raises ValueError when a field does not fit 64 bits."""
    try:
        covered = _HARD_STATE_RECORD.pack(
            _HARD_STATE.size, _HARD_STATE_KIND, 0, MAGIC, state.term, state.vote, state.commit
        )
    except struct.error as error:
        fields = (("term", state.term), ("vote", state.vote), ("commit", state.commit))
        name, number = next(one for one in fields if not 0 <= one[1] <= _U64_MAX)
        raise ValueError(f"hard state {name}: {number} does not fit 64 bits") from error
    return _pack_crc(_crc32c(covered)) + covered + _HARD_STATE_PADDING


def encode_truncate(from_index: int) -> bytes:
    """The record that takes back all entries from `from_index` on."""
    return encode(RecordKind.TRUNCATE, _INDEX.pack(from_index))


def encode_snapshot_mark(mark: SnapshotMark) -> bytes:
    """A snapshot mark as a record."""
    return encode(RecordKind.SNAPSHOT, _TERM_INDEX.pack(mark.term, mark.index), aux=int(mark.installed))


def decode_value(record: Record) -> LogEntry | HardState | SnapshotMark | int:
    """What a record inside a batch says; a plain int is the index to truncate from. Raises BadRecord."""
    if record.kind == RecordKind.ENTRY:
        return decode_entry(record)
    try:
        if record.kind == RecordKind.HARD_STATE:
            return HardState(*_HARD_STATE.unpack(record.payload))
        if record.kind == RecordKind.SNAPSHOT:
            term, index = _TERM_INDEX.unpack(record.payload)
            return SnapshotMark(index, term, bool(record.aux))
        if record.kind == RecordKind.TRUNCATE:
            from_index: int = _INDEX.unpack(record.payload)[0]
            return from_index
    except struct.error as error:
        raise BadRecord(f"record of kind {record.kind} before {record.end}: payload of the wrong length") from error
    raise BadRecord(f"record before {record.end}: kind {record.kind} has no place inside a batch")
