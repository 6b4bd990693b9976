"""The log's writer: a thread with group commit, and a short way round it where the disk is quick.

While one sync runs, new batches wait in a queue; the thread takes all of them at once, as one batch with one sync
(Raft thesis, section 10.2.1; the same idea is in every database's log). So the disk decides the batch size: nothing
waits for a timer, and a slow disk means larger batches, not a longer queue.

A storage error is final: the batch that met it, all waiting ones and every later call raise it, and the driver stops
the member. Nothing is retried (see `disk`). The queue is bounded by bytes; when it is full, `append` waits. What comes
by `begin` is bounded by the core.

Handing a write to a thread and back costs two fights for the interpreter and as many turns of the loop, together more
than a quick disk takes, and nobody is answered before the write is durable. So as long as syncs usually take less than
`QUICK_S` and the thread has nothing, `begin` makes the write itself, and everything on the loop waits for it. A disk
that is slow, or has been lately, gets the thread: then only the writes wait. If a quick disk stands still, the loop
stands still with it, once; a leader silent for an election timeout loses the lead, which it could not have used.

A full disk is no such error as long as nothing was touched (`wal.NoRoom`): once a second the thread asks for room
again, also when nobody writes. A group for which no allocated room is left waits for it; `room` keeps that from
happening.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from lictor_raft_store.batch import EncodedBatch, framed_bytes
from lictor_raft_store.disk import StorageError, StorageFailed
from lictor_raft_store.wal import NoRoom, Wal

PENDING_BYTES_MAX = 64 * 1024 * 1024  # what may wait in memory; Raft's own limits on uncommitted entries are lower
GROUP_BYTES_MAX = 8 * 1024 * 1024  # one write: some 10 ms on a slow disk, so that a group does not starve a vote
ROOM_RETRY_S = 1.0  # a failed allocation costs a fraction of a millisecond; space that an operator makes is used soon
CLOSED = "log writer: closed"
BATCH_OVERHEAD_BYTES = 512  # counted per waiting batch, so that empty ones are bounded as well
QUICK_S = 0.002  # a sync of the local disk takes a tenth of it; of a disk behind a network, or a turning one, more
SYNC_WEIGHT = 1 / 16  # of the newest sync in the usual time: one that took a second keeps the thread for fifty more


Ended = Callable[[StorageError | ValueError | None], None]
"""Told, on the event loop, that a request is done, or why it failed; must not raise."""


async def until_ended(begin: Callable[[Ended], None]) -> None:
    """Wait for the end of what `begin` begins. Raises StorageError."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ended(failure: StorageError | ValueError | None) -> None:
        if not done.done():
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    begin(ended)
    await done


class _Job:
    """One queued request: a batch to write, or (batch None) an index to drop before."""

    __slots__ = ("batch", "drop_before", "ended", "result", "sync")

    def __init__(self, ended: Ended, batch: EncodedBatch | None, *, sync: bool, drop_before: int) -> None:
        self.ended = ended
        self.batch = batch
        self.sync = sync
        self.drop_before = drop_before
        self.result = 0

    @property
    def cost(self) -> int:
        """Bytes that it counts in the queue."""
        return BATCH_OVERHEAD_BYTES + (len(self.batch.body) if self.batch is not None else 0)


