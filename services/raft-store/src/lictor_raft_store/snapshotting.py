"""Snapshots of the member's own state: when one is taken, and how a received one becomes the state.

A cut of the store is taken at once (`lictor_state.cuts`) and encoded in slices between which the loop runs on; writing
and syncing happen in threads. A received snapshot is loaded in slices beside the present state before the core hears of
it, so that installing it is an exchange of two references and one mark in the log. How a snapshot travels is
`snapshot_transfer`'s business, what its bytes mean `snapshot_dump`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from lictor_raft import ConfState, Dice, Message, RawNode, Snapshot
from lictor_raft import SnapshotMeta as RaftSnapshotMeta
from lictor_raft_store.disk import StorageError
from lictor_raft_store.durable_log import DurableLog
from lictor_raft_store.machine import Machine
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.room import Room
from lictor_raft_store.snapshot_dump import load, load_paced, write_paced
from lictor_raft_store.snapshot_store import SnapshotMeta, SnapshotStore, SnapshotWriter
from lictor_raft_store.snapshot_transfer import SnapshotTransfer
from lictor_state import Store
from lictor_state.snapshot import dump_slices

REST_FACTOR = 30
"""A snapshot that took a second is followed by half a minute without: a large state under many writes would otherwise
be encoded again and again, and at ten times that was a tenth of what a registration cost. A restart applies what the
log has grown by meanwhile; the limit on the log's bytes comes before it."""

DRAWN_FRACTION = 8
"""One part in this many of the entries between two snapshots is drawn: 8,192 by default, two seconds of writes where
there are most. To draw half of them would make a third more snapshots."""

FAILED_REST_S = 30.0
"""A snapshot that failed, usually for lack of space, is tried again after this long, or when there is space again."""

INSTALL_WAIT_S = 2.0
"""The core installs a prepared state within a few turns of the loop, or it does not want it, as when leadership moved
during the transfer: then it is dropped. Until that the next leader's offers are answered `busy`."""

log = structlog.get_logger()
_encoder = msgspec.msgpack.Encoder()
_conf = msgspec.msgpack.Decoder(ConfState)
_meta = msgspec.msgpack.Decoder(SnapshotMeta)


def load_newest(snapshots: SnapshotStore) -> tuple[Snapshot, Store] | None:
    """The newest sound snapshot and the store in it; None when there is none."""
    meta = snapshots.newest_sound()
    if meta is None:
        return None
    return as_raft(meta), load(snapshots, meta)


def as_raft(meta: SnapshotMeta) -> Snapshot:
    """A stored snapshot as the core sees it."""
    return Snapshot(RaftSnapshotMeta(meta.index, meta.term, _conf.decode(meta.conf)), _encoder.encode(meta))


@dataclass(frozen=True, slots=True)
class Limits:
    """When a snapshot is taken, and what of the log stays behind it.

    `every_entries` is the most that is applied between two; each time a member draws how many of the last eighth it
    waits for, so that not all members of a cluster encode theirs at the same time: a majority then answers as always.
    What they have drawn adds up, and they drift apart.
    """

    every_entries: int
    log_bytes: int
    trailing_entries: int
    trailing_bytes: int


@dataclass(slots=True)
class _Prepared:
    """A received state that waits for the core."""

    meta: SnapshotMeta
    machine: Machine
    taken: asyncio.Event = field(default_factory=asyncio.Event)


