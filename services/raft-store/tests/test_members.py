"""Whole members in one process: real disks, a bus in memory; killed, restarted, left behind and brought back."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from lictor_bus import FakeBus, Hub, LeaderTracker, Presence, Proposer, ReadGate, View
from lictor_kit.metrics import Metrics
from lictor_raft import ConfState, Role
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.leader_duties.servers import SILENT_S
from lictor_raft_store.member import StoreMember, open_member
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.slots import Slot, claim_slot
from lictor_state.commands import KVSet

CLUSTER = "11111111-2222-4333-8444-555555555555"
FAST = {"raft_store_heartbeat_ms": 20, "raft_store_election_ms": 200, "raft_store_tick_ms": 10}


@dataclass
class Running:
    """One member that runs, and all its tasks."""

    slot: Slot
    bus: FakeBus
    member: StoreMember
    presence: Presence
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)


class Cluster:
    """Three members with folders of their own on one network."""

    def __init__(self, tmp_path, **settings):
        self.hub = Hub()
        self.settings = RaftStoreSettings(**{**FAST, **settings})
        self.volumes = {number: str(tmp_path / str(number)) for number in (1, 2, 3)}
        self.running: dict[int, Running] = {}
        self.failures: list[BaseException] = []
        self.founders = ConfState()

    async def start_all(self):
        slots = {number: self.claim(number) for number in self.volumes}
        self.founders = ConfState(tuple(sorted(slot.member_id for slot in slots.values())))
        for number, slot in slots.items():
            await self.start(number, slot)

    def claim(self, number):
        return claim_slot(RealDisk(), self.volumes[number], random.getrandbits, slots=1)

    async def start(self, number, slot=None):
        slot = slot or self.claim(number)
        bus = FakeBus(self.hub)
        record = {"member": slot.member_id, "name": f"server-{number}", "address": "127.0.0.1", "port": 8300}
        presence = Presence(bus, "raft-store", f"server-{number}", f"run-{number}-{random.random()}", record)
        tasks: list[asyncio.Task[Any]] = []

        def spawn(_name, work):
            tasks.append(asyncio.ensure_future(self.guarded(work)))

        member = await open_member(
            bus=bus,
            disk=RealDisk(),
            slot=slot,
            cluster=CLUSTER,
            founders=self.founders,
            presence=presence,
            settings=self.settings,
            metrics=StoreMetrics(Metrics("raft-store")),
            spawn=spawn,
        )
        for work in (presence.run(), member.driver.run(), member.leadership.run()):
            spawn("", work)
        self.running[number] = Running(slot, bus, member, presence, tasks)

    async def guarded(self, work):
        try:
            await work
        except Exception as error:
            self.failures.append(error)
            raise

    async def kill(self, number):
        """Gone without a word: the network first, so that nothing is said on the way out."""
        running = self.running.pop(number)
        running.bus.connected = False
        for task in running.tasks:
            task.cancel()
        await asyncio.gather(*running.tasks, return_exceptions=True)
        await running.member.durable.close()
        await running.bus.close()
        running.slot.release()

    async def close(self):
        for number in list(self.running):
            await self.kill(number)

    def leader(self):
        return next((n for n, one in self.running.items() if one.member.api.leading), None)

    def applied(self):
        return {one.member.driver.machine.applied for one in self.running.values()}

    def digests(self):
        return {one.member.driver.machine.store.digest() for one in self.running.values()}


class Client:
    """A process that proposes, reads and follows."""

    def __init__(self, hub):
        self.bus = FakeBus(hub)
        self.tracker = LeaderTracker(self.bus)
        self.proposer = Proposer(self.bus, self.tracker, "client")
        self.gate = ReadGate(self.bus, self.tracker)
        self.view = View(self.bus, self.tracker, "all")
        self.tasks: list[asyncio.Task[Any]] = []

    async def start(self):
        await self.tracker.start()
        self.tasks = [asyncio.ensure_future(one.run()) for one in (self.proposer, self.gate, self.view)]

    async def close(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.bus.close()


async def until(condition, timeout_s=15.0):
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def run(tmp_path, story, **settings):
    async def main():
        cluster = Cluster(tmp_path, **settings)
        client = Client(cluster.hub)
        await cluster.start_all()
        await client.start()
        try:
            await asyncio.wait_for(story(cluster, client), 60)
            assert cluster.failures == []
        finally:
            await client.close()
            await cluster.close()

    asyncio.run(main())


async def write(client, first, count):
    for number in range(first, first + count):
        done = await client.proposer.propose(KVSet(f"k{number}", b"x" * 50, cas=0))
        assert done.result.value is True, f"k{number} was applied twice or lost its place"


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
        assert late.durable.storage.first_index() > 60, "the log could not have brought it here"
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
