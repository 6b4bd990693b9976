"""A disk that forgets what was not synced.

Writes are visible to their own process at once and durable after `sync`. A crash keeps a prefix of the unsynced writes,
chosen by the dice, each of them whole: that is what a log with checksummed batches recovers after a torn write. Bytes,
sectors and the recovery itself are the write-ahead log's own tests.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random

from lictor_raft import Entry, HardState, MemoryStorage, Snapshot

Write = Callable[[MemoryStorage], object]


class SimDisk:
    """The durable `image` of one member's log, and the `view` that its process has of it."""

    def __init__(self, image: MemoryStorage) -> None:
        self.image = image
        self.view = deepcopy(image)
        self._unsynced: list[Write] = []

    def write(self, write: Write) -> None:
        """Write, visible at once and not yet durable."""
        write(self.view)
        self._unsynced.append(write)

    def write_log(self, snapshot: Snapshot | None, entries: Sequence[Entry], hard_state: HardState | None) -> None:
        """Persist what a `Ready` or a `STORAGE_APPEND` asks for, as one write."""

        def write(storage: MemoryStorage) -> None:
            if snapshot is not None:
                storage.apply_snapshot(snapshot)
            storage.append(entries)
            if hard_state is not None:
                storage.set_hard_state(hard_state)

        if snapshot is not None or entries or hard_state is not None:
            self.write(write)

    def sync(self) -> None:
        """Make everything written durable."""
        for write in self._unsynced:
            write(self.image)
        self._unsynced.clear()

    def crash(self, rng: Random) -> None:
        """Lose unsynced writes, from a random one on."""
        for write in self._unsynced[: rng.randint(0, len(self._unsynced))]:
            write(self.image)
        self._unsynced.clear()
        self.view = deepcopy(self.image)
