"""One member, put together: log, snapshots, core, driver, bus face and duties, joined in one place.

`app` gives it a real bus and a slot; tests give it a bus in memory and folders of their own.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from lictor_bus import Bus, Lane, NatsLane, Presence, frames, subjects
from lictor_bus.frames import Beacon, FrameError
from lictor_raft import FOUNDING_INDEX, Config, ConfState, Message, RawNode
from lictor_raft_store.disk import Disk
from lictor_raft_store.durable_log import DurableLog, open_log
from lictor_raft_store.feed_log import FeedLog
from lictor_raft_store.leader_duties.leadership import Leadership
from lictor_raft_store.machine import Machine
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.node_driver import NodeDriver
from lictor_raft_store.operator_api import OperatorApi
from lictor_raft_store.raft_transport import RaftTransport
from lictor_raft_store.recovery import DamagedLog
from lictor_raft_store.removal import RemovalWatch
from lictor_raft_store.resume_api import ResumeApi
from lictor_raft_store.room import UNCOMMITTED_FRACTION, LogRoom, RoomWatch
from lictor_raft_store.roster import Roster
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.slots import Slot
from lictor_raft_store.snapshot_store import SnapshotStore
from lictor_raft_store.snapshot_transfer import SnapshotTransfer
from lictor_raft_store.snapshotting import Limits, MemberSnapshots, load_newest
from lictor_raft_store.store_api import StoreApi
from lictor_raft_store.surroundings import Surroundings
from lictor_raft_store.wal import Wal
from lictor_state import Store
from lictor_state.levels import FOUNDING_LEVEL

log = structlog.get_logger()

Spawn = Callable[[str, Coroutine[Any, Any, None]], object]
"""Runs work that may end by itself (a snapshot on its way); its failure ends the member."""


@dataclass(frozen=True, slots=True)
class StoreMember:
    """The parts of a running member; `driver.run()` and `leadership.run()` are its tasks.

    `removed` is set once the cluster goes on without this member.
    """

    driver: NodeDriver
    api: StoreApi
    leadership: Leadership
    durable: DurableLog
    resume: ResumeApi
    removed: asyncio.Event


async def open_member(
    *,
    bus: Bus,
    disk: Disk,
    slot: Slot,
    cluster: str,
    founders: ConfState,
    presence: Presence,
    settings: RaftStoreSettings,
    metrics: StoreMetrics,
    spawn: Spawn,
    around: Surroundings | None = None,
    lane: Lane | None = None,
) -> StoreMember:
    """Open a member's log and snapshots, build its parts and begin to listen; without a `lane`, over NATS alone.

    Raises:
        StorageError: the log or a snapshot cannot be opened, or is damaged; the message says what to do.
    """
    around = around or Surroundings()
    lane = lane or NatsLane(bus, lambda: cluster, slot.member_id)
    durable, snapshots, machine = await _open_storage(disk, slot, cluster, founders, settings, metrics, around)
    config = _config(slot.member_id, settings, machine.applied)
    node = RawNode(config, durable.storage, around.dice, around.clock())
    feed_log = FeedLog(machine.store.index, settings.raft_store_feed_mib * 1024 * 1024)
    tick_s = settings.raft_store_tick_ms / 1000
    driver = NodeDriver(
        node=node,
        machine=machine,
        durable=durable,
        feed_log=feed_log,
        tick_s=tick_s,
        clock=around.clock,
        check_invariants=settings.raft_store_check_invariants,
    )

    def received(message: Message) -> None:
        driver.receive([message])

    def report(member: int, ok: bool) -> None:
        driver.post(lambda: node.report_snapshot(member, ok=ok))

    transport = RaftTransport(
        lane,
        cluster,
        slot.member_id,
        presence.instance,
        driver.receive,
        around.clock,
        presence_silent_s=lambda run: presence.silent_s(presence.role, run),
        heartbeat_s=settings.raft_store_heartbeat_ms / 1000,
    )
    transfer = SnapshotTransfer(
        bus,
        cluster,
        slot.member_id,
        snapshots,
        spawn=spawn,
        received=received,
        report=report,
        offload=around.offload,
        applied=lambda: driver.machine.applied,
    )
    member_snapshots = MemberSnapshots(
        snapshots,
        transfer,
        node,
        durable,
        limits=_limits(settings),
        spawn=spawn,
        metrics=metrics,
        offload=around.offload,
        clock=around.clock,
        dice=around.dice,
    )
    roster = Roster(node, presence, cluster, lambda: driver.machine.store, around.clock)
    api = StoreApi(
        bus=bus,
        lane=lane,
        cluster=cluster,
        member_id=slot.member_id,
        driver=driver,
        roster=roster,
        metrics=metrics,
        room=RoomWatch(durable.room, node, presence, metrics, around.clock, member_snapshots.room_changed),
    )
    driver.join(transport, member_snapshots, api)
    leadership = Leadership(
        bus,
        api,
        presence,
        roster.servers,
        member_id=slot.member_id,
        settings=settings,
        around=around,
        metrics=metrics,
    )
    presence.update({**presence.record, "level": settings.raft_store_level_max})
    resume = ResumeApi(bus, cluster, lambda: (driver.machine.store, driver.feed_log), around.clock)
    await bus.subscribe(subjects.member(cluster, slot.member_id, "resume"), resume.answer)
    removed = await _watch_for_removal(bus, cluster, slot.member_id, driver, around)
    await transport.open()
    await transfer.open()
    await api.open()
    await OperatorApi(
        bus, cluster, slot.member_id, presence.node, presence.instance, driver, roster, leadership, around.wall
    ).open()
    return StoreMember(driver, api, leadership, durable, resume, removed)


async def _watch_for_removal(
    bus: Bus, cluster: str, member_id: int, driver: NodeDriver, around: Surroundings
) -> asyncio.Event:
    """Listen to the leaders' beacons for a configuration without this member."""
    removed, watch = asyncio.Event(), RemovalWatch(member_id)

    def heard(_subject: str, data: bytes, _reply: str) -> None:
        try:
            beacon = frames.decode(data, Beacon)
        except FrameError as error:
            log.warning("beacon not understood", reason=str(error))
            return
        machine = driver.machine
        if watch.heard(beacon, applied=machine.applied, store_index=machine.store.index, now=around.clock()):
            removed.set()

    await bus.subscribe(subjects.beacon(cluster), heard)
    return removed


