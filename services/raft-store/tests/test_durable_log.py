"""Opening a member's log after any end: in the middle of its making, and beside a snapshot that it does not know of."""

import asyncio
import random
from functools import partial

import pytest

from lictor_raft import ConfState, Entry, HardState, Snapshot
from lictor_raft import SnapshotMeta as RaftSnapshotMeta
from lictor_raft_store.batch import encode_batch
from lictor_raft_store.disk import StorageFailed
from lictor_raft_store.durable_log import LogStorage, open_log
from lictor_raft_store.log_writer import until_ended
from lictor_raft_store.record import SnapshotMark
from lictor_raft_store.room import LogRoom
from lictor_raft_store.sim_disk import PowerLost, SimDisk
from lictor_raft_store.wal import Wal

FOUNDERS = ConfState((1, 2, 3))


class InlineWriter:
    """Writes at once, so that the power can go in the middle of it."""

    def __init__(self, wal):
        self.wal = wal

    def begin(self, batch, ended):
        self.wal.write([batch], sync=True)
        ended(None)

    async def append(self, batch, *, sync=True):
        self.wal.write([batch], sync=sync)

    async def drop_before(self, index):
        return self.wal.drop_before(index)

    async def close(self):
        self.wal.close()


async def opened(disk, founders=FOUNDERS, snapshot=None):
    wal, recovered = Wal.open(disk, "wal", cluster_id="c", member_id=1, segment_bytes=4096)
    return await open_log(InlineWriter(wal), recovered, founders, snapshot, LogRoom(wal, 4096), lambda _seconds: None)


async def appended(durable, hard_state, entries):
    await until_ended(partial(durable.begin, hard_state, entries))


async def replaced(durable, snapshot, hard_state):
    await until_ended(partial(durable.replace, snapshot, hard_state))


def received(index, term):
    return Snapshot(RaftSnapshotMeta(index, term, FOUNDERS), b"reference")


@pytest.mark.parametrize("seed", range(8))
def test_a_founder_whose_power_goes_while_it_makes_its_log_starts_again_as_founder(seed):
    dice = random.Random(seed)
    for operation in range(1, 40):
        disk = SimDisk()
        disk.power_off_at = operation
        try:
            asyncio.run(opened(disk))
        except PowerLost:
            disk = disk.crash(dice)
        else:
            break
        durable = asyncio.run(opened(disk))
        assert durable.storage.initial_state() == (HardState(1, 0, 1), FOUNDERS)
    assert operation > 5, "the log was made in fewer operations than were played through"


def log_with(entries, hard_state=None):
    disk = SimDisk()
    durable = asyncio.run(opened(disk))
    asyncio.run(appended(durable, hard_state, entries))
    return disk


@pytest.mark.parametrize("voted_in", [2, 5, 9])
def test_a_snapshot_beyond_the_log_takes_its_place_and_promises_are_kept(voted_in):
    disk = log_with([Entry(2, 2), Entry(2, 3)], HardState(voted_in, 2, 2))
    for _ in range(2):  # the second time the log knows of it
        durable = asyncio.run(opened(disk, snapshot=received(50, 5)))
        assert durable.storage.first_index() == 51
        assert durable.storage.last_index() == 50
        assert durable.storage.term(50) == 5
        hard_state, _conf = durable.storage.initial_state()
        assert hard_state == (HardState(5, 0, 50) if voted_in < 5 else HardState(voted_in, 2, 50))


def test_a_joiner_whose_power_goes_behind_its_first_snapshot_goes_on_from_it():
    disk = SimDisk()
    asyncio.run(opened(disk, ConfState()))
    durable = asyncio.run(opened(disk, ConfState(), received(50, 5)))
    assert durable.storage.initial_state() == (HardState(5, 0, 50), FOUNDERS)
    assert durable.storage.last_index() == 50


def test_entries_that_contradict_a_received_snapshot_are_not_taken_for_committed():
    disk = log_with([Entry(2, index) for index in range(2, 61)], HardState(2, 0, 10))
    durable = asyncio.run(opened(disk, snapshot=received(50, 5)))
    assert durable.storage.term(50) == 5
    assert durable.storage.last_index() == 50


