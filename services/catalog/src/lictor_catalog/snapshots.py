"""Saving the whole state to an archive, and restoring one through the log (`/v1/snapshot`; design rule 3.11).

Saving dumps this process's own view, which holds every row. A restore is checked from its first byte to its last
before anything is proposed; then its bytes go to the store in chunks, each a log entry. Both spool to an unnamed
temporary file: in memory there is never more than a piece. Files are read and written in threads.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import IO

import structlog

from lictor_catalog.errors import ApiError
from lictor_catalog.writes import Writes
from lictor_state import CodecError, Store
from lictor_state.archive import Contents, inspect
from lictor_state.archive_file import ArchiveError, about, dump_parts, state_file, write
from lictor_state.commands import RestoreAbort, RestoreBegin, RestoreChunk, RestoreCommit
from lictor_state.snapshot import dump_stream_slices
from lictor_state.staging import CHUNK_BYTES_MAX, STAGED_BYTES_MAX, RestoreDigest

PIECE_BYTES = 256 * 1024
ARCHIVE_BYTES_MAX = STAGED_BYTES_MAX
"""Of an uploaded archive; compressed it is smaller than the state, which is bounded alike."""

SEEN_S = 10.0
"""How long a restore's answer waits for the own view, which resumes whole: a later read sees the new state anyway."""

log = structlog.get_logger()


class Snapshots:
    """Saves and restores; one state is dumped at a time, and one restored."""

    def __init__(self, writes: Writes, new_id: Callable[[], str]) -> None:
        self._writes = writes
        self._new_id = new_id
        self._saving = asyncio.Lock()
        self._restoring = asyncio.Lock()

    async def save(self, store: Store) -> AsyncIterator[bytes]:
        """The archive of a store as it is now, in pieces; raises `ApiError` 500 when there is no space to spool it."""
        slices = dump_stream_slices(store, "all")  # the cut is taken here
        try:
            async with self._saving:
                file = await _spool()
                header = await _dump(slices, file)
        except OSError as error:
            raise ApiError(500, f"the snapshot could not be spooled: {error}") from error
        return _archive(file, header)

    async def restore(self, body: AsyncIterator[bytes]) -> None:
        """Replace the state by an uploaded archive's.

        Raises:
            ApiError: 400, the archive is not sound or not ours; 413, it is too large; 500, the store could not take it.
        """
        if self._restoring.locked():
            raise ApiError(429, "a restore is under way through this process already")
        async with self._restoring:
            try:
                with await _spool() as file:
                    await _receive(body, file)
                    contents = await asyncio.to_thread(_verified, file)
                    await self._propose(file, contents)
            except (ArchiveError, CodecError) as error:
                raise ApiError(400, f"snapshot refused: {error}") from None
            except OSError as error:
                raise ApiError(500, f"the snapshot could not be spooled: {error}") from error

    async def _propose(self, file: IO[bytes], contents: Contents) -> None:
        """Send an archive that is known to be sound to the store."""
        restore_id = self._new_id()
        log.warning("restoring a snapshot", index=contents.index, bytes=contents.bytes, restore=restore_id)
        file.seek(0)
        parts = dump_parts(_pieces(file))
        header = await asyncio.to_thread(next, parts)
        chunks = _chunks(parts)
        digest = RestoreDigest(header)
        number = 0
        try:
            await self._writes.propose(RestoreBegin(restore_id, header), seen_s=0.0)
            while chunk := await asyncio.to_thread(next, chunks, b""):
                await self._writes.propose(RestoreChunk(restore_id, number, chunk), seen_s=0.0)
                digest.add(chunk)
                number += 1
            await self._writes.propose(RestoreCommit(restore_id, digest.hex()), seen_s=SEEN_S)
        except BaseException:  # a client that went away is one, too: what is staged costs every member its memory
            with suppress(ApiError):
                await self._writes.propose(RestoreAbort(restore_id), seen_s=0.0)
            raise
        log.warning("snapshot restored", index=contents.index, restore=restore_id)


async def _spool() -> IO[bytes]:
    return await asyncio.to_thread(tempfile.TemporaryFile)


async def _dump(slices: Iterator[bytes], file: IO[bytes]) -> bytes:
    """Write the bytes of `state.bin`; returns the dump's header."""
    header = next(slices)
    for piece in state_file([header]):
        await asyncio.to_thread(file.write, piece)
    for part in slices:
        if part:
            await asyncio.to_thread(file.write, part)
        else:
            await asyncio.sleep(0)
    return header


async def _archive(file: IO[bytes], header: bytes) -> AsyncIterator[bytes]:
    """The archive around a spooled `state.bin`, which is let go of at the end."""
    with file:
        size = file.tell()
        file.seek(0)
        pieces = write(about(header, size), _pieces(file))
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            if piece:
                yield piece


async def _receive(body: AsyncIterator[bytes], file: IO[bytes]) -> None:
    size = 0
    async for piece in body:
        size += len(piece)
        if size > ARCHIVE_BYTES_MAX:
            raise ApiError(413, f"the snapshot is larger than {ARCHIVE_BYTES_MAX} bytes", ((b"connection", b"close"),))
        await asyncio.to_thread(file.write, piece)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _verified(file: IO[bytes]) -> Contents:
    """What the archive holds, after all of it was read; raises `ArchiveError` and `CodecError`."""
    file.seek(0)
    return inspect(dump_parts(_pieces(file)))


def _chunks(parts: Iterator[bytes]) -> Iterator[bytes]:
    """What is behind the header, in chunks that one log entry may carry."""
    buffer = bytearray()
    for part in parts:
        buffer += part
        while len(buffer) >= CHUNK_BYTES_MAX:
            yield bytes(buffer[:CHUNK_BYTES_MAX])
            del buffer[:CHUNK_BYTES_MAX]
    if buffer:
        yield bytes(buffer)