class MemberSnapshots:
    """What the driver needs of snapshots, for one member."""

    def __init__(
        self,
        snapshots: SnapshotStore,
        transfer: SnapshotTransfer,
        node: RawNode,
        durable: DurableLog,
        *,
        limits: Limits,
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
        metrics: StoreMetrics,
        offload: Callable[..., Awaitable[Any]],
        clock: Callable[[], float],
        dice: Dice,
    ) -> None:
        self._snapshots, self._transfer, self._node, self._durable = snapshots, transfer, node, durable
        self._limits, self._spawn, self._metrics = limits, spawn, metrics
        self._offload, self._clock, self._dice = offload, clock, dice
        self._last = durable.storage.first_index() - 1
        self._due_after = self._draw()
        self._taking = False
        self._rest_until = float("-inf")
        self._failed_until = float("-inf")
        self._machine: Machine | None = None
        self._prepared: _Prepared | None = None
        durable.storage.on_snapshot_wanted = self._wanted
        transfer.join(self.prepare, self.wait_for_install)

    def offer(self, message: Message) -> None:
        """Offer the snapshot that the core wants to send."""
        self._transfer.offer(message)

    # -- taking

    def _wanted(self) -> None:
        """Somebody needs a snapshot, and there is none with data yet."""
        machine = self._machine
        if machine is not None and self._may_begin() and machine.applied > self._last:
            self._begin(machine)

    def entries_applied(self, machine: Machine) -> None:
        """Take a snapshot when enough has been applied since the last one, or where its log fills the disk."""
        self._machine = machine
        storage, limits = self._durable.storage, self._limits
        if not self._may_begin() or machine.applied <= self._last:
            return
        room = self._durable.room.state
        enough = machine.applied - self._last >= self._due_after or room is Room.SHORT
        too_much = storage.bytes > limits.log_bytes + limits.trailing_bytes or room is Room.OUT
        if too_much or (enough and self._clock() >= self._rest_until):
            self._begin(machine)

    def room_changed(self) -> None:
        """The log has less room: segments behind a snapshot are some. Or it has more: what failed is tried again."""
        self._failed_until = float("-inf")
        if self._machine is not None:
            self.entries_applied(self._machine)

    def _may_begin(self) -> bool:
        return not self._taking and self._clock() >= self._failed_until

    def _begin(self, machine: Machine) -> None:
        if machine.store.restoring is not None:
            return  # what is staged is in the log only: a snapshot now would cut its beginning off
        before, self._last = self._last, machine.applied
        self._due_after = self._draw()
        self._taking = True
        conf_state = self._node.status().conf_state
        term = self._durable.storage.term(machine.applied)
        steps = dump_slices(machine.store)  # the cut is made now: the state may move on before the task runs
        self._spawn("snapshot", self._take(steps, machine.applied, term, conf_state, before))

    def _draw(self) -> int:
        most = self._limits.every_entries
        return self._dice(most - most // DRAWN_FRACTION, most)

    async def _take(self, steps: Iterator[bytes], index: int, term: int, conf_state: ConfState, before: int) -> None:
        """Take one, rest, and look whether the next one is due."""
        began = self._clock()
        try:
            meta = await self._write(steps, index, term, conf_state)
            if meta is not None:
                await self._mark(meta, conf_state)
                rest = self._rest(REST_FACTOR * (self._clock() - began))
            else:
                if self._last == index:  # else one was installed meanwhile
                    self._last = before
                self._failed_until = self._clock() + FAILED_REST_S
                rest = FAILED_REST_S
        finally:
            self._taking = False
        await asyncio.sleep(rest)
        if self._machine is not None:
            self.entries_applied(self._machine)

    def _rest(self, seconds: float) -> float:
        self._rest_until = self._clock() + seconds
        return seconds

    async def _write(self, steps: Iterator[bytes], index: int, term: int, conf_state: ConfState) -> SnapshotMeta | None:
        """Write the file; None when that failed."""
        writer: SnapshotWriter | None = None
        try:
            if self._durable.room.state is not Room.OK:
                await self._offload(self._snapshots.make_room)
            writer = await self._offload(self._snapshots.create, index, term, _encoder.encode(conf_state))
            return await write_paced(steps, writer, self._offload, self._clock)
        except StorageError as error:
            log.warning("snapshot not taken, it is tried again later", index=index, reason=str(error))
            if writer is not None:
                await self._offload(writer.abort)
            return None
        except asyncio.CancelledError:
            if writer is not None:
                writer.abort()  # here and now: what runs elsewhere may not run any more
            raise

    async def _mark(self, meta: SnapshotMeta, conf_state: ConfState) -> None:
        """Let the log know, and drop what lies far enough behind."""
        limits = self._limits
        kept = await self._durable.taken(
            meta.index, conf_state, _encoder.encode(meta), limits.trailing_entries, limits.trailing_bytes
        )
        if kept:
            self._metrics.snapshots.inc()
            log.info("snapshot taken", index=meta.index, bytes=meta.size)

    # -- installing

    async def prepare(self, meta: SnapshotMeta) -> None:
        """Load a received snapshot in slices. Raises StorageError."""
        store = await load_paced(self._snapshots, meta, self._offload, self._clock)
        self._prepared = _Prepared(meta, Machine(store, meta.index))

    async def wait_for_install(self, meta: SnapshotMeta) -> None:
        """Give the core time to take what was prepared, and drop it otherwise."""
        prepared = self._prepared
        if prepared is None or prepared.meta != meta:
            return
        try:
            async with asyncio.timeout(INSTALL_WAIT_S):
                await prepared.taken.wait()
        except TimeoutError:
            log.info("snapshot not wanted any more", index=meta.index)
            if self._prepared is prepared:
                self._prepared = None

    def install(self, snapshot: Snapshot) -> Machine:
        """The state in a snapshot that has been received whole; the caller replaces the log in the same turn."""
        meta = _meta.decode(snapshot.reference)
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared.meta == meta:
            machine = prepared.machine
            prepared.taken.set()
        else:
            machine = Machine(load(self._snapshots, meta), meta.index)
        if self._machine is not None:
            machine.store.retire(self._machine.store)
        self._machine, self._last = machine, meta.index
        self._metrics.installs.inc()
        log.info("snapshot installed", index=meta.index)
        self._spawn("log behind a snapshot", self._durable.drop_replaced(meta.index))
        return machine
