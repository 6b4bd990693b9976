"""What a simulated machine has under a member: a disk that can lose power, and the log's writer without a thread.

The disk is `lictor_raft_store.sim_disk.SimDisk`: bytes, sectors, names. When its power goes in the middle of an
operation, the process is killed before anything else can happen. `SimWriter` has the face and the order of
`lictor_raft_store.log_writer.LogWriter`: what waits while a sync runs is one group with one sync, a storage error is
final, a full disk is waited for. Its syncs take virtual time, during which a crash may come.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from lictor_raft_store.batch import EncodedBatch, framed_bytes
from lictor_raft_store.disk import StorageError, StorageFailed
from lictor_raft_store.log_writer import CLOSED, GROUP_BYTES_MAX, ROOM_RETRY_S, Ended, until_ended
from lictor_raft_store.sim_disk import PowerLost, SimDisk
from lictor_raft_store.wal import NoRoom, Wal


class MachineDisk(SimDisk):
    """A `SimDisk` that tells when its power goes."""

    def __init__(self, capacity_bytes: int | None = None) -> None:
        super().__init__(capacity_bytes)
        self.on_power_lost: Callable[[], None] = lambda: None
        self.power_off_after_snapshot: int | None = None
        """When a snapshot has got its name, the power goes in this many operations."""

    def step(self) -> None:
        """As `SimDisk.step`; the process is gone before the exception says so."""
        try:
            super().step()
        except PowerLost:
            self.on_power_lost()
            raise

    def rename(self, old: str, new: str) -> None:
        """As `SimDisk.rename`."""
        super().rename(old, new)
        if new.endswith(".snap") and self.power_off_after_snapshot is not None:
            self.power_off_at = self.operations + self.power_off_after_snapshot
            self.power_off_after_snapshot = None


@dataclass(slots=True, eq=False)
class _Job:
    ended: Ended
    batch: EncodedBatch | None
    sync: bool
    drop_before: int


class SimWriter:
    """Writes one log inside the loop; `sync_s` draws how long a sync takes, `alone` whether a job goes by itself.

    The real thread may wake between two calls of `append`, so even what is queued at one moment may be two groups.
    `quick` draws whether a write that finds nothing under way is made by the call itself, as on a quick disk.
    """

    def __init__(
        self,
        wal: Wal,
        sync_s: Callable[[], float],
        alone: Callable[[], bool] = lambda: False,
        quick: Callable[[], bool] = lambda: False,
    ) -> None:
        self._wal, self._sync_s, self._alone, self._quick = wal, sync_s, alone, quick
        self._queue: deque[_Job] = deque()
        self._failure: StorageError | None = None
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._room_due = self._loop.time() + ROOM_RETRY_S
        self._loop.call_later(ROOM_RETRY_S, self._look_for_room)

    def begin(self, batch: EncodedBatch, ended: Ended) -> None:
        """As `LogWriter.begin`."""
        rests = self._task is None or self._task.done()
        usable = self._failure is None and not self._closed and not self._wal.short
        fits = framed_bytes(len(batch.body)) <= self._wal.room_bytes
        if not (rests and usable and fits and self._quick()):
            self._submit(ended, batch, sync=True, drop_before=0)
            return
        try:
            self._wal.write([batch], sync=True)
        except (StorageError, ValueError) as error:
            self._fail([], error)
            ended(error)
        else:
            ended(None)

    async def append(self, batch: EncodedBatch, *, sync: bool = True) -> None:
        """As `LogWriter.append`."""
        await until_ended(lambda ended: self._submit(ended, batch, sync=sync, drop_before=0))

    async def drop_before(self, index: int) -> int:
        """As `LogWriter.drop_before`, but for the number."""
        await until_ended(lambda ended: self._submit(ended, None, sync=False, drop_before=index))
        return 0

    async def close(self) -> None:
        """As `LogWriter.close`."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._failure is not None:
            raise self._failure
        self._wal.close()

    def _submit(self, ended: Ended, batch: EncodedBatch | None, *, sync: bool, drop_before: int) -> None:
        if self._failure is not None or self._closed:
            ended(self._failure or StorageFailed(CLOSED))
        else:
            self._queue.append(_Job(ended, batch, sync, drop_before))
            self._wake()

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._work(), name="wal writer")

    def _look_for_room(self) -> None:
        """The thread of the real writer wakes up for it also when nobody writes."""
        if self._failure is None and not self._closed:
            if self._wal.short:
                self._wake()
            self._loop.call_later(ROOM_RETRY_S, self._look_for_room)

    async def _work(self) -> None:
        while self._failure is None:
            group = self._next_group()
            try:
                await self._perform(group)
                if self._wal.short and self._loop.time() >= self._room_due:
                    self._room_due = self._loop.time() + ROOM_RETRY_S
                    self._wal.seek_room()
            except (StorageError, ValueError) as error:
                self._fail(group, error)
            else:
                for job in group:  # all at once, as the real one: what follows hears before anybody else runs
                    job.ended(None)
            if not self._queue:
                return

    def _next_group(self) -> list[_Job]:
        group: list[_Job] = []
        size = 0
        while self._queue:
            job = self._queue[0]
            size += len(job.batch.body) if job.batch else 0
            if group and (job.batch is None or group[0].batch is None or size > GROUP_BYTES_MAX):
                break
            group.append(self._queue.popleft())
            if self._alone():
                break
        return group

    async def _perform(self, group: list[_Job]) -> None:
        batches = [job.batch for job in group if job.batch is not None]
        if not batches:
            for job in group:
                if self._wal.drop_before(job.drop_before):
                    self._room_due = self._loop.time()
            return
        while True:
            try:
                self._wal.write(batches, sync=False)
            except NoRoom:
                await asyncio.sleep(ROOM_RETRY_S)
                if self._closed:
                    raise
            else:
                break
        if any(job.sync for job in group):
            await asyncio.sleep(self._sync_s())
            self._wal.sync()

    def _fail(self, group: list[_Job], error: StorageError | ValueError) -> None:
        self._failure = error if isinstance(error, StorageError) else StorageFailed(f"log writer: {error}")
        for job in group:
            job.ended(error)
        waiting = list(self._queue)
        self._queue.clear()
        for job in waiting:
            job.ended(self._failure)
        self._wal.abandon()


def sync_times(dice: Random, usual_s: float, slow: float, slow_s: float) -> Callable[[], float]:
    """Draws sync times: usually up to `usual_s`, with probability `slow` up to `slow_s`."""

    def draw() -> float:
        longest = slow_s if dice.random() < slow else usual_s
        return dice.random() * longest

    return draw
