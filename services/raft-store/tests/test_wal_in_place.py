"""Writes that the log's writer makes in place: only on a quick disk that has nothing else to do, and as safe as others."""

import asyncio
from collections.abc import Iterator

import pytest

from lictor_raft_store.batch import EncodedBatch, encode_batch
from lictor_raft_store.disk import StorageFailed
from lictor_raft_store.log_writer import QUICK_S, LogWriter
from lictor_raft_store.record import LogEntry
from lictor_raft_store.sim_disk import SimDisk
from lictor_raft_store.wal import Wal


class Clock:
    """Every look at it is `step_s` later: a sync is looked at before and after."""

    def __init__(self, step_s: float) -> None:
        self.step_s, self._now = step_s, 0.0

    def __call__(self) -> float:
        self._now += self.step_s
        return self._now


QUICK = QUICK_S / 10


def one(index: int, data: bytes = b"x") -> EncodedBatch:
    return encode_batch([LogEntry(index, 1, 0, data)])


def opened(disk: SimDisk) -> Wal:
    return Wal.open(disk, "wal", cluster_id="c", member_id=1, segment_bytes=64 * 1024)[0]


def started(disk: SimDisk, clock: Clock) -> LogWriter:
    writer = LogWriter(opened(disk), clock=clock)
    writer.start()
    return writer


def stored(disk: SimDisk) -> list[int]:
    recovered = Wal.open(disk.copy(), "wal", cluster_id="c", member_id=1, segment_bytes=64 * 1024)[1]
    return [entry.index for entry in recovered.entries]


def is_in_place(writer: LogWriter, batch: EncodedBatch) -> bool:
    """Begin a write; whether its end was told before the call returned."""
    told: list[object] = []
    writer.begin(batch, told.append)
    return told == [None]


async def warm_up(writer: LogWriter, clock: Clock) -> Iterator[int]:
    """Write until syncs are known to be quick; the indexes to go on with."""
    clock.step_s = QUICK
    for index in range(1, 201):
        await writer.append(one(index))
    return iter(range(201, 10_000))


def test_a_quick_disk_is_waited_for_in_place_and_what_is_told_is_durable() -> None:
    disk = SimDisk()

    async def story() -> None:
        clock = Clock(QUICK)
        writer = started(disk, clock)
        assert not is_in_place(writer, one(1)), "nothing is known of the disk yet"
        await writer.append(one(2))
        for index in range(3, 200):
            await writer.append(one(index))
        assert is_in_place(writer, one(200))
        assert stored(disk)[-1] == 200
        await writer.close()

    asyncio.run(story())


def test_behind_what_the_thread_has_yet_to_write_it_waits_its_turn() -> None:
    disk = SimDisk()

    async def story() -> None:
        clock = Clock(QUICK)
        writer = started(disk, clock)
        indexes = await warm_up(writer, clock)
        waiting = asyncio.create_task(writer.append(one(next(indexes))))
        await asyncio.sleep(0)
        assert not is_in_place(writer, one(next(indexes)))
        await waiting
        await writer.append(one(next(indexes)))
        assert is_in_place(writer, one(next(indexes)))
        await writer.close()
        assert stored(disk) == list(range(1, next(indexes)))

    asyncio.run(story())


def test_a_disk_that_was_slow_once_gets_the_thread_for_a_while() -> None:
    async def story() -> None:
        clock = Clock(QUICK)
        writer = started(SimDisk(), clock)
        indexes = await warm_up(writer, clock)
        clock.step_s = 1.0
        assert is_in_place(writer, one(next(indexes)))
        clock.step_s = QUICK
        threaded = 0
        while not is_in_place(writer, one(next(indexes))):
            await writer.append(one(next(indexes)))
            threaded += 2
        assert 20 < threaded < 200
        await writer.close()

    asyncio.run(story())


def test_a_segment_is_never_begun_in_place() -> None:
    disk = SimDisk()

    async def story() -> None:
        clock = Clock(QUICK)
        writer = started(disk, clock)
        indexes = await warm_up(writer, clock)
        ways = []
        for _ in range(60):
            ways.append(is_in_place(writer, one(next(indexes), bytes(4000))))
            if not ways[-1]:
                await writer.append(one(next(indexes)))
        assert 0 < ways.count(False) < 10
        await writer.close()
        assert stored(disk)[-1] == next(indexes) - 1

    asyncio.run(story())


def test_a_failure_in_place_is_final() -> None:
    disk = SimDisk()

    async def story() -> None:
        clock = Clock(QUICK)
        writer = started(disk, clock)
        indexes = await warm_up(writer, clock)
        disk.fail_at[disk.operations + 1] = StorageFailed("broken")
        told: list[object] = []
        writer.begin(one(next(indexes)), told.append)
        writer.begin(one(next(indexes)), told.append)
        assert [str(one) for one in told] == ["broken"] * 2
        operations = disk.operations
        with pytest.raises(StorageFailed, match="broken"):
            await writer.append(one(next(indexes)))
        with pytest.raises(StorageFailed, match="broken"):
            await writer.close()
        assert disk.operations == operations, "nothing more is claimed"

    asyncio.run(story())
