"""Whole members in one process, for tests: real disks, a bus in memory, clients that propose, read and follow."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from lictor_bus import FakeBus, Hub, LeaderTracker, Presence, Proposer, ReadGate, View
from lictor_kit.metrics import Metrics
from lictor_raft import ConfState
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.member import StoreMember, open_member
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.slots import Slot, claim_slot
from lictor_state.commands import KVSet
from lictor_state.levels import LEVEL_MAX

CLUSTER = "11111111-2222-4333-8444-555555555555"
FAST = {
    "raft_store_heartbeat_ms": 20,
    "raft_store_election_ms": 200,
    "raft_store_tick_ms": 10,
    "raft_store_check_invariants": True,
}


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
        self.folder = tmp_path
        self.settings = RaftStoreSettings(**{**FAST, **settings})
        self.volumes = {number: str(tmp_path / str(number)) for number in (1, 2, 3)}
        self.running: dict[int, Running] = {}
        self.disks: dict[int, Any] = {}
        self.failures: list[BaseException] = []
        self.founders = ConfState()

    async def start_all(self):
        slots = {number: self.claim(number) for number in self.volumes}
        self.founders = ConfState(tuple(sorted(slot.member_id for slot in slots.values())))
        for number, slot in slots.items():
            await self.start(number, slot)

    def add_volume(self):
        number = max(self.volumes) + 1
        self.volumes[number] = str(self.folder / str(number))
        return number

    def claim(self, number):
        return claim_slot(RealDisk(), self.volumes[number], random.getrandbits, slots=1)

    async def start(self, number, slot=None):
        slot = slot or self.claim(number)
        bus = FakeBus(self.hub)
        record = {
            "member": slot.member_id,
            "name": f"server-{number}",
            "address": "127.0.0.1",
            "port": 8300,
            "cluster": CLUSTER,
            "applied": 1,
        }
        presence = Presence(bus, "raft-store", f"server-{number}", f"run-{number}-{random.random()}", record)
        tasks: list[asyncio.Task[Any]] = []

        def spawn(_name, work):
            tasks.append(asyncio.ensure_future(self.guarded(work)))

        member = await open_member(
            bus=bus,
            disk=self.disks.get(number) or RealDisk(),
            slot=slot,
            cluster=CLUSTER,
            founders=self.founders if slot.member_id in self.founders.voters else ConfState(),
            presence=presence,
            settings=self.settings,
            metrics=StoreMetrics(Metrics("raft-store")),
            spawn=spawn,
        )
        for work in (presence.run(), member.driver.run(), member.leadership.run()):
            spawn("", work)
        presence.update({**presence.record, "applied": min(member.driver.node.status().last_index, 1)})
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


def run(tmp_path, story, make_disk=RealDisk, **settings):
    async def main():
        cluster = Cluster(tmp_path, **settings)
        cluster.disks = {number: make_disk() for number in cluster.volumes}
        client = Client(cluster.hub)
        await cluster.start_all()
        await client.start()
        await until(lambda: client.tracker.beacon is not None and client.tracker.beacon.level == LEVEL_MAX)
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
