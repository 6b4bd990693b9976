"""The snapshot on disk: lines appended, compacted when they grow, and read at the start (`lictor_swim.serf.snapshot`).

A restart after the whole pool was down finds its members again from here. Lost lines cost nothing but a seed's help, so
appending does not wait for the disk; a file that is replaced is synced before. A last line that a crash tore is cut off
before anything is appended to it. A disk that takes nothing is told once, and the pool goes on.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from lictor_swim import Clocks, Remembered, Snapshot, replay

FLUSH_S = 0.5
"""How long news may wait before it is written, as in Serf."""

FILE_BYTES_MAX = 32 * 1024 * 1024
"""Far above what 16,384 members take between two compactions; more is not read, and a file that cannot be compacted is
not appended to beyond it."""

log = structlog.get_logger()


class SnapshotFile:
    """The file of one node; run `keep()` as one of the process's tasks.

    Args:
        say: told what is wrong with the disk, empty when nothing is.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.failures = 0
        self._path = path
        self._say = say
        self._told = False
        self._bytes = 0

    def load(self, *, rejoin_after_leave: bool = False) -> Remembered:
        """What the last run wrote down; nothing when the file is not there or not to be read."""
        try:
            with self._path.open("r+b") as file:
                data = file.read(FILE_BYTES_MAX)
                whole = data.rfind(b"\n") + 1
                file.truncate(whole)
        except FileNotFoundError:
            return Remembered()
        except OSError as error:
            self._failed("read", error)
            return Remembered()
        self._bytes = whole
        return replay(data[:whole], rejoin_after_leave=rejoin_after_leave)

    def snapshot(self, own_name: str, remembered: Remembered) -> Snapshot:
        """What observes the pool from now on; it counts on the file that was loaded."""
        return Snapshot(own_name, self._bytes, remembered)

    async def keep(self, snapshot: Snapshot, clocks: Callable[[], Clocks]) -> None:
        """Write down what is new, for as long as the process lives."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self._append(snapshot.drain(clocks()))
            if snapshot.wants_compaction or self._bytes >= FILE_BYTES_MAX:
                await asyncio.to_thread(self._replace, snapshot.compacted())

    def close(self, snapshot: Snapshot, clocks: Clocks) -> None:
        """Write down the rest, and wait for the disk."""
        self._append(snapshot.drain(clocks), sync=True)

    def _append(self, data: bytes, *, sync: bool = False) -> None:
        if not data or self._bytes + len(data) > FILE_BYTES_MAX:
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, data)
                if sync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._failed("written", error)
        else:
            self._bytes += len(data)
            self._well()

    def _replace(self, data: bytes) -> None:
        beside = self._path.with_name(self._path.name + ".compact")
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            self._failed("compacted", error)
        else:
            self._bytes = len(data)
            self._well()

    def _failed(self, what: str, error: OSError) -> None:
        self.failures += 1
        reason = f"{self._path} cannot be {what}: {error.strerror}"
        if not self._told:
            log.warning("snapshot of the pool not kept", reason=reason)
            self._told = True
        self._say(reason)

    def _well(self) -> None:
        self._told = False
        self._say("")
