"""The state in a snapshot's file: parts of a dump, each behind its length; written and read in small steps."""

import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from lictor_raft_store.disk import StorageError
from lictor_raft_store.pacing import Pace, spared_collector
from lictor_raft_store.snapshot_store import SnapshotMeta, SnapshotStore, SnapshotWriter
from lictor_state import CodecError, Store, StreamRestore
from lictor_state.snapshot import PART_BYTES_MAX

FEED_BYTES = 16 * 1024
"""What is decoded at once: some hundred rows, two milliseconds."""

WRITE_SLICE_S, WRITE_REST_S = 0.002, 0.004
"""A member that takes a snapshot is serving: a third of its time, in short slices, so that a commit, which comes back
to the loop half a dozen times, is a few milliseconds later."""

LOAD_SLICE_S, LOAD_REST_S = 0.005, 0.001
"""A member that loads one has nothing else to do but to answer heartbeats."""

_LENGTH = struct.Struct("<I")


def framed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts of a dump, each behind its length; empty ones (steps that filled none) stay empty."""
    for part in parts:
        yield _LENGTH.pack(len(part)) + part if part else b""


class Unframer:
    """Cuts the parts of a dump out of chunks cut anywhere."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The parts that are whole now."""
        buffer = self._buffer
        buffer += chunk
        while len(buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer)
            if length > PART_BYTES_MAX:
                raise StorageError(f"snapshot: a part of {length} bytes, at most {PART_BYTES_MAX}")
            if len(buffer) < _LENGTH.size + length:
                break
            yield bytes(buffer[_LENGTH.size : _LENGTH.size + length])
            del buffer[: _LENGTH.size + length]

    def end(self) -> None:
        """Everything was fed. Raises StorageError when a part is cut."""
        if self._buffer:
            raise StorageError("snapshot: the last part is cut")


async def write_paced(
    steps: Iterable[bytes],
    writer: SnapshotWriter,
    offload: Callable[..., Awaitable[Any]],
    clock: Callable[[], float],
) -> SnapshotMeta:
    """Encode on the loop and write in threads. Raises DiskFull, StorageFailed: then `abort`."""
    pace = Pace(clock, WRITE_SLICE_S, WRITE_REST_S)
    for part in framed(steps):
        if part:
            await offload(writer.write, part)
        await pace.breathe()
    meta: SnapshotMeta = await offload(writer.finish)
    return meta


def load(snapshots: SnapshotStore, meta: SnapshotMeta) -> Store:
    """The state in a snapshot, at once: for a start, when there is no loop to hold up. Raises StorageError."""
    unframer, restoring = Unframer(), StreamRestore()
    with spared_collector():
        try:
            for chunk in snapshots.chunks(meta):
                for part in unframer.feed(chunk):
                    restoring.feed(part)
            unframer.end()
            return restoring.finish()
        except CodecError as error:
            raise StorageError(f"snapshot {meta.index}: {error}") from error


async def load_paced(
    snapshots: SnapshotStore,
    meta: SnapshotMeta,
    offload: Callable[..., Awaitable[Any]],
    clock: Callable[[], float],
) -> Store:
    """The state in a snapshot whose digest was verified when it was received, in slices. Raises StorageError."""
    pace = Pace(clock, LOAD_SLICE_S, LOAD_REST_S)
    unframer, restoring = Unframer(), StreamRestore()
    with spared_collector():
        try:
            for number in range(meta.chunks):
                chunk = await offload(snapshots.read_chunk, meta, number)
                for part in unframer.feed(chunk):
                    for at in range(0, len(part), FEED_BYTES):  # the header is a part of its own, and a short one
                        restoring.feed(part[at : at + FEED_BYTES])
                        await pace.breathe()
            unframer.end()
            return restoring.finish()
        except (CodecError, FileNotFoundError) as error:
            raise StorageError(f"snapshot {meta.index}: {error}") from error
