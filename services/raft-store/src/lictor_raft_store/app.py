"""Builds one raft-store member and joins its parts."""

import asyncio
import random
import secrets
import socket
import uuid
from collections.abc import Coroutine
from typing import Any

import structlog

from lictor_bus import Bus, Presence, connect, subjects
from lictor_bus.frames import Member
from lictor_kit.service import Context
from lictor_raft import FOUNDING_INDEX, Config, ConfState, Message, RawNode
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.durable_log import DurableLog, open_log
from lictor_raft_store.feed_log import FeedLog
from lictor_raft_store.founding import Promise
from lictor_raft_store.founding_driver import found, read_promise, veto
from lictor_raft_store.leader_duties.leadership import Leadership
from lictor_raft_store.leader_duties.servers import Server
from lictor_raft_store.log_writer import LogWriter
from lictor_raft_store.machine import STREAMS, Machine
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.nats_transport import NatsTransport
from lictor_raft_store.node_driver import NodeDriver, boottime
from lictor_raft_store.recovery import DamagedLog
from lictor_raft_store.resume_api import ResumeApi
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.slots import NoFreeSlot, Slot, claim_slot
from lictor_raft_store.snapshot_store import SnapshotStore
from lictor_raft_store.snapshot_transfer import SnapshotTransfer
from lictor_raft_store.snapshotting import MemberSnapshots, load_newest
from lictor_raft_store.store_api import StoreApi
from lictor_raft_store.wal import Wal
from lictor_state import Store

HAND_OVER_S = 3.0
READINESS_EVERY_S = 0.1
SLOT_RETRY_S = 0.5
NO_LEADER = "no leader is known: no quorum, or an election"

log = structlog.get_logger()


async def build(context: Context, settings: RaftStoreSettings) -> None:
    """Start one member: slot, founding, log, core, driver, duties."""
    disk = RealDisk()
    run_id = uuid.uuid4().hex
    slot = await _claim(context, disk, settings)
    context.on_stop(_release(slot))
    bus = await connect(settings.nats_url, f"raft-store-{slot.number}")
    context.on_stop(bus.close)
    name = settings.raft_store_name or f"server-{slot.number}"
    address = settings.raft_store_advertise or _own_address(settings.bind)
    record = {"member": slot.member_id, "name": name, "address": address, "port": settings.raft_store_port}
    presence = Presence(bus, "raft-store", name, run_id, record)
    context.spawn("presence", presence.run())
    context.on_stop(presence.close)

    cluster, founders = await _membership(context, bus, slot, settings)
    metrics = StoreMetrics(context.metrics)
    durable, snapshots, machine = await _open(context, disk, slot, cluster, founders, settings, metrics)
    node = RawNode(
        _config(slot.member_id, settings, machine.applied), durable.storage, random.SystemRandom().randint, boottime()
    )
    feed_log = FeedLog(STREAMS, machine.store.index, settings.raft_store_feed_mib * 1024 * 1024)
    driver = NodeDriver(
        node=node, machine=machine, durable=durable, feed_log=feed_log, tick_s=settings.raft_store_tick_ms / 1000
    )

    def spawn(task: str, work: Coroutine[Any, Any, None]) -> object:
        return context.spawn(task, work, may_end=True)

    def received(message: Message) -> None:
        driver.receive([message])

    def report(member: int, ok: bool) -> None:
        driver.post(lambda: node.report_snapshot(member, ok=ok))

    transport = NatsTransport(bus, cluster, slot.member_id, run_id, driver.receive, boottime)
    transfer = SnapshotTransfer(bus, cluster, slot.member_id, snapshots, spawn=spawn, received=received, report=report)
    member_snapshots = MemberSnapshots(
        snapshots,
        transfer,
        node,
        durable,
        every=settings.raft_store_snapshot_entries,
        trailing=settings.raft_store_trailing_entries,
        spawn=spawn,
        metrics=metrics,
    )
    roster = _Roster(node, presence, slot.member_id, settings)
    api = StoreApi(
        bus=bus,
        cluster=cluster,
        member_id=slot.member_id,
        name=name,
        run_id=run_id,
        driver=driver,
        members=roster.members,
        metrics=metrics,
    )
    driver.join(transport, member_snapshots, api)
    leadership = Leadership(
        bus,
        api,
        presence,
        roster.servers,
        datacenter=settings.datacenter,
        version=settings.consul_version,
        brake_fraction=settings.fail_brake,
        clock=boottime,
    )
    resume = ResumeApi(bus, cluster, lambda: (driver.machine.store, driver.feed_log))
    await bus.subscribe(subjects.member(cluster, slot.member_id, "resume"), resume.answer)
    await veto(bus, cluster)
    await transport.open()
    await transfer.open()
    await api.open()
    context.readiness.set("leader", ok=False, reason=NO_LEADER)
    raft = context.spawn("raft", driver.run())
    context.spawn("leadership", leadership.run())
    context.spawn("readiness", _readiness(context, driver, metrics))
    context.on_stop(_hand_over(driver, raft))


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
    known = slot.cluster()
    if known is not None:
        promise = read_promise(slot)
        return known.decode(), ConfState(promise.members if promise and promise.cluster == known.decode() else ())

    def say(waiting: str) -> None:
        context.readiness.set("founding", ok=False, reason=waiting)

    outcome = await found(bus, slot, settings.bootstrap_expect, str(uuid.uuid4()), boottime, say)
    context.readiness.set("founding", ok=True)
    cluster = outcome.cluster if isinstance(outcome, Promise) else outcome
    return cluster, ConfState(outcome.members if isinstance(outcome, Promise) else ())


