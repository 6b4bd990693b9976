"""Numbered slots on one volume: which member a process is, for as long as it lives.

Scaling a role up and down must not need a name for each process. So the volume has slots, `slot-1`, `slot-2`, …; a
process takes the first one whose lock file it can `flock`, and keeps the lock until it ends, however it ends: the
kernel lets go.

    slot-<n>/lock            flocked for life; never removed, so all processes lock the same file
    slot-<n>/data/           everything else, so that a removed member moves aside with one rename
        member-id            63-bit random number, made once; addresses are not identity
        promise, cluster     the founding promise and the cluster that the member belongs to, each written once
        wal/, snapshots/     kept by their own modules

Each small file is one record with a CRC; a damaged one stops the start, because a member that guesses its promise could
found a second cluster. Locks are of one machine: a network file system must honour flock across its clients.
"""

import fcntl
import os
from collections.abc import Callable
from functools import partial

from lictor_raft_store.disk import Disk, StorageError, StorageFailed, replace_file
from lictor_raft_store.record import BadRecord, RecordKind, decode, encode

SLOTS_MAX = 99  # a volume never has more members than that; it bounds the search
MEMBER_ID_BITS = 63
GIVEN_UP_MAX = 100  # they travel in each founding hello; a member that gives up more often has another trouble
SMALL_FILE_BYTES_MAX = 64 * 1024  # promise and cluster name a handful of members
_ASIDE = "removed-"
_ID_FILE = "member-id"
_PROMISE_FILE = "promise"
_CLUSTER_FILE = "cluster"

Unlock = Callable[[], None]
"""Lets go of a lock."""


class NoFreeSlot(StorageError):  # noqa: N818  # the name is the finding
    """All slots of the volume are taken by living processes."""


class DamagedSlot(StorageError):  # noqa: N818  # the name is the finding
    """A slot's identity or promise cannot be read."""


class PromiseExists(ValueError):  # noqa: N818  # the name is the finding
    """The slot already holds another promise or cluster; each is written once."""


def _nothing() -> None:
    """A slot that was let go has nothing to unlock."""


