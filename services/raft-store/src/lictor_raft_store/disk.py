"""The few file operations that durable storage needs, as a Protocol, and the real disk behind it.

Everything durable in this service (log, snapshots, slots) goes through `Disk`, so that a crash can be played through
at every single call. Three promises are assumed of the machine: a returned sync is on the medium, bytes that are not
being written keep their value, and a name is durable once its folder is synced. Nothing else is: unsynced writes may
survive whole, in part (by 512-byte sectors, in any combination) or not at all.

Errors are sorted by remedy: `DiskFull` (make room) and `StorageFailed` (find out why, or replace the medium). After
either, what has reached the medium is unknown, and no sync may be tried again: the kernel may have marked the lost page
clean, so a second sync would claim what is not true. A new file that cannot be allocated is another matter: nothing in
it counts yet, so it may be removed and tried again (`wal.NoRoom`). What to do then is decided elsewhere.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

SECTOR_BYTES = 512  # the smallest unit that any disk in use promises to write whole


class StorageError(Exception):
    """What durable storage could not do; the process that owns the data must stop using it."""


class StorageFailed(StorageError):  # noqa: N818  # the name is the finding
    """A write, a sync or a read failed; what has reached the medium is unknown. Never retried."""


class DiskFull(StorageError):  # noqa: N818  # the name says the remedy; it is still an error class
    """No room, or no quota, for what had to be written."""


class File(Protocol):
    """One open file, addressed by offset; no position of its own."""

    def pwrite(self, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset` (bytes). Raises DiskFull or StorageFailed; then any part may be written."""

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file."""

    def fdatasync(self) -> None:
        """Make all that was written durable, with the file's length. Raises StorageFailed; must not be retried."""

    def pwrite_durably(self, data: bytes, offset: int) -> None:
        """`pwrite` and `fdatasync` of these bytes alone, in one call; raises as both. Other bytes are not synced."""

    def fallocate(self, length: int) -> None:
        """Reserve room for `length` bytes from the start, reading as zeros. Raises DiskFull."""

    def size(self) -> int:
        """The length in bytes."""

    def close(self) -> None:
        """Let go of the file; syncs nothing."""


class Disk(Protocol):
    """A folder tree with explicit durability. Paths are plain strings with `/`."""

    def open(self, path: str, *, create: bool) -> File:
        """Open for reading and writing; `create` makes it, or empties it when it exists. Raises FileNotFoundError."""

    def make_folder(self, path: str) -> None:
        """Make the folder and its parents, and make them durable; it may exist."""

    def listdir(self, path: str) -> list[str]:
        """The names in the folder, sorted; empty when there is no such folder."""

    def read(self, path: str) -> bytes:
        """The whole file. Raises FileNotFoundError."""

    def rename(self, old: str, new: str) -> None:
        """Give a file or folder a new name, replacing a file of that name; durable after `fsync_dir`."""

    def unlink(self, path: str) -> None:
        """Remove a file; durable after `fsync_dir`. Raises FileNotFoundError."""

    def fsync_dir(self, path: str) -> None:
        """Make the names in the folder durable."""


