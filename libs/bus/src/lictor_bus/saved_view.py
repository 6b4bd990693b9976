"""The form of a saved view: what a process held of one stream, as bytes for its disk (design, "Fail static"). Pure.

```
magic      8 bytes, the last of which counts formats
header     4 bytes length, MessagePack: stream, cluster, epoch, index, when it was true
parts      4 bytes length, one part of a snapshot (`lictor_state.snapshot`); a length of 0 ends them
digest     32 bytes: SHA-256 of all before
```

A saved view is a help after a cold start and never the truth: whatever is wrong with it, it is not used. Rows that an
older or newer build wrote are read by the rules of the feed (design rule 3.10).
"""

import hashlib
import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from lictor_state import Store
from lictor_state.errors import CodecError
from lictor_state.rows import Table
from lictor_state.snapshot import Narrow, StreamRestore
from lictor_state.streams import Stream

SAVED_BYTES_MAX: Final = 512 * 1024 * 1024
"""More than any view that a process could hold beside it: a larger file is not ours, a larger view is not saved."""

_MAGIC: Final = b"lictorv\x01"
_LENGTH_BYTES: Final = 4
_DIGEST_BYTES: Final = 32

_encoder = msgspec.msgpack.Encoder()


class SavedViewError(Exception):
    """This is no saved view that can be used; the message says why."""


class SavedHeader(msgspec.Struct, frozen=True, array_like=True):
    """What a saved view is a copy of. `true_at` is when it was exact, in seconds since 1970."""

    stream: str
    cluster: str
    epoch: int
    index: int
    true_at: float


@dataclass(frozen=True, slots=True)
class SavedView:
    """A saved view that was read back."""

    header: SavedHeader
    store: Store


_headers = msgspec.msgpack.Decoder(SavedHeader)


def encode(header: SavedHeader, parts: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a saved view, piece by piece; parts may be empty, which gives nothing but lets the caller breathe.

    Raises:
        SavedViewError: the view is larger than `SAVED_BYTES_MAX`.
    """
    digest = hashlib.sha256()
    size = 0
    for piece in _pieces(header, parts):
        digest.update(piece)
        size += len(piece)
        if size > SAVED_BYTES_MAX - _DIGEST_BYTES:
            raise SavedViewError(f"the view is larger than {SAVED_BYTES_MAX} bytes")
        yield piece
    yield digest.digest()


def _pieces(header: SavedHeader, parts: Iterable[bytes]) -> Iterator[bytes]:
    encoded = _encoder.encode(header)
    yield _MAGIC + len(encoded).to_bytes(_LENGTH_BYTES, "big") + encoded
    for part in parts:
        yield len(part).to_bytes(_LENGTH_BYTES, "big") + part if part else b""
    yield bytes(_LENGTH_BYTES)


def decode(
    data: bytes | mmap.mmap, stream: Stream, wanted: Iterable[Table] = Table, narrow: Narrow | None = None
) -> SavedView:
    """Read a saved view; nothing of it is looked at before its digest was found to be right.

    Args:
        data: its bytes.
        stream: the one that it must be of.
        wanted: the tables whose rows are kept.
        narrow: what is kept of a row, as in `View`.

    Raises:
        SavedViewError: damaged, cut off, of another stream, or of a format that this build does not read.
    """
    view = memoryview(data)
    try:
        return _decode(view, stream, wanted, narrow)
    finally:
        view.release()


def _decode(data: memoryview, stream: Stream, wanted: Iterable[Table], narrow: Narrow | None) -> SavedView:
    magic = bytes(data[: len(_MAGIC)])
    if magic[:-1] != _MAGIC[:-1]:
        raise SavedViewError("it is no saved view")
    if magic != _MAGIC:
        raise SavedViewError(f"format {magic[-1]}, this build reads {_MAGIC[-1]}")
    with data[:-_DIGEST_BYTES] as body:
        if hashlib.sha256(body).digest() != data[-_DIGEST_BYTES:]:
            raise SavedViewError("damaged: its digest is wrong")
        parts = _parts(body)
        tables: Mapping[int, Table] = {int(table): table for table in (Table.META, *wanted)}
        restoring = StreamRestore(tables, keeps_digest=False, narrow=narrow)
        try:
            header = _headers.decode(next(parts))
            if header.stream != stream:
                raise SavedViewError(f"it is of the stream {header.stream!r}, not {stream!r}")
            for part in parts:
                restoring.feed(part)
            store = restoring.finish()
        except (msgspec.MsgspecError, UnicodeDecodeError, CodecError) as error:
            raise SavedViewError(f"not understood: {error}") from error
    if (header.cluster, header.epoch, header.index) != (store.meta.cluster_id, store.meta.epoch, store.index):
        raise SavedViewError("header and rows are of different views")
    return SavedView(header, store)


def _parts(body: memoryview) -> Iterator[bytes]:
    """The header, and each part behind it."""
    at = len(_MAGIC)
    while at + _LENGTH_BYTES <= len(body):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(body[at:start], "big")
        if at == start:
            return
        yield bytes(body[start:at])
    raise SavedViewError("not understood: its parts do not end")
