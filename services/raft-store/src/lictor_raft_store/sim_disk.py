"""A disk in memory that can lose power: the working fake of `disk.Disk`, for tests and for the whole-cluster simulator.

It keeps what programs see (volatile) apart from what a power cut leaves (durable), file contents and names alike.
After `crash`, each unsynced file is one of: as last synced; with a prefix of its writes, the last of them cut at a
sector; with every touched sector at any of the versions that it went through since the last sync. Of the unsynced
changes of names a prefix survives, or any selection. Dice are passed in, so a seed replays a crash.

Faults are set by operation number (`operations` counts): power lost in the middle, or any error raised instead of the
work.
It does not model permissions, links, or reads that fail.
"""

from typing import Protocol, Self

from lictor_raft_store.disk import SECTOR_BYTES, DiskFull


class PowerLost(Exception):  # noqa: N818  # an event of the simulation, not an error of the code under test
    """The machine is off; only `SimDisk.crash` makes sense now."""


class Dice(Protocol):
    """The part of `random.Random` that a crash needs."""

    def randint(self, a: int, b: int) -> int:
        """A whole number from `a` to `b`, both included."""


class _Inode:
    def __init__(self, durable: bytes = b"") -> None:
        self.durable = bytearray(durable)
        self.volatile = bytearray(durable)
        self.pending: list[tuple[int, bytes]] = []  # (offset, data); (length, b"") for an allocation

    def extend(self, length: int) -> None:
        if len(self.volatile) < length:
            self.volatile.extend(bytes(length - len(self.volatile)))

    def sync(self) -> None:
        """What is written becomes durable; only the writes are copied, so that long files cost no more."""
        for offset, data in self.pending:
            _write(self.durable, offset, data)
        self.pending.clear()


_NameStep = list[tuple[str, _Inode | None]]  # what one create, unlink (None) or rename (both names) does, as one


class SimFile:
    """An open file of a SimDisk."""

    def __init__(self, disk: "SimDisk", inode: _Inode) -> None:
        self._disk = disk
        self._inode = inode

    def pwrite(self, data: bytes, offset: int) -> None:
        """As `File.pwrite`; when the power goes now, the write is in flight and may be torn."""
        self._disk.require_room(self._inode, offset + len(data))
        try:
            self._disk.step()
        except PowerLost:
            self._inode.pending.append((offset, bytes(data)))
            raise
        self._inode.extend(offset + len(data))
        self._inode.volatile[offset : offset + len(data)] = data
        self._inode.pending.append((offset, bytes(data)))

    def read(self, offset: int, length: int) -> bytes:
        """As `File.read`."""
        return bytes(self._inode.volatile[offset : offset + length])

    def fdatasync(self) -> None:
        """As `File.fdatasync`."""
        self._disk.step()
        self._inode.sync()

    def pwrite_durably(self, data: bytes, offset: int) -> None:
        """As `File.pwrite_durably`; the power may go between the write and its sync."""
        self.pwrite(data, offset)
        self.fdatasync()

    def fallocate(self, length: int) -> None:
        """As `File.fallocate`."""
        self._disk.require_room(self._inode, length)
        self._disk.step()
        self._inode.extend(length)
        self._inode.pending.append((length, b""))

    def size(self) -> int:
        """As `File.size`."""
        return len(self._inode.volatile)

    def close(self) -> None:
        """As `File.close`."""


