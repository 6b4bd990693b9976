"""The file form of an archived state: Consul's, a gzipped tar of `meta.json`, `state.bin` and `SHA256SUMS`.

```
meta.json     Consul's fields (Version, ID, Index, Term, Size) and ours: Lictor {Format, Cluster, Epoch, Level}
state.bin     the dump of stream `all`: length of the header (4 bytes, big endian), header, the bytes behind it
SHA256SUMS    of the other two, as `sha256sum` writes them
```

The tar is POSIX ustar (IEEE 1003.1), regular files only. Everything streams: the writer is a generator of bytes, the
reader is fed bytes and gives those of `state.bin`; neither holds the state, and both leave reading and writing files
to others. What a reader has given must not be used before `finish` has said that the whole archive is sound.
"""

import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec

from lictor_state.snapshot import read_header
from lictor_state.staging import STAGED_BYTES_MAX

META, STATE, SUMS = "meta.json", "state.bin", "SHA256SUMS"
MEMBERS = (META, STATE, SUMS)  # in this order
SMALL_BYTES_MAX = 64 * 1024  # of meta.json and of SHA256SUMS; both are a few hundred bytes
PIECE_BYTES = 64 * 1024  # decompressed at a time: a few bytes of a bomb become a thousand times as many
GZIP_LEVEL = 1  # fast, and two thirds of what the highest level saves on these rows
_BLOCK = 512
_GZIP = 31  # zlib's number for a gzip wrapper around its largest window
_LENGTH_BYTES = 4
_REGULAR = (b"0", b"\0")


class ArchiveError(ValueError):
    """The bytes are no sound archive of ours; the message is one line for a person."""


class AboutState(msgspec.Struct, frozen=True, rename="pascal"):
    """What is ours in `meta.json`."""

    format: int
    cluster: str
    epoch: int
    level: int


class About(msgspec.Struct, frozen=True, rename="pascal"):
    """`meta.json`."""

    version: int
    id: str = msgspec.field(name="ID")
    index: int
    term: int
    size: int
    lictor: AboutState | None = None


_about = msgspec.json.Decoder(About)


def about(header: bytes, size: int) -> About:
    """What an archive of a dump says: its first part, and the size of its `state.bin`."""
    read = read_header(header)
    ours = AboutState(read.format, read.meta.cluster_id, read.meta.epoch, read.meta.level)
    return About(1, f"{read.meta.epoch}-{read.index}", read.index, 0, size, ours)


