"""Snapshots: the whole state for a member, or one stream's part for a view that resumes (design rule 3.9).

```
part 0      header: format, store index, META row, and whether proposers are included
part 1 …    a byte stream cut into parts of at most 256 KiB: records of  length (4 bytes, big endian) + MessagePack
              [0, table, key, row]   a row        [1, proposer …]   an exactly-once line
              [2, records]           the end: how many records came before it
```

A cut is taken when `dump` is called; encoding happens step by step as the caller asks, while the store moves on.
Whether bytes on disk or on the way were damaged is the business of whoever keeps or sends the parts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from lictor_state.codec import TABLES, WireChange, decode_change
from lictor_state.cuts import Cut
from lictor_state.errors import CodecError
from lictor_state.exactly_once import ProposerState
from lictor_state.rows import Change, Key, MetaRow, Row, Table
from lictor_state.store import Store
from lictor_state.streams import STREAM_TABLES, Stream, belongs

FORMAT = 1
PART_BYTES_MAX = 256 * 1024  # four in flight fit NATS's default pending limits with room for the change feed
SLICE_STEPS = 256  # rows looked at, or results of proposers, in one step: a quarter of a millisecond
RECORD_BYTES_MAX = 4 * 1024 * 1024  # far above any row (a KV value is at most 512 KiB); more is damage

_ROW, _PROPOSER, _END = 0, 1, 2
_LENGTH_BYTES = 4

_encoder = msgspec.msgpack.Encoder()


class Header(msgspec.Struct, frozen=True, array_like=True):
    """The first part of a snapshot."""

    format: int
    index: int
    meta: MetaRow


class _Record(msgspec.Struct, frozen=True, array_like=True):
    kind: int
    body: msgspec.Raw


_headers = msgspec.msgpack.Decoder(Header)
_records = msgspec.msgpack.Decoder(_Record)
_changes = msgspec.msgpack.Decoder(WireChange)
_proposers = msgspec.msgpack.Decoder(ProposerState)
_numbers = msgspec.msgpack.Decoder(int)


def dump(store: Store) -> Iterator[bytes]:
    """The whole state, the proposers' lines included, in parts of at most `PART_BYTES_MAX` bytes."""
    return filter(None, dump_slices(store))


def dump_slices(store: Store) -> Iterator[bytes]:
    """As `dump`, in small steps: one that has not filled a part gives nothing (an empty one), so a loop can breathe."""
    header = Header(FORMAT, store.index, store.meta)
    return _slices(header, store.cut(Table), store.proposers.cut(), None)


def dump_stream(store: Store, stream: Stream) -> Iterator[bytes]:
    """What one stream carries, in the same format, for `StreamRestore` in a view."""
    return filter(None, dump_stream_slices(store, stream))


def dump_stream_slices(store: Store, stream: Stream) -> Iterator[bytes]:
    """As `dump_stream`, in the steps of `dump_slices`."""
    header = Header(FORMAT, store.index, store.meta)
    tables = [table for table in Table if table in STREAM_TABLES[stream]]
    return _slices(header, store.cut(tables), (), stream)


def _slices(header: Header, rows: Cut, proposers: Iterable[ProposerState], stream: Stream | None) -> Iterator[bytes]:
    yield _encoder.encode(header)
    buffer = bytearray()
    count = steps = 0
    for record, weight in _dumped(rows, proposers, stream):
        if record:
            count += 1
            buffer += len(record).to_bytes(_LENGTH_BYTES, "big")
            buffer += record
        steps += weight
        if steps >= SLICE_STEPS or len(buffer) >= PART_BYTES_MAX:
            steps = 0
            while len(buffer) >= PART_BYTES_MAX:
                yield bytes(buffer[:PART_BYTES_MAX])
                del buffer[:PART_BYTES_MAX]
            yield b""
    end = _encoder.encode((_END, count))
    buffer += len(end).to_bytes(_LENGTH_BYTES, "big") + end
    while buffer:
        yield bytes(buffer[:PART_BYTES_MAX])
        del buffer[:PART_BYTES_MAX]


def _dumped(rows: Cut, proposers: Iterable[ProposerState], stream: Stream | None) -> Iterator[tuple[bytes, int]]:
    """Each record (empty: a row that is not the stream's), and how many steps of work it was."""
    encode = _encoder.encode
    for table, key, row in rows:
        if stream is None or belongs(stream, table, key):
            yield encode((_ROW, (table, key, row))), 1
        else:
            yield b"", 1
    for state in proposers:
        yield encode((_PROPOSER, state)), 1 + len(state.results)


