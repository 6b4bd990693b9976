"""Snapshot files: written aside, checked by chunk and as a whole, named only when durable.

    | head: one record, padded to 4096 | chunk 0 … chunk n-1, 256 KiB each, the last shorter | foot |
    foot: n chunk CRC32Cs (4 bytes each), then the tail, 64 bytes: size, SHA-256, CRC32C of head and foot, marker

The head names index, term and the caller's `conf` (the configuration at that index, opaque here); the SHA-256 covers
head and data, so two members can tell whether they hold the same snapshot. A chunk can be read and checked alone, which
is how it travels (Raft paper, section 7); a received snapshot is written chunk by chunk, in any order.

The last two snapshots are kept: if the newest is damaged and the log still reaches back, the one before serves. On a
full disk it goes, so that there is room for the next. What a
snapshot means, and whether the log reaches back, is the driver's knowledge. Writers and receivers may be aborted while
a thread still writes: a file is never closed under a write, whose bytes could end in another file of the same number.
"""

import hashlib
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from lictor_raft_store.disk import Disk, File, StorageError
from lictor_raft_store.record import BadRecord, crc32c, decode, encode
from lictor_raft_store.record import RecordKind as Kind

CHUNK_BYTES = 256 * 1024
SNAPSHOTS_KEPT = 2
CONF_BYTES_MAX = 3 * 1024  # a configuration of hundreds of members; head and conf share one page
SNAPSHOT_BYTES_MAX = 16 * 1024**3  # what a leader may announce before we reserve anything for it
HEAD_BYTES = 4096
_SUFFIX = ".snap"
_TEMPORARY = ".snap.tmp"
_HEAD = struct.Struct("<8sHQQ")
_HEAD_MAGIC = b"LICTORSN"
_VERSION = 1
_TAIL = struct.Struct("<Q32sI20s")
_TAIL_MARKER = b"LICTOR-SNAPSHOT-END."
_CRC = struct.Struct("<I")


class DamagedSnapshot(StorageError):  # noqa: N818  # the name is the finding
    """A snapshot's bytes are not what was written, or a received one is not what was announced."""


