"""The writer thread: order, group commit, failure, bounds, and a clean end."""

import asyncio
import errno
import os
import threading
from typing import Any

import pytest

from lictor_raft_store.batch import EncodedBatch, encode_batch
from lictor_raft_store.disk import DiskFull, RealDisk, StorageFailed
from lictor_raft_store.log_writer import LogWriter
from lictor_raft_store.record import LogEntry, SnapshotMark
from lictor_raft_store.recovery import Recovered
from lictor_raft_store.sim_disk import SimDisk, SimFile
from lictor_raft_store.wal import Wal


class SlowDisk(SimDisk):
    """A disk whose syncs wait at a gate, so that a test decides what happens meanwhile."""

    def __init__(self, capacity_bytes: int | None = None) -> None:
        super().__init__(capacity_bytes)
        self.gate = threading.Event()
        self.gate.set()
        self.syncing = threading.Event()
        self.syncs = 0

    def open(self, path: str, *, create: bool) -> "SlowFile":
        super().open(path, create=create)
        return SlowFile(self, self._inode(path))


class SlowFile(SimFile):
    def fdatasync(self) -> None:
        disk = self._disk
        assert isinstance(disk, SlowDisk)
        disk.syncs += 1
        disk.syncing.set()
        assert disk.gate.wait(10)
        super().fdatasync()


def one(index: int, data: bytes = b"x") -> EncodedBatch:
    return encode_batch([LogEntry(index, 1, 0, data)])


def opened(disk: SimDisk) -> tuple[Wal, Recovered]:
    return Wal.open(disk, "wal", cluster_id="c", member_id=1, segment_bytes=64 * 1024)


def test_what_queues_up_during_a_sync_is_written_as_one_batch_with_one_sync() -> None:
    disk = SlowDisk()
    wal, _ = opened(disk)
    syncs, operations = disk.syncs, disk.operations

    async def story() -> None:
        writer = LogWriter(wal)
        writer.start()
        disk.gate.clear()
        disk.syncing.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(writer.append(one(1)))
            await asyncio.to_thread(disk.syncing.wait, 10)
            for index in range(2, 22):
                group.create_task(writer.append(one(index)))
            await asyncio.sleep(0)
            disk.gate.set()
        assert disk.syncs == syncs + 2
        assert disk.operations == operations + 4, "two writes, two syncs"
        await writer.close()

    asyncio.run(story())
    assert [entry.index for entry in opened(disk.copy())[1].entries] == list(range(1, 22))


def test_append_returns_only_when_the_batch_is_durable() -> None:
    disk = SlowDisk()
    wal, _ = opened(disk)

    async def story() -> None:
        writer = LogWriter(wal)
        writer.start()
        disk.gate.clear()
        disk.syncing.clear()
        waiting = asyncio.create_task(writer.append(one(1)))
        await asyncio.to_thread(disk.syncing.wait, 10)
        assert not waiting.done()
        disk.gate.set()
        await waiting
        await writer.close()

    asyncio.run(story())


@pytest.mark.parametrize(("error", "kind"), [(StorageFailed("broken"), StorageFailed), (DiskFull("full"), DiskFull)])
def test_a_failure_reaches_the_batch_the_queue_and_every_later_call_and_nothing_is_retried(
    error: Exception, kind: type[Exception]
) -> None:
    disk = SlowDisk()
    wal, _ = opened(disk)

    async def story() -> None:
        writer = LogWriter(wal)
        writer.start()
        disk.gate.clear()
        disk.syncing.clear()
        first = asyncio.create_task(writer.append(one(1)))
        await asyncio.to_thread(disk.syncing.wait, 10)
        rest = [asyncio.create_task(writer.append(one(index))) for index in range(2, 5)]
        await asyncio.sleep(0)
        disk.fail_at[disk.operations + 1] = error
        disk.gate.set()
        outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [kind] * 4
        operations = disk.operations
        with pytest.raises(kind):
            await writer.append(one(5))
        with pytest.raises(kind):
            await writer.close()
        assert disk.operations == operations
        assert isinstance(writer.failure, kind)

    asyncio.run(story())


def test_a_batch_that_does_not_fit_stops_the_writer_because_what_follows_would_build_on_it() -> None:
    wal, _ = opened(SimDisk())

    async def story() -> None:
        writer = LogWriter(wal)
        writer.start()
        with pytest.raises(ValueError, match="the log ends at 0"):
            await writer.append(one(7))
        with pytest.raises(StorageFailed, match="the log ends at 0"):
            await writer.append(one(1))
        with pytest.raises(StorageFailed):
            await writer.close()

    asyncio.run(story())