def read_header(part: bytes) -> Header:
    """The header in a snapshot's first part. Raises `CodecError` if it is none, or of another format."""
    header: Header = _decoded(_headers.decode, part)
    if header.format != FORMAT:
        raise CodecError(f"snapshot: format {header.format}, this build reads {FORMAT}")
    return header


class RecordReader:
    """Cuts the bytes behind the header into records; what is fed may end anywhere."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._count = 0
        self.complete = False

    def feed(self, part: bytes) -> Iterator[tuple[int, msgspec.Raw, int]]:
        """Kind, body and length of each record that is whole now; to be read out before the next call.

        Raises:
            CodecError: these bytes are not the continuation of a snapshot.
        """
        if self.complete:
            raise CodecError("snapshot: a part after the end")
        self._buffer.extend(part)
        buffer, at = self._buffer, 0
        while len(buffer) - at >= _LENGTH_BYTES and not self.complete:
            length = int.from_bytes(buffer[at : at + _LENGTH_BYTES], "big")
            if length > RECORD_BYTES_MAX:
                raise CodecError(f"snapshot: a record of {length} bytes")
            start = at + _LENGTH_BYTES
            if len(buffer) - start < length:
                break
            at = start + length
            record = _decoded(_records.decode, bytes(buffer[start:at]))
            if record.kind == _END:
                self._end(_decoded(_numbers.decode, record.body), len(buffer) - at)
            else:
                self._count += 1
                yield record.kind, record.body, length
        del buffer[:at]

    def _end(self, count: int, rest: int) -> None:
        if count != self._count:
            raise CodecError(f"snapshot: {self._count} records where {count} were written")
        if rest:
            raise CodecError(f"snapshot: {rest} bytes after the end")
        self.complete = True


def row_of(kind: int, body: msgspec.Raw, wanted: Mapping[int, Table] = TABLES) -> Change | None:
    """The row in a record; None if the record is no row, or one of a table that this build does not know or want."""
    if kind != _ROW:
        return None
    change = decode_change(_decoded(_changes.decode, body), wanted)
    return change if change is not None and change.row is not None and change.table is not Table.META else None


Narrow = Callable[[Change], Change | None]
"""From a change to what a reader keeps of it: less of the row, a deletion, or None if it is not to hear of it."""


class StreamRestore:
    """Builds a store from parts that come one at a time, in order."""

    def __init__(
        self, wanted: Mapping[int, Table] = TABLES, *, keeps_digest: bool = True, narrow: Narrow | None = None
    ) -> None:
        """Take the rows of `wanted` tables, as `narrow` leaves them; `keeps_digest` as in `Store`."""
        self._wanted, self._keeps_digest, self._narrow = wanted, keeps_digest, narrow
        self._store: Store | None = None
        self._index = 0
        self._records = RecordReader()

    @property
    def complete(self) -> bool:
        """Whether the end has been read."""
        return self._records.complete

    def feed(self, part: bytes) -> None:
        """Take the next part. Raises `CodecError` on anything that is not the continuation of a snapshot."""
        if self._store is None:
            header = read_header(part)
            self._store = Store(header.meta.cluster_id, keeps_digest=self._keeps_digest)
            self._store.set_meta(header.meta)
            self._index = header.index
        else:
            self._store.fill(self._rows(self._store, part))

    def _rows(self, store: Store, part: bytes) -> Iterator[tuple[Table, Key, Row]]:
        """The rows of all records that are whole; other records take effect on the way."""
        for kind, body, _ in self._records.feed(part):
            change = row_of(kind, body, self._wanted)
            if change is not None and self._narrow is not None:
                change = self._narrow(change)
            if change is not None and change.row is not None:
                yield change.table, change.key, change.row
            elif kind == _PROPOSER:
                store.proposers.restore((_decoded(_proposers.decode, body),))

    def finish(self) -> Store:
        """The store, once every part was fed. Raises `CodecError` if parts are missing."""
        if self._store is None or not self.complete:
            raise CodecError("snapshot: incomplete")
        self._store.advance(self._index)
        return self._store


def _decoded(decode: Callable[[Any], Any], data: bytes | msgspec.Raw) -> Any:
    try:
        return decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError(f"snapshot: {error}") from error


def restore(parts: Iterable[bytes]) -> Store:
    """The store that `dump` was called on. Raises `CodecError` on damage or a missing part."""
    restoring = StreamRestore()
    for part in parts:
        restoring.feed(part)
    return restoring.finish()
