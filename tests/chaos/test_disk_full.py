"""Members on small file systems of the kernel that really run full; needs root to mount them."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from lictor_bus import NoSpaceError, OutcomeUnknownError
from lictor_raft_store.disk import DiskFull, RealDisk
from lictor_state.commands import KVSet
from tests.chaos import small_volumes
from tests.chaos.small_volumes import fill, make_room, mounted

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "services/raft-store/tests"))
from store_members import run, until, write

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(bool(small_volumes.missing()), reason=small_volumes.missing()),
]
VOLUME_MIB = 24


@pytest.fixture(params=small_volumes.KINDS)
def volumes(request, tmp_path):
    """A folder whose subfolders 1, 2 and 3 are small file systems of their own."""
    with mounted(request.param, [tmp_path / str(number) for number in (1, 2, 3)], tmp_path, VOLUME_MIB) as reason:
        if reason:
            pytest.skip(reason)
        yield tmp_path


def test_three_members_on_full_volumes_refuse_writes_serve_reads_and_resume(volumes):
    async def story(cluster, client):
        await write(client, 0, 5)
        for number in (1, 2, 3):
            fill(volumes / str(number))
        more = RealDisk().open(str(volumes / "1" / "more"), create=True)
        with pytest.raises(DiskFull):
            more.pwrite(bytes(8192), 0)
        more.close()
        acknowledged, refused = [], 0
        for number in range(200):
            try:
                with contextlib.suppress(OutcomeUnknownError):
                    await client.proposer.propose(KVSet(f"big{number}", bytes(60_000)))
                    acknowledged.append(number)
            except NoSpaceError:
                refused += 1
                if refused > 10:
                    break
        assert refused > 10
        assert (await client.gate.ask(consistent=True)).status == "ok"
        for number in (1, 2, 3):
            make_room(volumes / str(number))
        await until(lambda: not any(one.member.api.room.reason for one in cluster.running.values()))
        await write(client, 1000, 20)
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1
        for number in acknowledged:
            assert client.view.store.kv(f"big{number}") is not None
        for number in (1, 2, 3):
            await cluster.kill(number)
            await cluster.start(number)
            await until(lambda: cluster.leader() is not None)
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1

    run(volumes, story, raft_store_segment_mib=1, raft_store_snapshot_entries=30, raft_store_trailing_entries=16)


def test_one_full_follower_falls_behind_and_catches_up_by_a_snapshot_once_there_is_space(volumes):
    async def story(cluster, client):
        await write(client, 0, 5)
        full = next(number for number in cluster.running if number != cluster.leader())
        fill(volumes / str(full))
        for number in range(60):
            with contextlib.suppress(NoSpaceError, OutcomeUnknownError):
                await client.proposer.propose(KVSet(f"big{number % 40}", bytes(60_000)))
        behind = cluster.running[full].member.driver
        leader = cluster.running[cluster.leader()].member.driver
        async with asyncio.timeout(20):
            while behind.machine.applied >= leader.durable.storage.first_index():  # until only a snapshot helps
                await client.proposer.propose(KVSet("small", b"x"))
        term = leader.node.term
        await asyncio.sleep(1.0)
        assert leader.node.term == term
        make_room(volumes / str(full))
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1

    run(volumes, story, raft_store_segment_mib=1, raft_store_snapshot_entries=30, raft_store_trailing_entries=16)