async def _open_storage(
    disk: Disk,
    slot: Slot,
    cluster: str,
    founders: ConfState,
    settings: RaftStoreSettings,
    metrics: StoreMetrics,
    around: Surroundings,
) -> tuple[DurableLog, SnapshotStore, Machine]:
    """Open log and snapshots and put the state together from them."""
    snapshots = SnapshotStore(disk, slot.snapshot_folder)
    wal, recovered = Wal.open(
        disk,
        slot.wal_folder,
        cluster_id=cluster,
        member_id=slot.member_id,
        segment_bytes=_segment_bytes(settings),
    )
    if recovered.created and slot.cluster() is not None:
        raise DamagedLog(
            f"slot {slot.number} belongs to cluster {cluster}, but its log is gone: this member has forgotten whom it "
            "voted for. Move the slot's data folder aside and start again: the member joins anew."
        )
    slot.write_cluster(cluster.encode())  # after the log exists: a crash in between only repeats the founding's end
    writer = around.start_writer(wal)
    loaded = load_newest(snapshots)
    room = LogRoom(wal, _segment_bytes(settings))
    snapshot = loaded[0] if loaded else None
    durable = await open_log(writer, recovered, founders, snapshot, room, metrics.sync_seconds.add)
    if loaded is not None:
        return durable, snapshots, Machine(loaded[1], loaded[0].meta.index)
    applied = FOUNDING_INDEX if founders.voters else 0
    store = Store(cluster, FOUNDING_LEVEL)
    store.advance(applied)
    return durable, snapshots, Machine(store, applied)


def _config(member_id: int, settings: RaftStoreSettings, applied: int) -> Config:
    tick = settings.raft_store_tick_ms
    return Config(
        id=member_id,
        election_ticks=settings.raft_store_election_ms // tick,
        heartbeat_ticks=max(1, settings.raft_store_heartbeat_ms // tick),
        election_timeout_s=settings.raft_store_election_ms / 1000,
        applied=applied,
        uncommitted_bytes_max=_segment_bytes(settings) // UNCOMMITTED_FRACTION,
        async_storage_writes=True,
    )


def _limits(settings: RaftStoreSettings) -> Limits:
    return Limits(
        every_entries=settings.raft_store_snapshot_entries,
        log_bytes=settings.raft_store_snapshot_log_mib * 1024 * 1024,
        trailing_entries=settings.raft_store_trailing_entries,
        trailing_bytes=settings.raft_store_trailing_mib * 1024 * 1024,
    )


def _segment_bytes(settings: RaftStoreSettings) -> int:
    return settings.raft_store_segment_mib * 1024 * 1024
