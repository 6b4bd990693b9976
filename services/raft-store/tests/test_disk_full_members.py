"""A full disk is a state: members whose disks fill up and are cleared again, seen by those who write and read."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from store_members import run, until, write

from lictor_bus import NoSpaceError, OutcomeUnknownError
from lictor_raft_store.disk import DiskFull, RealDisk, RealFile
from lictor_state.commands import KVSet


class FullableFile:
    """A file that cannot be made larger while its disk is full."""

    def __init__(self, disk: "FullableDisk", file: RealFile) -> None:
        self._disk, self._file = disk, file
        self.read, self.fdatasync, self.size, self.close = file.read, file.fdatasync, file.size, file.close

    def pwrite(self, data: bytes, offset: int) -> None:
        self._disk.need(self._file, offset + len(data))
        self._file.pwrite(data, offset)

    def pwrite_durably(self, data: bytes, offset: int) -> None:
        self._disk.need(self._file, offset + len(data))
        self._file.pwrite_durably(data, offset)

    def fallocate(self, length: int) -> None:
        self._disk.need(self._file, length)
        self._file.fallocate(length)


class FullableDisk(RealDisk):
    """A real disk that is full when a test says so."""

    def __init__(self) -> None:
        self.full = False

    def open(self, path, *, create):
        return FullableFile(self, super().open(path, create=create))

    def need(self, file: RealFile, length: int) -> None:
        if self.full and length > file.size():
            raise DiskFull("no room left on the device")


class SmallDisk(FullableDisk):
    """A real disk on which everything in one folder together has a limit, once a test has set one."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.capacity_bytes = folder, 1 << 40

    @property
    def used_bytes(self) -> int:
        return sum(one.stat().st_size for one in self.folder.rglob("*") if one.is_file())

    def need(self, file: RealFile, length: int) -> None:
        if self.used_bytes + max(0, length - file.size()) > self.capacity_bytes:
            raise DiskFull("no room left on the device")


async def fill(client, first):
    """Write until a leader says that there is no space; the number of the first write that was refused, and why."""
    for number in range(first, first + 200):
        with contextlib.suppress(OutcomeUnknownError):  # on its way while leadership went from one to the other
            try:
                await client.proposer.propose(KVSet(f"big{number}", bytes(60_000), cas=0))
            except NoSpaceError as error:
                return number, str(error)
    raise AssertionError("never full")


def settled(cluster):
    """Whether everybody knows that nobody has room, so that nobody looks for an heir any more."""
    told = [
        record.record.get("room") for one in cluster.running.values() for record in one.presence.present("raft-store")
    ]
    leader = cluster.leader()
    return (
        len(told) == 9
        and "ok" not in told
        and None not in told
        and leader is not None
        and not cluster.running[leader].member.driver.node.status().transferee
    )


def test_a_full_cluster_refuses_writes_serves_reads_keeps_its_leader_and_resumes_by_itself(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 5)
        for disk in cluster.disks.values():
            disk.full = True
        refused, _ = await fill(client, 0)
        await until(lambda: settled(cluster))
        leader = cluster.leader()
        _, reason = await fill(client, refused)
        assert reason.startswith(f"No space left for the log of server-{leader}: writes are refused")
        node = cluster.running[leader].member.driver.node
        term, commit = node.term, node.status().commit
        api = cluster.running[leader].member.api
        own = await api.propose_own(KVSet("own", b"x"))
        assert own is None, "the leader's own decisions wait as well"
        for _ in range(20):  # several election timeouts
            await asyncio.sleep(0.05)
            assert (await client.gate.ask(consistent=True)).applied >= commit
            with pytest.raises(NoSpaceError):
                await client.proposer.propose(KVSet("small", b"x"))
        assert (node.term, node.status().commit) == (term, commit), "nothing was written and nobody campaigned"
        assert len(cluster.digests()) == 1
        for disk in cluster.disks.values():
            disk.full = False
        await until(lambda: not any(one.member.api.room.reason for one in cluster.running.values()))
        done = await client.proposer.propose(KVSet(f"big{refused}", b"x", cas=0))
        assert done.result.value is True, "what was refused had not been applied"
        await write(client, 100, 50)
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1

    run(tmp_path, story, FullableDisk, raft_store_segment_mib=1)


def test_a_full_leader_hands_over_and_as_a_follower_waits_for_space_without_disturbing_anybody(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 5)
        full = cluster.leader()
        cluster.disks[full].full = True
        for number in range(60):
            while True:
                with contextlib.suppress(NoSpaceError, OutcomeUnknownError):  # on the way to an heir
                    await client.proposer.propose(KVSet(f"big{number}", bytes(60_000)))
                    break
        assert cluster.leader() not in {full, None}
        behind = cluster.running[full].member
        leader = cluster.running[cluster.leader()].member.driver
        assert behind.driver.machine.applied < leader.machine.applied
        assert behind.driver.durable.room.state == "out"
        term = leader.node.term
        await asyncio.sleep(1.0)
        assert leader.node.term == term, "it answers heartbeats and does not campaign"
        assert leader.node.status().peers[behind.driver.node.status().id].recent_active
        cluster.disks[full].full = False
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1

    run(tmp_path, story, FullableDisk, raft_store_segment_mib=1)


def test_a_member_that_starts_on_a_full_disk_follows_in_what_it_has(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 5)
        number = next(one for one in cluster.running if one != cluster.leader())
        await cluster.kill(number)
        cluster.disks[number].full = True
        await write(client, 10, 20)
        await cluster.start(number)
        await until(lambda: len(cluster.applied()) == 1)
        assert cluster.running[number].member.driver.durable.room.state == "short"
        cluster.disks[number].full = False
        await until(lambda: cluster.running[number].member.driver.durable.room.state == "ok")

    run(tmp_path, story, FullableDisk, raft_store_segment_mib=1)


def test_a_log_that_fills_its_disk_by_itself_makes_room_by_a_snapshot_before_its_time(tmp_path):
    async def write_bigs(client, count):
        for number in range(count):
            while True:
                with contextlib.suppress(NoSpaceError, OutcomeUnknownError):  # until the snapshot is there
                    await client.proposer.propose(KVSet(f"big{number % 10}", number.to_bytes(2, "big") * 30_000))
                    break

    async def story(cluster, client):
        await write_bigs(client, 320)
        await until(lambda: all(len(list(disk.folder.rglob("*.snap"))) == 2 for disk in disks))
        for disk in disks:
            disk.capacity_bytes = disk.used_bytes + (3 << 20) + 4096  # the next snapshot is due after nine
        await write_bigs(client, 300)
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1

    disks = [SmallDisk(tmp_path / str(number)) for number in (1, 2, 3)]
    small = {"raft_store_snapshot_entries": 150, "raft_store_trailing_entries": 20}
    run(tmp_path, story, iter(disks).__next__, raft_store_segment_mib=1, **small)
