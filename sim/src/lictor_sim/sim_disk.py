"""A disk that forgets what was not synced.

Writes are visible to their own process at once and durable after `sync`. A crash keeps a prefix of the unsynced writes,
chosen by the dice, each of them whole: that is what a log with checksummed batches recovers after a torn write. Bytes,
sectors and the recovery itself are the write-ahead log's own tests.
"""

from collections.abc import Callable
from copy import deepcopy
from random import Random

from lictor_raft import MemoryStorage, Ready

Write = Callable[[MemoryStorage], object]


class SimDisk:
    """The durable image of one member's log, and the view that its process has of it."""

    def __init__(self, image: MemoryStorage) -> None:
        self._image = image
        self.view = deepcopy(image)
        self._unsynced: list[Write] = []

    def write(self, write: Write) -> None:
        """Write, visible at once and not yet durable."""
        write(self.view)
        self._unsynced.append(write)

    def write_ready(self, ready: Ready) -> None:
        """Persist what a `Ready` asks for, as one write."""

        def write(storage: MemoryStorage) -> None:
            if ready.snapshot is not None:
                storage.apply_snapshot(ready.snapshot)
            storage.append(ready.entries)
            if ready.hard_state is not None:
                storage.set_hard_state(ready.hard_state)

        if ready.snapshot is not None or ready.entries or ready.hard_state is not None:
            self.write(write)

    def sync(self) -> None:
        """Make everything written durable."""
        for write in self._unsynced:
            write(self._image)
        self._unsynced.clear()

    def crash(self, rng: Random) -> None:
        """Lose unsynced writes, from a random one on."""
        for write in self._unsynced[: rng.randint(0, len(self._unsynced))]:
            write(self._image)
        self._unsynced.clear()
        self.view = deepcopy(self._image)