def state_file(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A dump's parts as the bytes of `state.bin`."""
    rest = iter(parts)
    header = next(rest)
    yield len(header).to_bytes(_LENGTH_BYTES, "big") + header
    yield from rest


def write(meta: About, state: Iterable[bytes]) -> Iterator[bytes]:
    """The archive's bytes; `state` are those of `state.bin`, as many as `meta` says."""
    gzip = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    encoded = msgspec.json.encode(meta)
    yield gzip.compress(_entry(META, encoded))
    yield gzip.compress(_tar_header(STATE, meta.size))
    total, size = sha256(), 0
    for piece in state:
        total.update(piece)
        size += len(piece)
        yield gzip.compress(piece)
    assert size == meta.size, f"{size} bytes of state where {meta.size} were announced"
    sums = f"{sha256(encoded).hexdigest()}  {META}\n{total.hexdigest()}  {STATE}\n".encode()
    yield gzip.compress(_padding(size) + _entry(SUMS, sums) + bytes(2 * _BLOCK))
    yield gzip.flush()


def _entry(name: str, body: bytes) -> bytes:
    return _tar_header(name, len(body)) + body + _padding(len(body))


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _tar_header(name: str, size: int) -> bytes:
    fields = bytearray(_BLOCK)

    def put(at: int, value: bytes) -> None:
        fields[at : at + len(value)] = value

    put(0, name.encode())
    put(100, b"0000600\0")
    put(108, b"0000000\0" * 2)  # owner and group
    put(124, b"%011o\0" % size)
    put(136, b"%011o\0" % 0)  # the time: none, equal states give equal archives
    put(148, b" " * 8)
    put(156, b"0")
    put(257, b"ustar\x0000")
    put(148, b"%06o\0 " % sum(fields))
    return bytes(fields)


class ArchiveReader:
    """Takes an archive's bytes in any pieces and gives those of `state.bin`."""

    def __init__(self) -> None:
        self._gzip = zlib.decompressobj(_GZIP)
        self._buffer = bytearray()
        self._name = ""
        self._left = 0
        self._pad = 0
        self._small: dict[str, bytearray] = {META: bytearray(), SUMS: bytearray()}
        self._seen: list[str] = []
        self._state_sum = sha256()
        self._state_bytes = 0
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bytes of `state.bin` in these, to be read out before the next call; raises `ArchiveError`."""
        while data:
            if self._gzip.eof:
                raise ArchiveError("the archive goes on after its end")
            try:
                plain = self._gzip.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise ArchiveError(f"not a sound gzip file: {error}") from None
            data = self._gzip.unused_data or self._gzip.unconsumed_tail
            self._buffer += plain
            yield from self._untar()

    def _untar(self) -> Iterator[bytes]:
        buffer, at = self._buffer, 0
        while True:
            if self._left:
                piece = bytes(buffer[at : at + self._left])
                if not piece:
                    break
                at += len(piece)
                self._left -= len(piece)
                if self._name == STATE:
                    self._state_sum.update(piece)
                    self._state_bytes += len(piece)
                    yield piece
                else:
                    self._small[self._name] += piece
            elif self._pad:
                skipped = min(self._pad, len(buffer) - at)
                if not skipped:
                    break
                at += skipped
                self._pad -= skipped
            elif len(buffer) - at >= _BLOCK:
                self._begin(bytes(buffer[at : at + _BLOCK]))
                at += _BLOCK
            else:
                break
        del buffer[:at]

    def _begin(self, block: bytes) -> None:
        if not any(block):
            self._over = True
            return
        if self._over:
            raise ArchiveError("the archive goes on after its end")
        given = block[148:156].split(b"\0")[0].strip()
        total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
        if _octal(given) != total:
            raise ArchiveError("not a sound tar file: a header's checksum is wrong")
        name = block[:100].split(b"\0")[0].decode("utf-8", "replace")
        size = _octal(block[124:136].split(b"\0")[0].strip())
        due = MEMBERS[len(self._seen)] if len(self._seen) < len(MEMBERS) else "its end"
        if name != due or block[156:157] not in _REGULAR:
            raise ArchiveError(f"{name!r} is in the archive where {due} should be")
        if size > (STAGED_BYTES_MAX if name == STATE else SMALL_BYTES_MAX):
            raise ArchiveError(f"{name} has {size} bytes, too many")
        if name == STATE:
            self._judge_meta()
        self._seen.append(name)
        self._name, self._left, self._pad = name, size, -size % _BLOCK

    def _judge_meta(self) -> None:
        if self.about().lictor is None:
            raise ArchiveError("this is a snapshot of a Consul server: only Lictor's own snapshots can be restored")

    def about(self) -> About:
        """`meta.json`, once it has been read; raises `ArchiveError`."""
        try:
            return _about.decode(bytes(self._small[META]))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ArchiveError(f"{META}: {error}") from None

    def finish(self) -> About:
        """What the archive says of itself, if all of it was there and sound; raises `ArchiveError`."""
        if not self._gzip.eof or not self._over or len(self._seen) != len(MEMBERS):
            raise ArchiveError("the archive is cut off")
        meta = self.about()
        sums = {META: sha256(self._small[META]).hexdigest(), STATE: self._state_sum.hexdigest()}
        lines = self._small[SUMS].decode("utf-8", "replace").splitlines()
        for name, total in sums.items():
            if f"{total}  {name}" not in lines:
                raise ArchiveError(f"{name} is damaged: its SHA-256 is not the one in {SUMS}")
        if meta.size != self._state_bytes:
            raise ArchiveError(f"{STATE} has {self._state_bytes} bytes where {meta.size} were written")
        return meta


class StateFile:
    """Splits the bytes of `state.bin`, fed in any pieces, into the dump's header and what is behind it."""

    def __init__(self) -> None:
        self.header = b""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes:
        """What of these is behind the header; raises `ArchiveError`."""
        if self.header:
            return data
        self._buffer += data
        if len(self._buffer) < _LENGTH_BYTES:
            return b""
        end = _LENGTH_BYTES + int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
        if end > SMALL_BYTES_MAX:
            raise ArchiveError(f"{STATE}: a header of {end} bytes")
        if len(self._buffer) < end:
            return b""
        self.header = bytes(self._buffer[_LENGTH_BYTES:end])
        rest = bytes(self._buffer[end:])
        self._buffer.clear()
        return rest


def dump_parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The dump in an archive's bytes: its header, then what is behind it; `ArchiveError` at the end at latest."""
    reader, state = ArchiveReader(), StateFile()
    begun = False
    for piece in pieces:
        for inner in reader.feed(piece):
            rest = state.feed(inner)
            if state.header and not begun:
                begun = True
                yield state.header
            if rest:
                yield rest
    reader.finish()


def _octal(text: bytes) -> int:
    try:
        return int(text, 8)
    except ValueError:
        raise ArchiveError("not a sound tar file: a number that is none") from None
