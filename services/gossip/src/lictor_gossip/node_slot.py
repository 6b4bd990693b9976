"""Who this gossip is: a slot of its data directory, held for life, with a node id made once (design §6).

Addresses are not identity: a node that moves keeps its id with its volume. The lock is the kernel's (`flock`), so it
ends with the process however that ends.
"""

import fcntl
import os
import uuid
from pathlib import Path
from typing import NamedTuple


class NodeSlot(NamedTuple):
    """A slot that this process holds."""

    number: int
    node: str
    node_id: str
    lock: int
    folder: Path


class NoFreeSlotError(Exception):
    """Every slot is held by a living process."""


def claim(data_dir: Path, slots: int, node: str) -> NodeSlot:
    """Take the first free slot.

    Args:
        data_dir: the volume.
        slots: how many slots there are.
        node: the name of the first slot's node; the others are called `node-<slot>`.

    Raises:
        NoFreeSlotError: all are held.
    """
    for number in range(1, slots + 1):
        folder = data_dir / f"slot-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return NodeSlot(number, node if number == 1 else f"node-{number}", _node_id(folder), lock, folder)
    raise NoFreeSlotError(f"all {slots} slots of {data_dir} are held by other gossips: raise LICTOR_GOSSIP_SLOTS")


def _node_id(folder: Path) -> str:
    """The id in the slot, made and synced the first time."""
    path = folder / "node-id"
    if path.exists():
        return str(uuid.UUID(path.read_text().strip()))
    fresh = str(uuid.uuid4())
    temporary = folder / "node-id.tmp"
    with temporary.open("w") as file:
        file.write(fresh)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return fresh