@contextmanager
def _sorted_by_remedy(what: str, path: str) -> Iterator[None]:
    """Turn the system's errors into ours; a missing file stays FileNotFoundError, because callers expect it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _by_remedy(error, what, path) from error


def _by_remedy(error: OSError, what: str, path: str) -> StorageError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"{what} {path}: no room left on the device ({error.strerror})")
    return StorageFailed(f"{what} {path}: {error.strerror or error}")


class RealFile:
    """A file of the operating system."""

    __slots__ = ("_fd", "_path")

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path

    def pwrite(self, data: bytes, offset: int) -> None:
        """As `File.pwrite`; a short write is continued, which is not a retry: nothing had failed."""
        with _sorted_by_remedy("write", self._path):
            self._continue(data, offset, os.pwrite(self._fd, data, offset))

    def _continue(self, data: bytes, offset: int, done: int) -> None:
        while done < len(data):
            step = os.pwrite(self._fd, memoryview(data)[done:], offset + done)
            if step == 0:
                raise StorageFailed(f"write {self._path}: the system took no more bytes at {offset + done}")
            done += step

    def read(self, offset: int, length: int) -> bytes:
        """As `File.read`."""
        with _sorted_by_remedy("read", self._path):
            parts: list[bytes] = []
            while length > 0 and (part := os.pread(self._fd, length, offset)):
                parts.append(part)
                offset += len(part)
                length -= len(part)
            return b"".join(parts)

    def fdatasync(self) -> None:
        """As `File.fdatasync`; releases the interpreter while the disk works."""
        with _sorted_by_remedy("sync", self._path):
            os.fdatasync(self._fd)

    def pwrite_durably(self, data: bytes, offset: int) -> None:
        """As `File.pwrite_durably`: one system call less, and one turn less in which to wait for the interpreter."""
        try:  # with every round: entering and leaving `_sorted_by_remedy` alone takes 1.4 us
            done = os.pwritev(self._fd, (data,), offset, os.RWF_DSYNC)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:  # said before anything is written, by file systems without it
                raise _by_remedy(error, "write", self._path) from error
            done = 0
        if done == len(data):
            return
        with _sorted_by_remedy("write", self._path):
            self._continue(data, offset, done)
            os.fdatasync(self._fd)

    def fallocate(self, length: int) -> None:
        """As `File.fallocate`."""
        with _sorted_by_remedy("allocate", self._path):
            os.posix_fallocate(self._fd, 0, length)

    def size(self) -> int:
        """As `File.size`."""
        with _sorted_by_remedy("stat", self._path):
            return os.fstat(self._fd).st_size

    def close(self) -> None:
        """As `File.close`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        """Nobody holds the file any more: who opened it in a thread was cancelled meanwhile, for one."""
        self.close()


class RealDisk:
    """The disk of this machine."""

    def open(self, path: str, *, create: bool) -> RealFile:
        """As `Disk.open`."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_TRUNC if create else 0)
        with _sorted_by_remedy("open", path):
            return RealFile(os.open(path, flags, 0o600), path)

    def make_folder(self, path: str) -> None:
        """As `Disk.make_folder`; synced into its parent even when it exists: its maker may have been killed before."""
        with _sorted_by_remedy("make folder", path):
            missing: list[str] = []
            here = os.path.abspath(path)
            while not os.path.isdir(here):
                missing.append(here)
                here = os.path.dirname(here)
            for folder in reversed(missing or [here]):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                self.fsync_dir(os.path.dirname(folder))

    def listdir(self, path: str) -> list[str]:
        """As `Disk.listdir`."""
        try:
            with _sorted_by_remedy("list", path):
                return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def read(self, path: str) -> bytes:
        """As `Disk.read`."""
        with _sorted_by_remedy("read", path), open(path, "rb") as file:
            return file.read()

    def rename(self, old: str, new: str) -> None:
        """As `Disk.rename`."""
        with _sorted_by_remedy("rename", old):
            os.rename(old, new)

    def unlink(self, path: str) -> None:
        """As `Disk.unlink`."""
        with _sorted_by_remedy("unlink", path):
            os.unlink(path)

    def fsync_dir(self, path: str) -> None:
        """As `Disk.fsync_dir`."""
        with _sorted_by_remedy("sync folder", path):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def replace_file(disk: Disk, folder: str, name: str, data: bytes) -> None:
    """Put `data` at `folder/name`: a crash leaves the old file or the new one; the new one once this returns."""
    temporary = f"{folder}/{name}.tmp"
    file = disk.open(temporary, create=True)
    try:
        file.pwrite(data, 0)
        file.fdatasync()
    finally:
        file.close()
    disk.rename(temporary, f"{folder}/{name}")
    disk.fsync_dir(folder)
