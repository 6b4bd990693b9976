"""The lives of a member in its slot: from finding its cluster to being stopped, or removed.

A life has its own connection to the bus and its own tasks, and leaves nothing behind when it ends. A member that learns
that it was removed from its cluster sets its data aside, which gives the slot a new member id, and begins the next
life: it joins again as a learner.
"""

import asyncio
import contextlib
import socket
import uuid
from typing import Any

import structlog

from lictor_bus import Bus, DirectLane, Lane, NatsLane, Presence, connect
from lictor_kit.garbage import spare_the_collector
from lictor_kit.service import Context
from lictor_raft_store.bus_watch import watch_bus
from lictor_raft_store.direct import open_direct
from lictor_raft_store.disk import Disk
from lictor_raft_store.member import StoreMember, open_member
from lictor_raft_store.membership import Membership, find_membership
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.roster import conf_ids
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.slots import Slot
from lictor_raft_store.surroundings import boottime

HAND_OVER_S = 3.0
READINESS_EVERY_S = 0.1
NO_LEADER = "no leader is known: no quorum, or an election"
NOT_ADDED = "not a member of cluster {} yet: waits for its leader to add this process"

log = structlog.get_logger()


class _RemovedError(Exception):
    """This member is in the configuration no more."""


class Lives:
    """Runs one life after the other; `start` once, `stop` at the end of the process."""

    def __init__(self, context: Context, disk: Disk, slot: Slot, settings: RaftStoreSettings) -> None:
        self._context, self._disk, self._slot, self._settings = context, disk, slot, settings
        self._metrics = StoreMetrics(context.metrics)
        self._task: asyncio.Task[None] | None = None
        self._member: StoreMember | None = None
        self._presence: Presence | None = None

    def start(self) -> None:
        """Begin the first life."""
        self._context.readiness.set("leader", ok=False, reason=NO_LEADER)
        self._task = self._context.spawn("member", self._run())

    async def stop(self) -> None:
        """Give leadership away, say goodbye, and end the life."""
        if self._member is not None:
            gone = await self._member.driver.hand_over(HAND_OVER_S)
            log.info("leadership handed over" if gone else "leadership not handed over in time")
        if self._presence is not None:
            await self._presence.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(_RemovedError):
                await self._live()
            removed = self._slot.member_id
            self._slot.set_aside()
            log.warning(
                "removed from the cluster, data set aside", member=f"{removed:x}", now=f"{self._slot.member_id:x}"
            )

    async def _live(self) -> None:
        """One life.

        Raises:
            _RemovedError: the cluster goes on without this member.
        """
        bus = await connect(self._settings.nats_url, f"raft-store {self._name}")
        direct: DirectLane | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                presence = self._presence = self._introduce(bus)
                tasks.create_task(presence.run(), name="presence")
                membership = await self._find_membership(bus)
                presence.update({**presence.record, "member": self._slot.member_id, "cluster": membership.cluster})
                lane: Lane = NatsLane(bus, lambda: membership.cluster, self._slot.member_id)
                if self._settings.direct:
                    lane = direct = await self._listen(bus, presence, membership.cluster)
                    tasks.create_task(direct.run(), name="direct lane")
                member = self._member = await self._open(bus, presence, membership, tasks, lane)
                spare_the_collector()
                tasks.create_task(member.driver.run(), name="raft")
                tasks.create_task(member.leadership.run(), name="leadership")
                patience_s = self._settings.raft_store_election_ms / 1000
                tasks.create_task(watch_bus(member.driver, presence, lane, patience_s, boottime), name="bus watch")
                tasks.create_task(self._tell(member, presence, membership.cluster), name="readiness")
                tasks.create_task(_until_removed(member.removed), name="removal")
        except ExceptionGroup as ended:  # by `except*`, Python before 3.11.4 would wrap what is raised here once more
            _, others = ended.split(_RemovedError)
            if others is not None:
                raise others from None
            raise _RemovedError from None
        finally:
            if self._member is not None:
                await self._member.durable.close()
            self._member = self._presence = None
            if direct is not None:
                await direct.close()
            await bus.close()

    @property
    def _name(self) -> str:
        return self._settings.raft_store_name or f"server-{self._slot.number}"

    async def _listen(self, bus: Bus, presence: Presence, cluster: str) -> DirectLane:
        """Open this life's end of the direct lane."""
        return await open_direct(
            bus,
            presence,
            cluster,
            self._slot.member_id,
            bind=self._settings.bind,
            port=self._settings.raft_store_direct_port,
            advertise=str(presence.record["address"]),
            clock=boottime,
        )

    def _introduce(self, bus: Bus) -> Presence:
        """This process's presence; `applied` 0 says that it has never been a member of its cluster.

        Until its log is open nobody can tell: what it was before, and was removed as, must not be added again.
        """
        settings = self._settings
        address = settings.raft_store_advertise or _own_address(settings.bind)
        record = {
            "member": self._slot.member_id,
            "name": self._name,
            "address": address,
            "port": settings.raft_store_port,
            "cluster": "",
            "applied": 1,
        }
        return Presence(bus, "raft-store", self._name, uuid.uuid4().hex, record)

    async def _find_membership(self, bus: Bus) -> Membership:
        readiness = self._context.readiness

        def say(waiting: str) -> None:
            readiness.set("founding", ok=False, reason=waiting)

        membership = await find_membership(bus, self._slot, self._settings.bootstrap_expect, boottime, say)
        readiness.set("founding", ok=True)
        return membership

    async def _open(
        self, bus: Bus, presence: Presence, membership: Membership, tasks: asyncio.TaskGroup, lane: Lane
    ) -> StoreMember:
        def spawn(name: str, work: Any) -> object:
            return tasks.create_task(work, name=name)

        return await open_member(
            bus=bus,
            disk=self._disk,
            slot=self._slot,
            cluster=membership.cluster,
            founders=membership.founders,
            presence=presence,
            settings=self._settings,
            metrics=self._metrics,
            spawn=spawn,
            lane=lane,
        )

    async def _tell(self, member: StoreMember, presence: Presence, cluster: str) -> None:
        """Ready means: this member is in the configuration and knows a leader."""
        readiness, driver = self._context.readiness, member.driver
        while True:
            status = driver.node.status()
            added = status.id in conf_ids(status.conf_state)
            readiness.note("failures", member.leadership.hold_reason())
            readiness.set("leader", ok=driver.node.leader != 0, reason=NO_LEADER)
            readiness.set("member", ok=added, reason=NOT_ADDED.format(cluster))
            no_room = member.api.room.reason
            readiness.set("disk", ok=not no_room, reason=no_room)
            presence.update({**presence.record, "applied": min(max(status.applied, status.last_index), 1)})
            self._metrics.term.set(status.term)
            self._metrics.commit.set(status.commit)
            self._metrics.store_index.set(driver.machine.store.index)
            self._metrics.level.set(driver.machine.store.level)
            await asyncio.sleep(READINESS_EVERY_S)


async def _until_removed(removed: asyncio.Event) -> None:
    await removed.wait()
    raise _RemovedError


def _own_address(bind: str) -> str:
    """The bind address, or for a wildcard the address that the host's name leads to."""
    return socket.gethostbyname(socket.gethostname()) if bind in {"0.0.0.0", "::"} else bind