class SnapshotMeta(msgspec.Struct, frozen=True):
    """What one member tells another about a snapshot: everything but the data. `size` is the data's, in bytes."""

    index: int
    term: int
    size: int
    digest: bytes
    conf: bytes = b""

    @property
    def chunks(self) -> int:
        """How many chunks the data has; an empty one has none."""
        return -(-self.size // CHUNK_BYTES)

    def chunk_bytes(self, number: int) -> int:
        """The length of chunk `number`. Raises ValueError when there is none of that number."""
        if not 0 <= number < self.chunks:
            raise ValueError(f"chunk {number}: the snapshot has {self.chunks}")
        return min(CHUNK_BYTES, self.size - number * CHUNK_BYTES)


class SnapshotStore:
    """The snapshots in one folder. Opening removes what unfinished writers left."""

    def __init__(self, disk: Disk, folder: str) -> None:
        self._disk = disk
        self._folder = folder
        self._held: list[str] = []
        disk.make_folder(folder)
        for name in disk.listdir(folder):
            if name.endswith(_TEMPORARY):
                disk.unlink(f"{folder}/{name}")
        disk.fsync_dir(folder)  # a name given just before the process was killed may not be durable yet

    def create(self, index: int, term: int, conf: bytes = b"") -> "SnapshotWriter":
        """Start writing a snapshot made here, piece by piece."""
        return SnapshotWriter(self, self._disk, self._temporary(index, term), encode_head(index, term, conf))

    def receive(self, meta: SnapshotMeta) -> "SnapshotReceiver":
        """Start writing a snapshot that another member announced. Raises ValueError when `meta` is out of bounds."""
        if not 0 <= meta.size <= SNAPSHOT_BYTES_MAX:
            raise ValueError(f"snapshot size: {meta.size}, 0 to {SNAPSHOT_BYTES_MAX} bytes")
        path = f"{self._folder}/received-{snapshot_name(meta.index, meta.term)}.tmp"  # one of our own may be under way
        return SnapshotReceiver(self, self._disk, path, meta)

    @contextmanager
    def hold(self, meta: SnapshotMeta) -> Iterator[None]:
        """Keep a snapshot, however many newer ones come, while it is being given to somebody."""
        name = snapshot_name(meta.index, meta.term)
        self._held.append(name)
        try:
            yield
        finally:
            self._held.remove(name)

    def metas(self) -> list[SnapshotMeta]:
        """The snapshots whose head and foot are sound, the newest first; their chunks are not read."""
        found: list[SnapshotMeta] = []
        for name in self._names():
            try:
                found.append(self._read_meta(name)[0])
            except DamagedSnapshot:
                continue
        return found

    def newest_sound(self) -> SnapshotMeta | None:
        """The newest snapshot that is whole, every byte verified; None when there is none.

        It may be older than a snapshot mark in the log: then the newest was damaged, and the caller must check that its
        log reaches back to this one.
        """
        for meta in self.metas():
            try:
                self.verify(meta)
            except DamagedSnapshot:
                continue
            return meta
        return None

    def make_room(self) -> None:
        """Drop all but the newest, if that is sound, and those that are held: a full disk has no room for a spare."""
        names, newest = self._names(), self.newest_sound()
        if newest is not None and names[0] == snapshot_name(newest.index, newest.term):
            self._drop(names[1:])

    def verify(self, meta: SnapshotMeta) -> None:
        """Read everything once. Raises DamagedSnapshot."""
        for _ in self.chunks(meta):
            pass

    def chunks(self, meta: SnapshotMeta) -> Iterator[bytes]:
        """The data in order, chunk by chunk, each one verified; the digest is verified behind the last one.

        So act on the data only when the iteration has ended without DamagedSnapshot.
        """
        digest = hashlib.sha256(encode_head(meta.index, meta.term, meta.conf))
        for number in range(meta.chunks):
            chunk = self.read_chunk(meta, number)
            digest.update(chunk)
            yield chunk
        if digest.digest() != meta.digest:
            raise DamagedSnapshot(f"snapshot {meta.index}: digest of the whole is not the recorded one")

    def read_chunk(self, meta: SnapshotMeta, number: int) -> bytes:
        """One chunk, verified by its CRC. Raises DamagedSnapshot; FileNotFoundError once it was pruned."""
        length = meta.chunk_bytes(number)
        name = snapshot_name(meta.index, meta.term)
        own, crcs = self._read_meta(name)
        if own != meta:
            raise DamagedSnapshot(f"snapshot {name}: not the one that was asked for")
        file = self._disk.open(f"{self._folder}/{name}", create=False)
        try:
            chunk = file.read(HEAD_BYTES + number * CHUNK_BYTES, length)
        finally:
            file.close()
        if len(chunk) != length or crc32c(chunk) != _CRC.unpack_from(crcs, number * _CRC.size)[0]:
            raise DamagedSnapshot(f"snapshot {name}: chunk {number} is not what was written")
        return chunk

    def publish(self, temporary: str, meta: SnapshotMeta) -> None:
        """Give a durable temporary file its name, and drop all but the last two and those that are held."""
        self._disk.rename(temporary, f"{self._folder}/{snapshot_name(meta.index, meta.term)}")
        self._disk.fsync_dir(self._folder)
        self._drop(self._names()[SNAPSHOTS_KEPT:])

    def _drop(self, names: list[str]) -> None:
        stale = [name for name in names if name not in self._held]
        for name in stale:
            self._disk.unlink(f"{self._folder}/{name}")
        if stale:
            self._disk.fsync_dir(self._folder)

    def _names(self) -> list[str]:
        return sorted((name for name in self._disk.listdir(self._folder) if name.endswith(_SUFFIX)), reverse=True)

    def _temporary(self, index: int, term: int) -> str:
        return f"{self._folder}/{snapshot_name(index, term)}.tmp"

    def _read_meta(self, name: str) -> tuple[SnapshotMeta, bytes]:
        """Head and foot of a file, verified, and the CRCs of its chunks."""
        file = self._disk.open(f"{self._folder}/{name}", create=False)
        try:
            head = file.read(0, HEAD_BYTES)
            length = file.size()
            tail = file.read(max(0, length - _TAIL.size), _TAIL.size)
            try:
                index, term, conf = decode_head(head)
                size, digest, checksum, marker = _TAIL.unpack(tail)
            except (BadRecord, struct.error) as error:
                raise DamagedSnapshot(f"snapshot {name}: {error}") from error
            meta = SnapshotMeta(index, term, size, digest, conf)
            foot_at = HEAD_BYTES + size
            if marker != _TAIL_MARKER or length != foot_at + meta.chunks * _CRC.size + _TAIL.size:
                raise DamagedSnapshot(f"snapshot {name}: {length} bytes do not fit its tail")
            crcs = file.read(foot_at, meta.chunks * _CRC.size)
        finally:
            file.close()
        if checksum != _foot_crc(head, crcs, size, digest) or name != snapshot_name(index, term):
            raise DamagedSnapshot(f"snapshot {name}: head or foot is not what was written")
        return meta, crcs


class SnapshotWriter:
    """Writes one snapshot of this member's own state: `write` the pieces in order, then `finish` or `abort`."""

    def __init__(self, store: SnapshotStore, disk: Disk, path: str, head: bytes) -> None:
        self._store = store
        self._disk = disk
        self._path = path
        self._head = head
        self._digest = hashlib.sha256(head)
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._crcs: list[int] = []
        self._size = 0
        self._file = disk.open(path, create=True)
        try:
            self._file.pwrite(head, 0)
        except StorageError:
            self.abort()
            raise

    def write(self, piece: bytes) -> None:
        """Append a piece of any length. Raises DiskFull, StorageFailed: then `abort`."""
        with self._lock:
            self._buffer += piece
            while len(self._buffer) >= CHUNK_BYTES:
                self._flush(bytes(self._buffer[:CHUNK_BYTES]))
                del self._buffer[:CHUNK_BYTES]

    def finish(self) -> SnapshotMeta:
        """Make it durable, give it its name, prune. Raises DiskFull, StorageFailed: then `abort`."""
        with self._lock:
            if self._buffer:
                self._flush(bytes(self._buffer))
                self._buffer.clear()
            index, term, conf = decode_head(self._head)
            meta = SnapshotMeta(index, term, self._size, self._digest.digest(), conf)
            _write_foot(self._file, self._head, meta, self._crcs)
            self._file.fdatasync()
            self._file.close()
            self._store.publish(self._path, meta)
            return meta

    def abort(self) -> None:
        """Drop what was written so far; waits for a write that is under way."""
        with self._lock:
            _abort(self._disk, self._file, self._path)

    def _flush(self, chunk: bytes) -> None:
        self._file.pwrite(chunk, HEAD_BYTES + self._size)
        self._crcs.append(crc32c(chunk))
        self._digest.update(chunk)
        self._size += len(chunk)


class SnapshotReceiver:
    """Writes a snapshot that comes in chunks from another member; chunks may come in any order and more than once."""

    def __init__(self, store: SnapshotStore, disk: Disk, path: str, meta: SnapshotMeta) -> None:
        self._store = store
        self._disk = disk
        self._path = path
        self._meta = meta
        self._head = encode_head(meta.index, meta.term, meta.conf)
        self._lock = threading.Lock()
        self._crcs: dict[int, int] = {}
        self._file = disk.open(path, create=True)
        try:
            # What does not fit is refused before anything travels, and cannot run out of room half way.
            self._file.fallocate(HEAD_BYTES + meta.size + meta.chunks * _CRC.size + _TAIL.size)
            self._file.pwrite(self._head, 0)
        except StorageError:
            self.abort()
            raise

    @property
    def missing(self) -> list[int]:
        """The numbers of the chunks still to come."""
        return [number for number in range(self._meta.chunks) if number not in self._crcs]

    def write_chunk(self, number: int, data: bytes) -> None:
        """Store chunk `number`. Raises ValueError when it is not as announced; DiskFull, StorageFailed."""
        expected = self._meta.chunk_bytes(number)
        if len(data) != expected:
            raise ValueError(f"chunk {number} of {len(data)} bytes: must have {expected}")
        if number in self._crcs:
            return
        with self._lock:
            self._file.pwrite(data, HEAD_BYTES + number * CHUNK_BYTES)
        self._crcs[number] = crc32c(data)

    def finish(self) -> SnapshotMeta:
        """Verify the announced digest, then make it durable and give it its name. Reads all data back: not for a loop.

        Raises ValueError while chunks are missing; DamagedSnapshot when the digest differs (the file is then gone);
        DiskFull, StorageFailed: then `abort`.
        """
        if self.missing:
            raise ValueError(f"snapshot {self._meta.index}: chunks {self.missing[:5]} … are missing")
        digest = hashlib.sha256(self._head)
        for number in range(self._meta.chunks):
            digest.update(self._file.read(HEAD_BYTES + number * CHUNK_BYTES, self._meta.chunk_bytes(number)))
        if digest.digest() != self._meta.digest:
            self.abort()
            raise DamagedSnapshot(f"snapshot {self._meta.index}: what was received is not what was announced")
        with self._lock:
            _write_foot(self._file, self._head, self._meta, [self._crcs[number] for number in range(self._meta.chunks)])
            self._file.fdatasync()
            self._file.close()
            self._store.publish(self._path, self._meta)
            return self._meta

    def abort(self) -> None:
        """Drop what was received so far; waits for a write that is under way."""
        with self._lock:
            _abort(self._disk, self._file, self._path)


def snapshot_name(index: int, term: int) -> str:
    """The file name of a snapshot; sorts by index, then term."""
    return f"{index:020d}-{term:020d}{_SUFFIX}"


def encode_head(index: int, term: int, conf: bytes) -> bytes:
    """The first page of a snapshot file. Raises ValueError when a field is out of its range."""
    if not (1 <= index < 2**64 and 0 <= term < 2**64):
        raise ValueError(f"snapshot index {index}, term {term}: must be positive 64-bit numbers")
    if len(conf) > CONF_BYTES_MAX:
        raise ValueError(f"snapshot conf of {len(conf)} bytes: at most {CONF_BYTES_MAX}")
    payload = _HEAD.pack(_HEAD_MAGIC, _VERSION, index, term) + conf
    return encode(Kind.SNAPSHOT, payload).ljust(HEAD_BYTES, b"\0")


def decode_head(head: bytes) -> tuple[int, int, bytes]:
    """(index, term, conf). Raises BadRecord."""
    record = decode(head, 0, len(head))
    if record.kind != Kind.SNAPSHOT or len(record.payload) < _HEAD.size:
        raise BadRecord(f"snapshot head: kind {record.kind}, payload of {len(record.payload)} bytes")
    magic, version, index, term = _HEAD.unpack_from(record.payload)
    if magic != _HEAD_MAGIC or version != _VERSION:
        raise BadRecord(f"snapshot head: format {magic!r} version {version}, must be version {_VERSION}")
    return index, term, record.payload[_HEAD.size :]


def _foot_crc(head: bytes, crcs: bytes, size: int, digest: bytes) -> int:
    return crc32c(head + crcs + size.to_bytes(8, "little") + digest)


def _write_foot(file: File, head: bytes, meta: SnapshotMeta, crcs: list[int]) -> None:
    table = b"".join(_CRC.pack(crc) for crc in crcs)
    tail = _TAIL.pack(meta.size, meta.digest, _foot_crc(head, table, meta.size, meta.digest), _TAIL_MARKER)
    file.pwrite(table + tail, HEAD_BYTES + meta.size)


def _abort(disk: Disk, file: File, path: str) -> None:
    file.close()
    try:
        disk.unlink(path)
    except FileNotFoundError:  # aborted twice, or after it got its name
        return
