"""The snapshot on disk: what a restart finds, what a crash may tear, what a full disk may refuse."""

import asyncio
import itertools
import os

import pytest

from lictor_gossip import snapshot_file
from lictor_gossip.snapshot_file import SnapshotFile
from lictor_swim import Clocks, Endpoint, LeaveStarted, MemberChange, MemberEvent, SerfMember, Status, address_bytes


def member(number, status=Status.ALIVE):
    return SerfMember(f"n{number}", address_bytes(f"10.0.0.{number % 250 + 1}"), 8301, {}, status, 0, bytes(6), 1, 0.0)


def joined(number):
    return MemberEvent(MemberChange.JOINED, member(number))


class Disk(SnapshotFile):
    """A file that remembers what it said."""

    def __init__(self, path):
        self.said: list[str] = []
        self.path = path
        super().__init__(path, self.said.append)


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path / "pool.snapshot")


def reopened(disk):
    return SnapshotFile(disk.path, disk.said.append)


def test_a_restart_finds_the_members_that_were_alive_and_the_clocks(disk):
    snapshot = disk.snapshot("own", disk.load())
    for event in (joined(1), joined(2), MemberEvent(MemberChange.FAILED, member(2, Status.FAILED))):
        snapshot.observe(event)
    disk.close(snapshot, Clocks(7, 8, 9))
    found = reopened(disk).load()
    assert found.members == {"n1": Endpoint("10.0.0.2", 8301)}
    assert (found.clocks, found.left) == (Clocks(7, 8, 9), False)


def test_a_node_that_left_does_not_return_by_itself(disk):
    snapshot = disk.snapshot("own", disk.load())
    snapshot.observe(joined(1))
    disk.close(snapshot, Clocks(1, 1, 1))
    snapshot.observe(LeaveStarted())
    disk.close(snapshot, Clocks(2, 1, 1))
    found = reopened(disk).load()
    assert (found.members, found.left) == ({}, True)


def test_a_torn_last_line_is_cut_off_and_the_rest_holds_wherever_it_was_torn(disk):
    snapshot = disk.snapshot("own", disk.load())
    for number in (1, 2):
        snapshot.observe(joined(number))
    disk.close(snapshot, Clocks(3, 0, 0))
    whole = disk.path.read_bytes()
    for end in range(len(whole) + 1):
        disk.path.write_bytes(whole[:end])
        again = reopened(disk)
        found = again.load()
        assert set(found.members) <= {"n1", "n2"}
        assert len(found.members) == whole[:end].count(b"alive: ") - (
            end < len(whole)
            and not whole[:end].endswith(b"\n")
            and whole[:end].rpartition(b"\n")[2].startswith(b"alive: ")
        )
        later = again.snapshot("own", found)
        later.observe(joined(3))
        again.close(later, Clocks(4, 0, 0))
        assert {"n3"} | set(found.members) == set(reopened(disk).load().members)


def test_a_file_of_noise_is_no_reason_not_to_start(disk):
    disk.path.write_bytes(os.urandom(4096) + b"\nalive: n9 10.0.0.9:8301\n" + os.urandom(100).replace(b"\n", b"."))
    assert reopened(disk).load().members == {"n9": Endpoint("10.0.0.9", 8301)}


def test_news_is_written_while_the_pool_runs_and_the_file_stays_small(disk, monkeypatch):
    monkeypatch.setattr(snapshot_file, "FLUSH_S", 0.005)

    async def story():
        snapshot = disk.snapshot("own", disk.load())
        ticks = iter(range(1, 10**9))
        task = asyncio.ensure_future(disk.keep(snapshot, lambda: Clocks(next(ticks), 0, 0)))
        sizes = []
        for turn in range(60):
            for number in range(200):
                change = MemberChange.FAILED if turn % 2 else MemberChange.JOINED
                snapshot.observe(MemberEvent(change, member(number)))
            await asyncio.sleep(0.01)
            sizes.append(disk.path.stat().st_size if disk.path.exists() else 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert max(sizes) > 100_000
        assert max(sizes) < 200_000  # 200 members: it was compacted at 128 KiB, several times
        assert sum(later < earlier for earlier, later in itertools.pairwise(sizes)) >= 1
        found = reopened(disk).load()
        assert found.clocks.members > 20

    asyncio.run(story())


def test_a_disk_that_takes_nothing_is_told_and_the_pool_goes_on(disk, monkeypatch):
    snapshot = disk.snapshot("own", disk.load())
    snapshot.observe(joined(1))

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    disk.close(snapshot, Clocks(1, 0, 0))
    assert "No space left on device" in disk.said[-1]
    assert disk.failures == 1
    monkeypatch.undo()
    snapshot.observe(joined(2))
    disk.close(snapshot, Clocks(2, 0, 0))
    assert disk.said[-1] == ""


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    said: list[str] = []
    (tmp_path / "pool.snapshot").mkdir()
    assert SnapshotFile(tmp_path / "pool.snapshot", said.append).load().members == {}
    assert "cannot be read" in said[-1]