def flock(path: str) -> Unlock | None:
    """Lock the file at `path` for as long as this process lives; None when another process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageFailed(f"open {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise StorageFailed(f"lock {path}: {error.strerror}") from error
    return partial(os.close, descriptor)


class Slot:
    """A slot that this process holds. Made by `claim_slot`; `release` (or the end of the process) lets it go."""

    def __init__(self, disk: Disk, folder: str, number: int, unlock: Unlock, dice: Callable[[int], int]) -> None:
        self._disk = disk
        self._unlock = unlock
        self._dice = dice
        self.number = number
        self.folder = folder
        self.member_id = self._own_id()

    @property
    def data_folder(self) -> str:
        """Where this member's files are."""
        return f"{self.folder}/data"

    @property
    def wal_folder(self) -> str:
        """Where its log is."""
        return f"{self.data_folder}/wal"

    @property
    def snapshot_folder(self) -> str:
        """Where its snapshots are."""
        return f"{self.data_folder}/snapshots"

    def promise(self) -> bytes | None:
        """The founding promise, or None. Raises DamagedSlot."""
        return self._read(_PROMISE_FILE)

    def write_promise(self, promise: bytes) -> None:
        """Write the only founding promise durably, before it is told to anyone.

        Repeating the same promise has no effect. Raises PromiseExists for another one, DiskFull, StorageFailed.
        """
        self._write_once(_PROMISE_FILE, promise)

    def cluster(self) -> bytes | None:
        """The cluster that this member belongs to, or None. Raises DamagedSlot."""
        return self._read(_CLUSTER_FILE)

    def write_cluster(self, cluster: bytes) -> None:
        """Write durably which cluster this member belongs to; as `write_promise`."""
        self._write_once(_CLUSTER_FILE, cluster)

    def set_aside(self) -> int:
        """Begin a new life: rename the data aside and make a new member id, which is returned.

        For a member that was removed from its cluster, or whose founding promise is void. The log and snapshots must be
        closed. A crash in the middle leaves a slot without data, which is a new member as well. Raises StorageFailed.
        """
        self._disk.rename(self.data_folder, f"{self.folder}/{_ASIDE}{self.member_id}")
        self._disk.fsync_dir(self.folder)
        self.member_id = self._own_id()
        return self.member_id

    def given_up(self) -> tuple[int, ...]:
        """Earlier ids of this slot whose founding promise came to nothing: set aside, and never in a cluster."""
        ids = []
        for name in self._disk.listdir(self.folder):
            if name.startswith(_ASIDE) and name.removeprefix(_ASIDE).isdecimal():
                files = self._disk.listdir(f"{self.folder}/{name}")
                if _PROMISE_FILE in files and _CLUSTER_FILE not in files:
                    ids.append(int(name.removeprefix(_ASIDE)))
        return tuple(sorted(ids)[:GIVEN_UP_MAX])

    def release(self) -> None:
        """Let another process take the slot."""
        unlock, self._unlock = self._unlock, _nothing
        unlock()

    def _own_id(self) -> int:
        self._disk.make_folder(self.data_folder)
        self._disk.fsync_dir(self.data_folder)  # a file named just before its writer was killed may not be durable yet
        stored = self._read(_ID_FILE)
        if stored is None:
            fresh = 0
            while fresh == 0:  # zero means "no member" in Raft; one draw in 2**63 needs a second
                fresh = self._dice(MEMBER_ID_BITS)
            if not 0 < fresh < 2**MEMBER_ID_BITS:
                raise ValueError(f"member id {fresh}: the dice must give {MEMBER_ID_BITS} bits")
            stored = fresh.to_bytes(8, "big")
            self._write_once(_ID_FILE, stored)
        number = int.from_bytes(stored, "big")
        if len(stored) != 8 or not 0 < number < 2**MEMBER_ID_BITS:
            raise DamagedSlot(f"{self.data_folder}/{_ID_FILE}: not a {MEMBER_ID_BITS}-bit number above zero")
        return number

    def _read(self, name: str) -> bytes | None:
        path = f"{self.data_folder}/{name}"
        try:
            data = self._disk.read(path)
        except FileNotFoundError:
            return None
        try:
            return decode(data, 0, len(data)).payload
        except BadRecord as error:
            raise DamagedSlot(
                f"{path}: {error}. Move {self.data_folder} aside and start again; the member joins as a new learner."
            ) from error

    def _write_once(self, name: str, payload: bytes) -> None:
        if len(payload) > SMALL_FILE_BYTES_MAX:
            raise ValueError(f"{name} of {len(payload)} bytes: at most {SMALL_FILE_BYTES_MAX}")
        existing = self._read(name)
        if existing is not None:
            if existing != payload:
                raise PromiseExists(f"{self.data_folder}/{name}: already written, with another content")
            return
        replace_file(self._disk, self.data_folder, name, encode(RecordKind.SLOT_FILE, payload))


def claim_slot(
    disk: Disk,
    volume: str,
    dice: Callable[[int], int],
    *,
    slots: int = SLOTS_MAX,
    try_lock: Callable[[str], Unlock | None] = flock,
) -> Slot:
    """Take the first free slot below the folder `volume`, making it when needed.

    `dice(bits)` gives a random number of that many bits (`random.SystemRandom().getrandbits`); `slots` bounds the
    search; `try_lock` takes the lock of a path, or says None when another process holds it (a disk in memory has locks
    of its own). Raises NoFreeSlot, DamagedSlot, StorageFailed, DiskFull.
    """
    for number in range(1, slots + 1):
        folder = f"{volume}/slot-{number}"
        disk.make_folder(folder)
        unlock = try_lock(f"{folder}/lock")
        if unlock is None:
            continue
        try:
            return Slot(disk, folder, number, unlock, dice)
        except BaseException:
            unlock()
            raise
    raise NoFreeSlot(f"{volume}: all {slots} slots are taken by living processes")
