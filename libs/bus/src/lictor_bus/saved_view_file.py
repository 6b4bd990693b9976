"""Keeps a view on disk and reads it back: the driver of `saved_view`.

The file is written beside the old one, synced, and takes its name; so there is always a whole one. Writing goes on in
the loop's pauses, from a cut of the view. Of several processes that share a file, the one that locks it saves. Who
reads a file back decides whether it may still be used: see `SavedHeader.true_at`.
"""

import asyncio
import fcntl
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from lictor_bus import saved_view
from lictor_bus.saved_view import SAVED_BYTES_MAX, SavedHeader, SavedView, SavedViewError
from lictor_bus.view import View
from lictor_state.rows import Table
from lictor_state.snapshot import Narrow, dump_stream_slices
from lictor_state.streams import Stream

SAVE_EVERY_S: Final = 30.0
"""How much younger than its process a saved view can be at the worst; a view that has not changed costs a look."""

REST: Final = 50
"""A large view that changes all the time is saved in at most a fiftieth of the time."""

TRUE_EVERY_S: Final = 300.0
"""A view that has not changed is saved anyway now and then, for the file says how long ago it was true."""

log = structlog.get_logger()


async def load(
    path: Path, stream: Stream, wanted: Iterable[Table] = Table, narrow: Narrow | None = None
) -> SavedView | None:
    """The view that is saved there, or None: there is none, or a log line says why it cannot be used."""
    try:
        found = await asyncio.to_thread(_read, path, stream, tuple(wanted), narrow)
    except FileNotFoundError:
        return None
    except (OSError, SavedViewError) as error:
        log.warning("saved view ignored", path=str(path), reason=str(error))
        return None
    header = found.header
    log.info("saved view read", path=str(path), cluster=header.cluster, index=header.index, true_at=header.true_at)
    return found


class ViewSaver:
    """Saves one view at intervals; `run` is a task of the process, `close` its stop hook."""

    def __init__(self, view: View, path: Path, clock: Callable[[], float]) -> None:
        """Save `view` at `path`, which is the saver's alone; `clock` tells seconds since 1970."""
        self._view, self._path, self._clock = view, path, clock
        self._changed = True
        self._lock: int | None = None
        self._saved_at = float("-inf")
        self.saved_true_at = 0.0
        self._saving = asyncio.Lock()
        self.saves = self.failures = 0
        view.on_load(self._note_change)
        view.on_reset(self._note_change)

    def _note_change(self, *_what: object) -> None:
        self._changed = True

    async def run(self) -> None:
        """Save for ever, once the view is complete."""
        await self._view.ready.wait()
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self.save()
            await asyncio.sleep(max(SAVE_EVERY_S, (loop.time() - began) * REST))

    async def close(self) -> None:
        """Save for the last time, and leave the file to another."""
        if self._view.ready.is_set():
            await self.save()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def save(self) -> None:
        """Save what is held now, unless that is what the file holds; a failure is logged, and tried again next time."""
        async with self._saving:
            store, now = self._view.store, self._clock()
            if (not self._changed and now - self._saved_at < TRUE_EVERY_S) or not self._is_ours():
                return
            self._changed = False
            true_at = now - self._view.last_contact_s()
            header = SavedHeader(self._view.stream, store.meta.cluster_id, store.epoch, store.index, true_at)
            try:
                await self._write(saved_view.encode(header, dump_stream_slices(store, self._view.stream)))
            except (OSError, SavedViewError) as error:
                self.failures += 1
                self._changed = True
                log.warning("view not saved", path=str(self._path), reason=str(error))
                return
            self.saves += 1
            self._saved_at, self.saved_true_at = now, true_at

    def _is_ours(self) -> bool:
        """Whether this process saves, of all that share the file; the lock ends with the process that holds it."""
        if self._lock is not None:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(
                self._path.with_name(self._path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        except OSError:
            return True  # the write will meet the same error, and tell it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    async def _write(self, pieces: Iterator[bytes]) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            file = await asyncio.to_thread(fresh.open, "wb")
            with file:
                for piece in pieces:
                    file.write(piece)  # into the page cache; what waits for the disk is the sync
                    await asyncio.sleep(0)
                await asyncio.to_thread(_sync, file)
            await asyncio.to_thread(_rename, fresh, self._path)
        finally:
            fresh.unlink(missing_ok=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rename(fresh: Path, path: Path) -> None:
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path, stream: Stream, wanted: tuple[Table, ...], narrow: Narrow | None) -> SavedView:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > SAVED_BYTES_MAX:
            raise SavedViewError(f"it has {size} bytes, at most {SAVED_BYTES_MAX} are read")
        if not size:
            raise SavedViewError("it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # never shortened: a new one takes its name
            return saved_view.decode(data, stream, wanted, narrow)
