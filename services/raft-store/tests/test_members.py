"""Whole members in one process: real disks, a bus in memory; killed, restarted, left behind and brought back."""

import asyncio
import random

import pytest
from store_members import Client, run, until, write

from lictor_bus import Proposer, frames
from lictor_bus.frames import Feed
from lictor_raft import Role
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.leader_duties.servers import SILENT_S
from lictor_state.commands import KVSet


def test_a_write_is_applied_by_all_and_servers_stand_in_the_catalog(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 20)
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1
        await until(lambda: client.view.store.service("server-3", "consul") is not None)

    run(tmp_path, story)


def test_a_server_that_says_goodbye_is_restarting_and_one_that_stays_silent_has_failed(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 3)
        await until(lambda: all(client.view.store.agent(f"server-{number}") for number in cluster.running))
        gone = next(number for number in cluster.running if number != cluster.leader())
        name = f"server-{gone}"
        await cluster.running[gone].presence.close()
        await cluster.kill(gone)
        silent = asyncio.get_running_loop().time()
        await until(lambda: client.view.store.agent(name).status == "failed")
        assert asyncio.get_running_loop().time() - silent > SILENT_S - 1
        await cluster.start(gone)
        await until(lambda: client.view.store.agent(name).status == "alive")

    run(tmp_path, story)


def test_a_strong_read_sees_every_write_before_it(tmp_path):
    async def story(cluster, client):
        await client.view.ready.wait()
        for number in range(10):
            done = await client.proposer.propose(KVSet("a", str(number).encode()))
            for consistent in (False, True):
                answer = await client.gate.ask(consistent=consistent)
                assert answer.applied >= done.index
                assert await client.view.reach(answer, 2.0)
            assert client.view.store.kv("a").value == str(number).encode()

    run(tmp_path, story)


def test_the_leader_is_killed_again_and_again_and_nothing_is_lost_or_applied_twice(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 5)
        for turn in range(1, 4):
            await until(lambda: cluster.leader() is not None)
            killed = cluster.leader()
            writing = asyncio.ensure_future(write(client, turn * 100, 20))
            await asyncio.sleep(0.02)
            await cluster.kill(killed)
            await writing
            await cluster.start(killed)
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1
        answer = await client.gate.ask(consistent=True)
        assert await client.view.reach(answer, 5.0)
        assert sum(1 for _ in client.view.store.rows(4)) == 65

    run(tmp_path, story)


def test_all_are_killed_and_come_back_with_everything(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 50)
        for number in (1, 2, 3):
            await cluster.kill(number)
        for number in (1, 2, 3):
            await cluster.start(number)
        await write(client, 50, 10)
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1

    run(tmp_path, story)


def test_a_follower_too_far_behind_is_given_a_snapshot(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 5)
        await until(lambda: cluster.leader() is not None)
        behind = next(number for number in cluster.running if number != cluster.leader())
        await cluster.kill(behind)
        await write(client, 100, 150)
        leader = cluster.running[cluster.leader()].member
        await until(lambda: leader.durable.storage.first_index() > 60)
        await cluster.start(behind)
        late = cluster.running[behind].member
        await until(lambda: late.driver.machine.applied > 100 and len(cluster.applied()) == 1)
        await until(lambda: late.durable.storage.first_index() > 60)  # the log could not have brought it here
        assert len(cluster.digests()) == 1
        await write(client, 300, 5)

    run(tmp_path, story, raft_store_snapshot_entries=40, raft_store_trailing_entries=5)


def test_a_restart_from_a_snapshot_and_the_log_behind_it_gives_the_same_state(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 120)
        await until(lambda: len(cluster.applied()) == 1)
        await until(lambda: all(r.member.durable.storage.first_index() > 60 for r in cluster.running.values()))
        before = cluster.digests()
        assert len(before) == 1
        for number in (1, 2, 3):
            await cluster.kill(number)
            await cluster.start(number)
        await write(client, 500, 3)
        await until(lambda: len(cluster.applied()) == 1)
        assert len(cluster.digests()) == 1

    run(tmp_path, story, raft_store_snapshot_entries=40, raft_store_trailing_entries=5)


def test_a_view_that_was_away_for_long_resumes_by_snapshot_and_equals_the_state(tmp_path):
    async def story(cluster, client):
        await client.view.ready.wait()
        client.bus.connected = False
        other = Client(cluster.hub)
        await other.start()
        for number in range(40):
            await other.proposer.propose(KVSet(f"big{number}", random.randbytes(60_000)))
        client.bus.connected = True
        await until(lambda: client.view.index >= other.view.index > 0)
        assert client.view.store.digest() == other.view.store.digest()
        served = sum(one.member.resume.snapshots_served for one in cluster.running.values())
        assert served >= 2, "what is kept of the feed is less than what was missed"
        await other.close()

    run(tmp_path, story, raft_store_feed_mib=1)


def test_leadership_is_handed_over_on_request(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 3)
        await until(lambda: cluster.leader() is not None)
        before = cluster.leader()
        assert await cluster.running[before].member.driver.hand_over(3.0)
        await until(lambda: cluster.leader() not in {None, before})
        await write(client, 10, 3)
        assert cluster.running[before].member.driver.node.role is Role.FOLLOWER

    run(tmp_path, story)


def test_a_member_whose_log_is_gone_does_not_come_back_to_vote(tmp_path):
    async def story(cluster, client):
        await write(client, 0, 3)
        await cluster.kill(1)
        slot = cluster.claim(1)
        for name in RealDisk().listdir(slot.wal_folder):
            RealDisk().unlink(f"{slot.wal_folder}/{name}")
        with pytest.raises(Exception, match="has forgotten whom it voted for"):
            await cluster.start(1, slot)
        slot.release()

    run(tmp_path, story)


def test_an_answer_brings_the_changes_to_who_asked_for_them_once_for_all_batches_of_a_round(tmp_path):
    async def story(cluster, client):
        brought: list[bytes] = []
        asking = Proposer(client.bus, client.tracker, "asking", feed=brought.append)
        running = asyncio.ensure_future(asking.run())
        await asking.propose(KVSet("warm", b"up"))
        await client.proposer.propose(KVSet("other", b"who did not ask"))
        brought.clear()
        done = await asyncio.gather(*(asking.propose(KVSet(f"k{n}", b"x" * 2000)) for n in range(20)))
        feeds = [frames.decode(data, Feed) for data in brought]
        assert feeds
        assert feeds[-1].last >= max(one.index for one in done)
        spans = [(feed.prev, feed.last) for feed in feeds]
        assert len(set(spans)) == len(spans)
        await until(lambda: client.view.index >= feeds[-1].last)
        again = client.view.index
        for data in brought:  # by the feed it has come already
            client.view.offer(data)
        assert client.view.index == again
        assert client.view.resumes == 1
        big = await asking.propose(KVSet("big", b"x" * 300_000))
        assert all(frames.decode(data, Feed).last < big.index for data in brought)  # too long to bring along
        running.cancel()

    run(tmp_path, story)