class SimDisk:
    """Files and names in memory, with a durable and a volatile image. `capacity_bytes` makes it run full."""

    def __init__(self, capacity_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self.operations = 0
        self.power_off_at: int | None = None
        self.fail_at: dict[int, Exception] = {}
        self._names: dict[str, _Inode] = {}
        self._durable_names: dict[str, _Inode] = {}
        self._pending_names: list[_NameStep] = []

    def open(self, path: str, *, create: bool) -> SimFile:
        """As `Disk.open`."""
        if create:
            self.step()
            inode = _Inode()
            self._names[path] = inode
            self._pending_names.append([(path, inode)])
        return SimFile(self, self._inode(path))

    def make_folder(self, path: str) -> None:
        """Folders are only prefixes here, and always durable."""

    def listdir(self, path: str) -> list[str]:
        """As `Disk.listdir`: names of files and of folders right below `path`."""
        prefix = f"{path}/"
        return sorted({name[len(prefix) :].split("/")[0] for name in self._names if name.startswith(prefix)})

    def read(self, path: str) -> bytes:
        """As `Disk.read`."""
        return bytes(self._inode(path).volatile)

    def rename(self, old: str, new: str) -> None:
        """As `Disk.rename`; a folder takes its files along."""
        self.step()
        moved = [name for name in self._names if name == old or name.startswith(f"{old}/")]
        if not moved:
            raise FileNotFoundError(old)
        step: _NameStep = []
        for name in moved:
            inode = self._names.pop(name)
            self._names[new + name[len(old) :]] = inode
            step += [(name, None), (new + name[len(old) :], inode)]
        self._pending_names.append(step)

    def unlink(self, path: str) -> None:
        """As `Disk.unlink`."""
        self.step()
        self._inode(path)
        del self._names[path]
        self._pending_names.append([(path, None)])

    def fsync_dir(self, path: str) -> None:
        """As `Disk.fsync_dir`; takes the names below subfolders along."""
        self.step()
        later: list[_NameStep] = []
        for step in self._pending_names:
            if step[0][0].startswith(f"{path}/"):
                for name, inode in step:
                    _set_name(self._durable_names, name, inode)
            else:
                later.append(step)
        self._pending_names = later

    def crash(self, dice: Dice) -> Self:
        """The disk as it may be found after a power cut now."""
        names = dict(self._durable_names)
        for step in self._surviving_steps(dice):
            for name, inode in step:
                _set_name(names, name, inode)
        after = type(self)(self.capacity_bytes)
        contents = {id(inode): _Inode(_survivor(inode, dice)) for inode in names.values()}
        after.hold({name: contents[id(inode)] for name, inode in names.items()})
        return after

    def copy(self) -> Self:
        """The same files, all durable: a clean restart without a power cut."""
        after = type(self)(self.capacity_bytes)
        after.hold({name: _Inode(bytes(inode.volatile)) for name, inode in self._names.items()})
        return after

    def hold(self, names: dict[str, _Inode]) -> None:
        """Hold these files and no others, all of them durable."""
        self._names, self._durable_names = names, dict(names)

    def _surviving_steps(self, dice: Dice) -> "list[_NameStep]":
        """Either a prefix, as a journal keeps it, or any of them, as the standard allows."""
        if dice.randint(0, 1):
            return self._pending_names[: dice.randint(0, len(self._pending_names))]
        return [step for step in self._pending_names if dice.randint(0, 1)]

    def flip(self, path: str, bit: int) -> None:
        """Flip one bit of a file, on the medium and in memory: decay, not a write."""
        inode = self._inode(path)
        inode.volatile[bit // 8] ^= 1 << (bit % 8)
        inode.durable = bytearray(inode.volatile)

    def _inode(self, path: str) -> _Inode:
        try:
            return self._names[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def step(self) -> None:
        """Count one operation, and play the fault set for it."""
        self.operations += 1
        if self.power_off_at is not None and self.operations >= self.power_off_at:
            raise PowerLost(f"at operation {self.operations}")
        if self.operations in self.fail_at:
            raise self.fail_at[self.operations]

    def require_room(self, inode: _Inode, length: int) -> None:
        """Raise DiskFull when `inode` cannot grow to `length` bytes; what it has it keeps, however full the disk is."""
        if self.capacity_bytes is None or length <= len(inode.volatile):
            return
        used = sum(len(other.volatile) for other in self._names.values() if other is not inode)
        if used + length > self.capacity_bytes:
            raise DiskFull(f"simulated disk of {self.capacity_bytes} bytes: no room left")


def _set_name(names: dict[str, _Inode], name: str, inode: _Inode | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


def _survivor(inode: _Inode, dice: Dice) -> bytes:
    """What a power cut leaves of one file."""
    if not inode.pending:
        return bytes(inode.durable)
    mode = dice.randint(0, 3)
    if mode == 0:
        return bytes(inode.durable)
    if mode == 1:
        return _apply(inode.durable, inode.pending)
    if mode == 2:
        whole = dice.randint(0, len(inode.pending) - 1)
        offset, data = inode.pending[whole]
        sectors = dice.randint(0, len(data) // SECTOR_BYTES + 1)
        cut = max(0, (offset // SECTOR_BYTES + sectors) * SECTOR_BYTES - offset)
        torn = [(offset, data[:cut])] if data and cut else []
        return _apply(inode.durable, inode.pending[:whole] + torn)
    return _any_sectors(inode, dice)


def _write(image: bytearray, offset: int, data: bytes) -> None:
    if len(image) < offset + len(data):
        image.extend(bytes(offset + len(data) - len(image)))
    image[offset : offset + len(data)] = data


def _apply(base: bytearray, writes: list[tuple[int, bytes]]) -> bytes:
    image = bytearray(base)
    for offset, data in writes:
        _write(image, offset, data)
    return bytes(image)


def _any_sectors(inode: _Inode, dice: Dice) -> bytes:
    versions = [_apply(inode.durable, inode.pending[:count]) for count in range(len(inode.pending) + 1)]
    length = len(versions[dice.randint(0, len(versions) - 1)])
    image = bytearray(length)
    for at in range(0, length, SECTOR_BYTES):
        sector = versions[dice.randint(0, len(versions) - 1)][at : at + SECTOR_BYTES][: length - at]
        image[at : at + len(sector)] = sector
    return bytes(image)
