"""The log on a disk that fills up at any operation: nothing acknowledged is in doubt, and it goes on where it stood."""

import asyncio
import random

import pytest

from lictor_raft import Entry, EntryKind, Message, MessageKind
from lictor_raft_store.batch import EncodedBatch, encode_batch
from lictor_raft_store.disk import DiskFull, StorageFailed
from lictor_raft_store.log_writer import LogWriter
from lictor_raft_store.record import HardState, LogEntry
from lictor_raft_store.room import BATCH_OVERHEAD_BYTES, ENTRY_OVERHEAD_BYTES, RESERVE_FRACTION, LogRoom, Room
from lictor_raft_store.sim_disk import PowerLost, SimDisk
from lictor_raft_store.wal import NoRoom, Wal

SEGMENT = 2048


class FillingDisk(SimDisk):
    """A disk that somebody else fills at one operation."""

    def __init__(self, full_at: int) -> None:
        super().__init__()
        self.full_at = full_at

    def step(self) -> None:
        super().step()
        if self.operations == self.full_at:
            self.fill()

    def fill(self) -> None:
        self.capacity_bytes = sum(len(inode.volatile) for inode in self._names.values())


def opened(disk: SimDisk, segment_bytes: int = SEGMENT) -> Wal:
    return Wal.open(disk, "wal", cluster_id="c", member_id=3, segment_bytes=segment_bytes)[0]


def one(index: int, size: int = 200) -> EncodedBatch:
    return encode_batch([LogEntry(index, 1, 0, bytes([index % 251 + 1]) * size)], HardState(1, 3, index - 1))


def filled_up(disk: FillingDisk) -> Wal:
    """A log that takes no further entry."""
    wal = opened(disk)
    disk.fill()
    try:
        while True:
            wal.write([one(wal.last_index + 1)], sync=True)
    except NoRoom:
        return wal


def use_spare(wal: Wal) -> None:
    while not wal.short:
        wal.write([one(wal.last_index + 1)], sync=True)


def indexes(disk: SimDisk) -> list[int]:
    _, recovered = Wal.open(disk, "wal", cluster_id="c", member_id=3, segment_bytes=SEGMENT)
    assert recovered.hard_state is None or recovered.hard_state.commit == len(recovered.entries) - 1
    return [entry.index for entry in recovered.entries]


@pytest.mark.parametrize("full_at", range(1, 80))
def test_wherever_the_disk_fills_up_what_was_acknowledged_stays_and_the_log_goes_on_when_there_is_space(
    full_at: int,
) -> None:
    disk, written = FillingDisk(full_at), 0
    try:
        wal = opened(disk)
    except DiskFull:
        assert not disk.listdir("wal"), "the very first segment must have room"
        return
    while written < 60:
        try:
            wal.write([one(written + 1)], sync=True)
        except NoRoom:
            break
        written += 1
    if written < 60:
        operations = disk.operations
        with pytest.raises(NoRoom):
            wal.write([one(written + 1)], sync=True)
        names = disk.listdir("wal")
        assert disk.operations <= operations + 2, "a file made and removed"
        assert not any(name.endswith(".tmp") for name in names)
        assert not wal.seek_room()
    for _ in range(3):
        assert indexes(disk.crash(random.Random(full_at))) == list(range(1, written + 1))
    disk.capacity_bytes = None
    assert wal.seek_room()
    wal.write([one(written + 1)], sync=True)
    assert indexes(disk.crash(random.Random(full_at))) == list(range(1, written + 2))


def test_a_disk_that_fills_up_and_loses_power_at_any_later_operation_keeps_what_was_acknowledged() -> None:
    dice = random.Random(11)
    for _ in range(300):
        disk, written = FillingDisk(dice.randint(8, 60)), 0
        disk.power_off_at = disk.full_at + dice.randint(1, 30)
        try:
            wal = opened(disk)
            while True:
                try:
                    wal.write([one(written + 1, dice.randint(0, 500))], sync=True)
                    written += 1
                except NoRoom:
                    if dice.random() < 0.3:
                        disk.capacity_bytes = None
                    wal.seek_room()
        except PowerLost:
            found = indexes(disk.crash(dice))
        assert found in (list(range(1, written + 1)), list(range(1, written + 2)))


def test_a_batch_above_the_size_of_a_segment_needs_a_spare_of_its_size_and_leaves_the_usual_one_when_there_is_none() -> (
    None
):
    disk = FillingDisk(0)
    wal = opened(disk)
    disk.fill()
    with pytest.raises(NoRoom, match="no room for the next segment"):
        wal.write([one(1, 10_000)], sync=True)
    assert not wal.short
    use_spare(wal)
    assert wal.last_index > 3, "the usual spare was still good"