def test_a_snapshot_of_the_own_state_leaves_the_log_as_it_is():
    disk = log_with([Entry(2, index) for index in range(2, 61)], HardState(2, 0, 60))
    durable = asyncio.run(opened(disk, snapshot=received(50, 2)))
    assert durable.storage.last_index() == 60
    assert durable.storage.first_index() == 2


def test_a_log_that_begins_behind_the_newest_sound_snapshot_is_refused():
    disk = SimDisk()
    durable = asyncio.run(opened(disk))
    asyncio.run(replaced(durable, received(50, 2), HardState(2, 0, 50)))
    with pytest.raises(Exception, match="what lies between is lost"):
        asyncio.run(opened(disk, snapshot=received(20, 2)))


def test_the_mark_of_an_own_snapshot_is_no_reason_to_begin_anew():
    disk = log_with([Entry(2, index) for index in range(2, 61)], HardState(2, 0, 60))
    wal, _recovered = Wal.open(disk, "wal", cluster_id="c", member_id=1, segment_bytes=4096)
    wal.write([encode_batch([], None, snapshot_mark=SnapshotMark(50, 2))], sync=True)
    wal.close()
    durable = asyncio.run(opened(disk, snapshot=received(50, 2)))
    assert durable.storage.last_index() == 60


def test_an_own_snapshot_that_a_leaders_has_overtaken_changes_nothing():
    async def story():
        durable = await opened(SimDisk())
        await appended(durable, HardState(2, 0, 60), [Entry(2, index) for index in range(2, 61)])
        await replaced(durable, received(90, 3), HardState(3, 0, 90))
        assert not await durable.taken(50, FOUNDERS, b"own", 5, 1 << 20)
        assert durable.storage.snapshot() == received(90, 3)
        assert durable.storage.first_index() == 91

    asyncio.run(story())


class GroupWriter(InlineWriter):
    """Writes what has been begun as one batch when the test says so, and tells all of it at once, as the thread does."""

    def __init__(self, wal):
        super().__init__(wal)
        self.waiting = []

    def begin(self, batch, ended):
        self.waiting.append((batch, ended))

    def settle(self):
        waiting, self.waiting = self.waiting, []
        self.wal.write([batch for batch, _ in waiting], sync=True)
        for _, ended in waiting:
            ended(None)


def test_entries_that_follow_a_received_snapshot_into_one_sync_lie_behind_it_on_the_disk_and_in_memory():
    disk = SimDisk()

    async def story():
        wal, recovered = Wal.open(disk, "wal", cluster_id="c", member_id=1, segment_bytes=4096)
        await open_log(InlineWriter(wal), recovered, FOUNDERS, None, LogRoom(wal, 4096), lambda _seconds: None)
        wal.close()
        wal, recovered = Wal.open(disk, "wal", cluster_id="c", member_id=1, segment_bytes=4096)
        writer = GroupWriter(wal)
        heard: list[object] = []
        durable = await open_log(writer, recovered, FOUNDERS, None, LogRoom(wal, 4096), lambda _seconds: None)
        durable.keep(HardState(2, 1, 1))
        durable.begin(HardState(2, 1, 1), [Entry(2, 2), Entry(2, 3)], heard.append)
        durable.keep(HardState(2, 1, 2))
        durable.replace(received(50, 5), HardState(5, 0, 50), heard.append)
        durable.begin(None, [Entry(5, 51), Entry(5, 52)], heard.append)
        assert durable.storage.last_index() == 1, "nothing is durable yet"
        writer.settle()
        assert heard == [None] * 3
        return durable

    durable = asyncio.run(story())
    for found in (durable, asyncio.run(opened(disk.crash(random.Random(1)), snapshot=received(50, 5)))):
        assert (found.storage.first_index(), found.storage.last_index()) == (51, 52)
        assert found.storage.term(52) == 5
        assert found.storage.initial_state()[0] == HardState(5, 0, 50), "an older promise was written behind it"


def test_a_log_in_memory_that_does_not_follow_the_disk_is_told_as_a_failure():
    async def story():
        durable = await opened(SimDisk())
        durable.storage = LogStorage(FOUNDERS)  # lacks the founding entry
        heard: list[object] = []
        durable.begin(HardState(2, 1, 1), [Entry(2, 2)], heard.append)
        assert [type(one) for one in heard] == [StorageFailed]

    asyncio.run(story())
