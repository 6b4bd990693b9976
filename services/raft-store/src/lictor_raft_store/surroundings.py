"""What a member takes from the process around it: clock, dice, threads for slow calls, and the log's writer.

A process takes the real ones. A simulation gives its own, and with them decides what time it is, which numbers come up
and how long a disk takes.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from lictor_raft import Dice
from lictor_raft_store.batch import EncodedBatch
from lictor_raft_store.log_writer import Ended, LogWriter
from lictor_raft_store.wal import Wal


class Writer(Protocol):
    """Writes the log, in the order of the calls; `log_writer.LogWriter` is the real one."""

    def begin(self, batch: EncodedBatch, ended: Ended) -> None:
        """Have `ended` told, from the loop, when `batch` is durable, or of the StorageError, which is final.

        That may be before the call returns.
        """

    async def append(self, batch: EncodedBatch, *, sync: bool = True) -> None:
        """Return when `batch` is durable (or, without `sync`, written). Raises StorageError, which is final."""

    async def drop_before(self, index: int) -> int:
        """Drop whole segments below `index`; returns how many."""

    async def close(self) -> None:
        """Write what is queued, sync, and close the log."""


boottime: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""Seconds on the clock that goes on while the machine sleeps: a lease must not outlive a suspend."""


def start_writer(wal: Wal) -> LogWriter:
    """The real writer: a thread of its own."""
    writer = LogWriter(wal)
    writer.start()
    return writer


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The process around a member; the defaults are the real ones."""

    clock: Callable[[], float] = boottime
    """Seconds that never go back and count suspended time."""
    dice: Dice = random.SystemRandom().randint
    """For election timeouts, and when snapshots are due."""
    offload: Callable[..., Awaitable[Any]] = asyncio.to_thread
    """Runs a blocking call elsewhere: `await offload(function, *arguments)`."""
    start_writer: Callable[[Wal], Writer] = start_writer
    """Opens the writer of a log."""
    wall: Callable[[], float] = time.time
    """Unix seconds; may jump, so only what counts in days looks at it."""
