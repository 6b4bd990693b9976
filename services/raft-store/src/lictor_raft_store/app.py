"""Runs one raft-store member as a process: slot, bus, founding, then the member itself."""

import asyncio
import secrets
import socket
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from lictor_bus import Bus, Lane, NatsLane, Presence, connect
from lictor_kit.service import Context
from lictor_raft import ConfState
from lictor_raft_store.bus_watch import watch_bus
from lictor_raft_store.direct import open_direct
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.founding import Promise
from lictor_raft_store.founding_driver import found, read_promise
from lictor_raft_store.member import open_member
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.node_driver import NodeDriver
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.slots import NoFreeSlot, Slot, claim_slot
from lictor_raft_store.surroundings import boottime

HAND_OVER_S = 3.0
READINESS_EVERY_S = 0.1
SLOT_RETRY_S = 0.5
NO_LEADER = "no leader is known: no quorum, or an election"

log = structlog.get_logger()


async def build(context: Context, settings: RaftStoreSettings) -> None:
    """Start one member: slot, bus, founding, log, driver, duties."""
    disk = RealDisk()
    slot = await _claim(context, disk, settings)
    context.on_stop(_release(slot))
    name = settings.raft_store_name or f"server-{slot.number}"
    bus = await connect(settings.nats_url, f"raft-store {name}")
    context.on_stop(bus.close)
    address = settings.raft_store_advertise or _own_address(settings.bind)
    record = {"member": slot.member_id, "name": name, "address": address, "port": settings.raft_store_port}
    presence = Presence(bus, "raft-store", name, uuid.uuid4().hex, record)
    context.spawn("presence", presence.run())
    context.on_stop(presence.close)

    cluster, founders = await _membership(context, bus, slot, settings)
    metrics = StoreMetrics(context.metrics)
    lane: Lane = NatsLane(bus, lambda: cluster, slot.member_id)
    if settings.direct:
        port = settings.raft_store_direct_port
        direct = await open_direct(
            bus, presence, cluster, slot.member_id, bind=settings.bind, port=port, advertise=address, clock=boottime
        )
        lane = direct
        context.spawn("direct lane", direct.run())
        context.on_stop(direct.close)

    def spawn(task: str, work: Coroutine[Any, Any, None]) -> object:
        return context.spawn(task, work, may_end=True)

    member = await open_member(
        bus=bus,
        disk=disk,
        slot=slot,
        cluster=cluster,
        founders=founders,
        presence=presence,
        settings=settings,
        metrics=metrics,
        spawn=spawn,
        lane=lane,
    )
    context.on_stop(member.durable.close)
    context.readiness.set("leader", ok=False, reason=NO_LEADER)
    raft = context.spawn("raft", member.driver.run())
    patience_s = settings.raft_store_election_ms / 1000
    context.spawn("bus watch", watch_bus(member.driver, presence, lane, patience_s, boottime))
    context.spawn("leadership", member.leadership.run())
    context.spawn("readiness", _readiness(context, member.driver, metrics))
    context.on_stop(_hand_over(member.driver, raft))


def _own_address(bind: str) -> str:
    """The bind address, or for a wildcard the address that the host's name leads to."""
    return socket.gethostbyname(socket.gethostname()) if bind in {"0.0.0.0", "::"} else bind


async def _claim(context: Context, disk: RealDisk, settings: RaftStoreSettings) -> Slot:
    slots = settings.raft_store_slots or settings.bootstrap_expect
    while True:
        try:
            slot = claim_slot(disk, str(settings.data_dir), secrets.randbits, slots=slots)
        except NoFreeSlot as error:
            context.readiness.set("slot", ok=False, reason=str(error))
            await asyncio.sleep(SLOT_RETRY_S)
        else:
            context.readiness.set("slot", ok=True)
            log.info("slot claimed", slot=slot.number, member=f"{slot.member_id:x}")
            return slot


async def _membership(context: Context, bus: Bus, slot: Slot, settings: RaftStoreSettings) -> tuple[str, ConfState]:
    """The cluster that this member belongs to and the voters that founded it; founds one if there is none."""
    promise, known = read_promise(slot), slot.cluster()
    if known is not None and promise is not None:
        return known.decode(), ConfState(promise.members)

    def say(waiting: str) -> None:
        context.readiness.set("founding", ok=False, reason=waiting)

    outcome = await found(bus, slot, settings.bootstrap_expect, str(uuid.uuid4()), boottime, say)
    if not isinstance(outcome, Promise):
        say(f"cluster {outcome} was founded without this member: it waits as a spare, and takes no part")
        await asyncio.Event().wait()
    assert isinstance(outcome, Promise), "a spare waits until it is stopped"
    context.readiness.set("founding", ok=True)
    return outcome.cluster, ConfState(outcome.members)


async def _readiness(context: Context, driver: NodeDriver, metrics: StoreMetrics) -> None:
    """Ready means: this member knows a leader and has applied what is committed."""
    while True:
        node = driver.node
        context.readiness.set("leader", ok=node.leader != 0, reason=NO_LEADER)
        status = node.status()
        metrics.term.set(status.term)
        metrics.commit.set(status.commit)
        metrics.store_index.set(driver.machine.store.index)
        await asyncio.sleep(READINESS_EVERY_S)


def _hand_over(driver: NodeDriver, raft: asyncio.Task[None]) -> Callable[[], Awaitable[None]]:
    async def hand_over() -> None:
        """Give leadership away, then end the driver: what comes after this closes the log under it."""
        gone = await driver.hand_over(HAND_OVER_S)
        log.info("leadership handed over" if gone else "leadership not handed over in time")
        raft.cancel()
        await asyncio.wait([raft])

    return hand_over


def _release(slot: Slot) -> Callable[[], Awaitable[None]]:
    async def release() -> None:
        slot.release()

    return release
