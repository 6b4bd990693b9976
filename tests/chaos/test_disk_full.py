"""Members on small file systems of the kernel that really run full; needs root to mount them."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lictor_bus import NoSpaceError, OutcomeUnknownError
from lictor_raft_store.disk import DiskFull, RealDisk
from lictor_state.commands import KVSet

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "services/raft-store/tests"))
from store_members import run, until, write

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting needs root"),
]
VOLUME_MIB = 24


@pytest.fixture(params=["tmpfs", "ext4"])
def volumes(request, tmp_path):
    """A folder whose subfolders 1, 2 and 3 are small file systems of their own."""
    mounted = []
    try:
        for number in (1, 2, 3):
            folder = tmp_path / str(number)
            folder.mkdir()
            if request.param == "tmpfs":
                command = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_MIB}m", "none", str(folder)]
            else:
                if not shutil.which("mkfs.ext4"):
                    pytest.skip("mkfs.ext4 is not here")
                image = tmp_path / f"{number}.img"
                with image.open("wb") as file:
                    file.truncate(VOLUME_MIB * 1024 * 1024)
                subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
                command = ["mount", "-o", "loop", str(image), str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"cannot mount {request.param}: {done.stderr.strip()}")
            mounted.append(folder)
        yield tmp_path
    finally:
        for folder in mounted:
            subprocess.run(["umount", str(folder)], check=True)


def fill(folder):
    """Take every byte of a file system that is left."""
    with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


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
            (volumes / str(number) / "filler").unlink()
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
        (volumes / str(full) / "filler").unlink()
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1

    run(volumes, story, raft_store_segment_mib=1, raft_store_snapshot_entries=30, raft_store_trailing_entries=16)