async def _open(
    context: Context,
    disk: RealDisk,
    slot: Slot,
    cluster: str,
    founders: ConfState,
    settings: RaftStoreSettings,
    metrics: StoreMetrics,
) -> tuple[DurableLog, SnapshotStore, Machine]:
    """Open log and snapshots and put the state together from them."""
    snapshots = SnapshotStore(disk, slot.snapshot_folder)
    wal, recovered = Wal.open(
        disk,
        slot.wal_folder,
        cluster_id=cluster,
        member_id=slot.member_id,
        segment_bytes=settings.raft_store_segment_mib * 1024 * 1024,
    )
    if recovered.created and slot.cluster() is not None:
        raise DamagedLog(
            f"slot {slot.number} belongs to cluster {cluster}, but its log is gone: this member has forgotten whom it "
            "voted for. Move the slot's data folder aside and start again: the member joins anew."
        )
    slot.write_cluster(cluster.encode())  # after the log exists: a crash in between only repeats the founding's end
    writer = LogWriter(wal)
    writer.start()
    loaded = load_newest(snapshots)
    durable = await open_log(writer, recovered, founders, loaded[0] if loaded else None, metrics.sync_seconds.observe)
    context.on_stop(durable.close)
    if loaded is None:
        applied = FOUNDING_INDEX if founders.voters else 0
        store = Store(cluster)
        store.advance(applied)
        return durable, snapshots, Machine(store, applied)
    return durable, snapshots, Machine(loaded[1], loaded[0].meta.index)


def _config(member_id: int, settings: RaftStoreSettings, applied: int) -> Config:
    tick = settings.raft_store_tick_ms
    return Config(
        id=member_id,
        election_ticks=settings.raft_store_election_ms // tick,
        heartbeat_ticks=max(1, settings.raft_store_heartbeat_ms // tick),
        election_timeout_s=settings.raft_store_election_ms / 1000,
        applied=applied,
    )


class _Roster:
    """Who the members are, from the core's configuration and their presence."""

    def __init__(self, node: RawNode, presence: Presence, member_id: int, settings: RaftStoreSettings) -> None:
        self._node, self._presence, self._own, self._settings = node, presence, member_id, settings

    def members(self) -> tuple[Member, ...]:
        """The members as beacons name them."""
        return tuple(Member(one.member_id, one.name, f"{one.address}:{one.port}", one.voter) for one in self.servers())

    def servers(self) -> list[Server]:
        """The members with the leader's contact to them."""
        status = self._node.status()
        now = boottime()
        found = []
        for one in self._presence.present("raft-store"):
            member = int(one.record.get("member", 0))
            if member not in status.conf_state.voters and member not in status.conf_state.learners:
                continue
            peer = status.peers.get(member)
            contact = None if peer is None or peer.last_contact is None else now - peer.last_contact
            found.append(
                Server(
                    member,
                    str(one.record.get("name", "")),
                    one.instance,
                    str(one.record.get("address", "")),
                    int(one.record.get("port", 0)),
                    member in status.conf_state.voters,
                    0.0 if member == self._own else contact,
                )
            )
        return found


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


def _hand_over(driver: NodeDriver, raft: asyncio.Task[None]) -> Any:
    async def hand_over() -> None:
        """Give leadership away, then end the driver: what comes after this closes the log under it."""
        gone = await driver.hand_over(HAND_OVER_S)
        log.info("leadership handed over" if gone else "leadership not handed over in time")
        raft.cancel()
        await asyncio.wait([raft])

    return hand_over


def _release(slot: Slot) -> Any:
    async def release() -> None:
        slot.release()

    return release