def test_the_shortage_begins_with_an_empty_segment() -> None:
    disk = FillingDisk(0)
    wal = opened(disk, 64 * 1024)
    disk.fill()
    use_spare(wal)
    assert wal.room_bytes > 64 * 1024 * 0.98


def test_a_writer_without_allocated_room_waits_for_space_and_then_writes_in_order() -> None:
    disk = FillingDisk(0)
    wal = filled_up(disk)
    first = wal.last_index + 1

    async def story() -> None:
        writer = LogWriter(wal, room_retry_s=0.01)
        writer.start()
        waiting = [asyncio.ensure_future(writer.append(one(index))) for index in range(first, 30)]
        _, still = await asyncio.wait(waiting, timeout=0.1)
        assert len(still) == len(waiting)
        assert writer.failure is None
        disk.capacity_bytes = None
        await asyncio.gather(*waiting)
        await writer.close()

    asyncio.run(story())
    assert indexes(disk.copy()) == list(range(1, 30))


def test_a_writer_that_nobody_uses_finds_the_space_that_is_made() -> None:
    disk = FillingDisk(0)
    wal = filled_up(disk)

    async def story() -> None:
        writer = LogWriter(wal, room_retry_s=0.01)
        writer.start()
        await asyncio.sleep(0.05)
        room = LogRoom(wal, SEGMENT)
        assert state(room) != Room.OK
        disk.capacity_bytes = None
        async with asyncio.timeout(10):
            while state(room) != Room.OK:  # noqa: ASYNC110  the thread tells nobody
                await asyncio.sleep(0.005)
        await writer.close()

    asyncio.run(story())


def test_a_log_that_fails_while_it_looks_for_space_holds_no_append_back_so_that_somebody_finds_out() -> None:
    disk = FillingDisk(0)
    wal = filled_up(disk)
    room = LogRoom(wal, SEGMENT)
    appends = [append(100)]
    assert room.admit(appends) == []
    broken = StorageFailed("the medium failed")
    disk.fail_at = dict.fromkeys(range(disk.operations, disk.operations + 100), broken)

    async def story() -> None:
        writer = LogWriter(wal, room_retry_s=0.01)
        writer.start()
        async with asyncio.timeout(10):
            while room.admit(appends) != appends:  # noqa: ASYNC110  the thread tells nobody
                await asyncio.sleep(0.005)
        with pytest.raises(StorageFailed):
            await writer.append(one(wal.last_index + 1))
        with pytest.raises(StorageFailed):
            await writer.close()

    asyncio.run(story())


def test_a_writer_that_waits_for_space_can_be_closed() -> None:
    wal = filled_up(FillingDisk(0))

    async def story() -> None:
        writer = LogWriter(wal, room_retry_s=60.0)
        writer.start()
        waiting = asyncio.ensure_future(writer.append(one(wal.last_index + 1)))
        await asyncio.sleep(0)
        with pytest.raises(NoRoom):
            await writer.close()
        with pytest.raises(NoRoom):
            await waiting

    asyncio.run(story())


class Held:
    """What a log has allocated, as a test says."""

    def __init__(self, room_bytes: int, *, short: bool = True) -> None:
        self.room_bytes = room_bytes
        self.short = short


def state(room: LogRoom) -> str:
    return str(room.state)


def append(size: int, count: int = 1) -> Message:
    entries = tuple(Entry(1, index, EntryKind.NORMAL, bytes(size)) for index in range(1, count + 1))
    return Message(MessageKind.APPEND, 2, 1, 1, entries=entries)


def test_the_state_of_room_by_what_is_allocated() -> None:
    segment, reserve = 1 << 20, (1 << 20) // RESERVE_FRACTION
    assert LogRoom(Held(0, short=False), segment).state is Room.OK
    assert LogRoom(Held(reserve + 1), segment).state is Room.SHORT
    assert LogRoom(Held(reserve), segment).state is Room.OUT
    room = LogRoom(Held(reserve + 1000), segment)
    room.begin(1000)
    assert state(room) == Room.OUT, "what is on its way to the disk is used"
    room.end(1000)
    assert state(room) == Room.SHORT


def test_appends_that_would_touch_the_reserve_are_lost_and_everything_else_passes() -> None:
    segment = 1 << 20
    held = Held(segment // RESERVE_FRACTION + 2 * (100 + ENTRY_OVERHEAD_BYTES + BATCH_OVERHEAD_BYTES))
    room = LogRoom(held, segment)
    heartbeat, vote = Message(MessageKind.HEARTBEAT, 2, 1, 1), Message(MessageKind.VOTE, 2, 1, 1)
    empty = append(0, 0)
    messages = [heartbeat, append(100), append(100), append(100), vote, empty]
    assert room.admit(messages) == [heartbeat, messages[1], messages[2], vote, empty]
    assert state(room) == Room.OUT
    held.short = False
    assert room.admit(messages) == messages
    assert state(room) == Room.OK