class LogWriter:
    """Owns a `Wal`, which its thread touches, or the loop while the thread rests.

    Use from one event loop: `start`, …, `close`.
    """

    def __init__(
        self,
        wal: Wal,
        *,
        pending_bytes_max: int = PENDING_BYTES_MAX,
        room_retry_s: float = ROOM_RETRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wal = wal
        self._room_retry_s, self._clock = room_retry_s, clock
        self._room_due = clock() + room_retry_s
        self._pending_bytes_max = pending_bytes_max
        self._pending_bytes = 0
        self._door = asyncio.Lock()  # fair: batches enter the queue in the order of the calls
        self._space = asyncio.Event()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # None: nothing comes any more
        self._held: _Job | None = None  # taken from the queue by the thread, too much for its group
        self._closing = threading.Event()
        self._closed = False
        self._usual_sync_s = 1.0  # slow until some fifty syncs have shown otherwise
        self._broken = False  # as the thread knows it; the loop knows `failure`
        self._failure: StorageError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # A daemon: when the process dies without `close`, dying in the middle of a write is what the log is made for.
        self._thread = threading.Thread(target=self._run, name="wal-writer", daemon=True)

    @property
    def failure(self) -> StorageError | None:
        """The storage error that ended this writer, if any."""
        return self._failure

    def start(self) -> None:
        """Start the thread; call it on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def begin(self, batch: EncodedBatch, ended: Ended) -> None:
        """As `append` with a sync, for callers that are called back, perhaps before the call returns.

        It does not wait for room in the queue.
        """
        if self._failure is not None or self._closed:
            ended(self._failure or StorageFailed(CLOSED))
        elif self._may_write_in_place(batch):
            ended(self._write_in_place(batch))
        else:
            self._put(_Job(ended, batch, sync=True, drop_before=0))

    def _may_write_in_place(self, batch: EncodedBatch) -> bool:
        """Whether the disk is quick, the thread rests, and no segment has to be begun: that is several syncs."""
        return (
            self._usual_sync_s < QUICK_S
            and not self._pending_bytes
            and not self._wal.short
            and framed_bytes(len(batch.body)) <= self._wal.room_bytes
        )

    def _write_in_place(self, batch: EncodedBatch) -> StorageError | ValueError | None:
        began = self._clock()
        failure = self._attempt(partial(self._wal.write, (batch,), sync=True))
        if failure is None:
            self._note_sync(self._clock() - began)
        else:
            self._broken, self._failure = True, _final(failure)
        return failure

    def _note_sync(self, took_s: float) -> None:
        self._usual_sync_s += (took_s - self._usual_sync_s) * SYNC_WEIGHT

    async def append(self, batch: EncodedBatch, *, sync: bool = True) -> None:
        """Return when `batch` is durable (or, without `sync`, written). Batches are written in the order of the calls.

        A cancelled caller's batch may still be written. Raises StorageFailed or DiskFull (final), and ValueError when
        the batch does not fit the log: also final, because what follows would build on it.
        """
        await self._submit(batch, sync=sync, drop_before=0)

    async def drop_before(self, index: int) -> int:
        """`Wal.drop_before`, in order behind the batches already queued; returns the number of segments dropped."""
        return await self._submit(None, sync=False, drop_before=index)

    async def close(self) -> None:
        """Write what is queued, sync, close the log and end the thread. Raises the storage error of that, if any."""
        async with self._door:
            if not self._closed:
                self._closed = True
                self._closing.set()
                self._queue.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # what the thread has said last is heard first
        if self._failure is not None:
            raise self._failure

    async def _submit(self, batch: EncodedBatch | None, *, sync: bool, drop_before: int) -> int:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()

        def ended(failure: StorageError | ValueError | None) -> None:
            if done.done():  # its caller was cancelled
                return
            if failure is None:
                done.set_result(job.result)
            else:
                done.set_exception(failure)

        job = _Job(ended, batch, sync=sync, drop_before=drop_before)
        async with self._door:
            while self._pending_bytes > self._pending_bytes_max and self._failure is None:
                self._space.clear()
                await self._space.wait()
            if self._failure is not None:
                raise self._failure
            if self._closed:
                raise StorageFailed(CLOSED)
            self._put(job)
        return await done

    def _put(self, job: _Job) -> None:
        assert self._loop is not None, "start first"
        self._pending_bytes += job.cost
        self._queue.put(job)

    def _settle(self, jobs: Sequence[_Job], failure: StorageError | ValueError | None, took_s: float = 0.0) -> None:
        """On the event loop: tell the callers, make room; a group with a batch took `took_s`."""
        if took_s:
            self._note_sync(took_s)
        for job in jobs:
            self._pending_bytes -= job.cost
            job.ended(failure)
        self._space.set()

    def _run(self) -> None:
        """The thread: one group after another, until closed and empty, or failed."""
        assert self._loop is not None, "started by start"
        group: list[_Job] | None = []
        while group is not None:
            began = self._clock()
            failure = self._attempt(partial(self._turn, group))
            if failure is not None:
                self._fail(group, failure)
                break
            if group:
                took_s = self._clock() - began if group[0].batch is not None else 0.0
                self._loop.call_soon_threadsafe(self._settle, group, None, took_s)
            group = self._next_group()
        self._finish()

    def _turn(self, group: list[_Job]) -> None:
        if group:
            self._perform(group)
        self._seek_room()

    @staticmethod
    def _attempt(work: Callable[[], None]) -> StorageError | ValueError | None:
        try:
            work()
        except (StorageError, ValueError) as error:
            return error
        except Exception as error:  # noqa: BLE001  # whatever it was, the callers must hear of it
            return StorageFailed(f"log writer: {error!r}")
        return None

    def _seek_room(self) -> None:
        """Try for the spare segment, not more often than once per `room_retry_s`."""
        if self._wal.short and (now := self._clock()) >= self._room_due:
            self._room_due = now + self._room_retry_s
            self._wal.seek_room()

    def _next_group(self) -> list[_Job] | None:
        """Everything queued, up to the group's bound; a drop goes alone.

        Waits for the first; empty when it is time to ask for room, None when closed.
        """
        job, self._held = self._held, None
        if job is None:
            try:
                wait_s = max(0.0, self._room_due - self._clock()) if self._wal.short else None
                job = self._queue.get(timeout=wait_s)
            except queue.Empty:
                return []
        group: list[_Job] = []
        size = 0
        while job is not None:
            if group and (job.batch is None or group[0].batch is None or size + job.cost > GROUP_BYTES_MAX):
                self._held = job
                return group
            size += job.cost
            group.append(job)
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return group
        if group:
            self._queue.put(None)  # the end, which is met again when the group is written
        return group or None

    def _perform(self, group: list[_Job]) -> None:
        batches = [job.batch for job in group if job.batch is not None]
        if not batches:
            group[0].result = self._wal.drop_before(group[0].drop_before)
            if group[0].result:
                self._room_due = self._clock()  # what was dropped is room
            return
        sync = any(job.sync for job in group)
        while True:
            try:
                self._wal.write(batches, sync=sync)
            except NoRoom:
                if self._closing.wait(self._room_retry_s):
                    raise
            else:
                return

    def _fail(self, group: list[_Job], failure: StorageError | ValueError) -> None:
        """Tell the whole queue; what comes later is refused by `_submit`."""
        assert self._loop is not None, "started by start"
        self._broken = True
        held = [] if self._held is None else [self._held]
        self._loop.call_soon_threadsafe(self._refuse, group, failure, held, _final(failure))

    def _refuse(
        self, group: list[_Job], failure: StorageError | ValueError, held: list[_Job], final: StorageError
    ) -> None:
        """On the event loop, which alone fills the queue: nothing can come between the verdict and its emptying."""
        self._failure = final
        self._settle(group, failure)
        while not self._queue.empty():
            job = self._queue.get_nowait()
            if job is not None:
                held.append(job)
        self._settle(held, final)

    def _finish(self) -> None:
        """Close the log; after a failure without a sync, because nothing more may be claimed durable."""
        if self._broken:
            self._wal.abandon()
            return
        try:
            self._wal.close()
        except StorageError as error:
            self._failure = error  # the loop waits for this thread's end before it looks


def _final(failure: StorageError | ValueError) -> StorageError:
    """What every later call is told."""
    return failure if isinstance(failure, StorageError) else StorageFailed(f"log writer: {failure}")
