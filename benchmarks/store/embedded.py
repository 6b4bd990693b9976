"""A raft-store member inside the benchmark's own process, put together by the same `open_member` as in a raft-store.

Two of the three members are processes of their own. This one is made the leader by the cluster's own
`transfer_leader`: so "in-process clients" can call the store's own propose path (`StoreApi.propose_own`, one command a
call) without a hop to the leader.
"""

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any

from lictor_bus import Lane, NatsBus, NatsLane, Presence, connect
from lictor_kit.metrics import Metrics
from lictor_raft import ConfState, Role
from lictor_raft_store.direct import open_direct
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.founding import Promise
from lictor_raft_store.founding_driver import found
from lictor_raft_store.member import StoreMember, open_member
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.slots import claim_slot
from lictor_raft_store.surroundings import boottime
from lictor_state.commands import Command
from tests.chaos.real_cluster import HOST, RealCluster

LEAD_LIMIT_S = 30.0


class Embedded:
    """The third member, in this process."""

    def __init__(self, cluster: RealCluster, *, direct: bool) -> None:
        """`cluster` runs the other two; they expect three founders."""
        self._cluster, self._direct = cluster, direct
        self._tasks: list[asyncio.Task[Any]] = []
        self.member: StoreMember
        self.cluster_id = ""

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> object:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        return task

    async def start(self) -> None:
        """Found the cluster with the other two."""
        disk, settings = RealDisk(), RaftStoreSettings()
        slot = claim_slot(
            disk, str(self._cluster.folder / "embedded"), lambda bits: uuid.uuid4().int >> (128 - bits), slots=1
        )
        self._bus: NatsBus = await connect(self._cluster.nats_url(), "embedded raft-store")
        record = {"member": slot.member_id, "name": "embedded", "address": HOST, "port": 8300}
        presence = Presence(self._bus, "raft-store", "embedded", uuid.uuid4().hex, record)
        self._spawn("presence", presence.run())
        promise = await found(self._bus, slot, 3, str(uuid.uuid4()), boottime, lambda _text: None)
        assert isinstance(promise, Promise), "the others founded a cluster without this member"
        self.cluster_id = promise.cluster
        lane: Lane = NatsLane(self._bus, lambda: promise.cluster, slot.member_id)
        if self._direct:
            own = slot.member_id
            direct = await open_direct(
                self._bus, presence, promise.cluster, own, bind=HOST, port=0, advertise=HOST, clock=boottime
            )
            self._spawn("direct lane", direct.run())
            lane = direct
        self.member = await open_member(
            bus=self._bus,
            disk=disk,
            slot=slot,
            cluster=promise.cluster,
            founders=ConfState(promise.members),
            presence=presence,
            settings=settings,
            metrics=StoreMetrics(Metrics("raft-store")),
            spawn=self._spawn,
            lane=lane,
        )
        self._spawn("raft", self.member.driver.run())
        self._spawn("leadership", self.member.leadership.run())
        await asyncio.to_thread(self._cluster.start)

    async def lead(self) -> None:
        """Have this member lead: whoever leads is asked to hand over to it."""
        driver = self.member.driver
        async with asyncio.timeout(LEAD_LIMIT_S):
            while not self.member.api.leading:
                if driver.node.role is not Role.LEADER and driver.node.leader:
                    driver.post(lambda: driver.node.transfer_leader(driver.node.status().id))
                await asyncio.sleep(0.5)

    async def propose(self, command: Command) -> object:
        """One command through the leader's own propose path."""
        done = await self.member.api.propose_own(command)
        assert done is not None, "a command was not applied in time"
        return done

    async def close(self) -> None:
        """End the member."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.member.durable.close()
        await self._bus.close()