def test_the_queue_is_bounded_by_bytes_and_append_waits_in_order() -> None:
    disk = SlowDisk()
    wal, _ = opened(disk)

    async def story() -> None:
        writer = LogWriter(wal, pending_bytes_max=3000)
        writer.start()
        disk.gate.clear()
        async with asyncio.TaskGroup() as group:
            for index in range(1, 31):
                group.create_task(writer.append(one(index, bytes(1000))))
            for _ in range(5):
                await asyncio.sleep(0)
            assert writer._pending_bytes < 6000
            disk.gate.set()
        assert writer._pending_bytes == 0
        await writer.close()

    asyncio.run(story())
    assert len(opened(disk.copy())[1].entries) == 30


def test_a_cancelled_caller_does_not_disturb_the_others() -> None:
    disk = SlowDisk()
    wal, _ = opened(disk)

    async def story() -> None:
        writer = LogWriter(wal)
        writer.start()
        disk.gate.clear()
        tasks = [asyncio.create_task(writer.append(one(index))) for index in range(1, 4)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        disk.gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(outcomes[1], asyncio.CancelledError)
        assert outcomes[0] is None
        assert outcomes[2] is None
        await writer.close()

    asyncio.run(story())
    assert len(opened(disk.copy())[1].entries) == 3


def test_close_writes_what_is_queued_syncs_ends_the_thread_and_refuses_more() -> None:
    disk = SlowDisk()
    wal, _ = opened(disk)

    async def story() -> None:
        writer = LogWriter(wal)
        writer.start()
        disk.gate.clear()
        tasks = [asyncio.create_task(writer.append(one(index), sync=False)) for index in range(1, 4)]
        await asyncio.sleep(0)
        disk.gate.set()
        await writer.close()
        await asyncio.gather(*tasks)
        assert not writer._thread.is_alive()
        await writer.close()
        with pytest.raises(StorageFailed, match="closed"):
            await writer.append(one(4))

    asyncio.run(story())
    assert wal._file is None
    after, recovered = opened(disk.crash(_Nothing()))
    assert len(recovered.entries) == 3
    after.close()


def test_dropping_the_head_goes_through_the_same_queue() -> None:
    disk = SimDisk()
    wal, _ = opened(disk)

    async def story() -> None:
        writer = LogWriter(wal)
        writer.start()
        for index in range(1, 9):
            await writer.append(one(index, bytes(16 * 1024)))
        mark = asyncio.create_task(writer.append(encode_batch(snapshot_mark=SnapshotMark(8, 1))))
        await asyncio.sleep(0)
        assert await writer.drop_before(9) >= 1
        assert mark.done()
        await writer.close()

    asyncio.run(story())
    assert "0000000000000001.wal" not in disk.listdir("wal")


class _Nothing:
    """Dice by which nothing unsynced survives."""

    def randint(self, a: int, b: int) -> int:
        return a


def test_bytes_written_durably_are_those_of_a_write_and_a_sync(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RealDisk().open(str(tmp_path / "log"), create=True)
    file.pwrite_durably(b"abc", 0)
    file.pwrite_durably(b"def", 3)
    real, refused = os.pwritev, 0

    def short(fd: int, parts: Any, offset: int, flags: int) -> int:
        return real(fd, [parts[0][:1]], offset, flags)

    def unknown(*_: object) -> int:
        nonlocal refused
        refused += 1
        raise OSError(errno.EOPNOTSUPP, "not here")

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "pwritev", short)
    file.pwrite_durably(b"ghi", 6)
    monkeypatch.setattr(os, "pwritev", unknown)
    file.pwrite_durably(b"jkl", 9)
    assert refused == 1
    monkeypatch.setattr(os, "pwritev", broken)
    with pytest.raises(StorageFailed):
        file.pwrite_durably(b"x", 12)
    assert file.read(0, 100) == b"abcdefghijkl"
    file.close()


def test_what_is_begun_is_told_in_order_and_what_comes_after_the_end_is_refused() -> None:
    disk = SlowDisk()
    wal, _ = opened(disk)

    async def story() -> None:
        writer = LogWriter(wal)
        writer.start()
        told: list[tuple[int, object]] = []
        for index in range(1, 6):
            writer.begin(one(index), lambda failure, index=index: told.append((index, failure)))  # type: ignore[misc]
        await writer.append(one(6))
        assert told == [(index, None) for index in range(1, 6)]
        await writer.close()
        writer.begin(one(7), lambda failure: told.append((7, type(failure))))
        assert told[-1] == (7, StorageFailed)
        await writer.close()

    asyncio.run(story())
    assert [entry.index for entry in opened(disk.copy())[1].entries] == list(range(1, 7))
