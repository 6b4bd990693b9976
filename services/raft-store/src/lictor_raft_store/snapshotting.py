"""Snapshots of the member's own state: taking them while the loop runs on, and reading one back.

A cheap cut of the store is encoded in slices between which the loop runs on; writing and syncing happen in a thread.
In the file, each part of the dump stands behind its length. How a snapshot travels is `snapshot_transfer`'s business.
"""

import struct
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any

import msgspec
import structlog

from lictor_raft import ConfState, Message, RawNode, Snapshot
from lictor_raft import SnapshotMeta as RaftSnapshotMeta
from lictor_raft_store.disk import StorageError
from lictor_raft_store.durable_log import DurableLog
from lictor_raft_store.machine import Machine
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.snapshot_store import SnapshotMeta, SnapshotStore
from lictor_raft_store.snapshot_transfer import SnapshotTransfer
from lictor_state import Store
from lictor_state.snapshot import dump, restore

_LENGTH = struct.Struct("<I")

log = structlog.get_logger()
_encoder = msgspec.msgpack.Encoder()
_conf = msgspec.msgpack.Decoder(ConfState)
_meta = msgspec.msgpack.Decoder(SnapshotMeta)


def framed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts of a dump, each behind its length."""
    for part in parts:
        yield _LENGTH.pack(len(part)) + part


def unframed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The parts of a dump from chunks cut anywhere."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer)
            if len(buffer) < _LENGTH.size + length:
                break
            yield bytes(buffer[_LENGTH.size : _LENGTH.size + length])
            del buffer[: _LENGTH.size + length]
    if buffer:
        raise StorageError("snapshot: the last part is cut")


def load_newest(snapshots: SnapshotStore) -> tuple[Snapshot, Store] | None:
    """The newest sound snapshot and the store in it; None when there is none."""
    meta = snapshots.newest_sound()
    if meta is None:
        return None
    return as_raft(meta), restore(unframed(snapshots.chunks(meta)))


def as_raft(meta: SnapshotMeta) -> Snapshot:
    """A stored snapshot as the core sees it."""
    return Snapshot(RaftSnapshotMeta(meta.index, meta.term, _conf.decode(meta.conf)), _encoder.encode(meta))


class MemberSnapshots:
    """What the driver needs of snapshots, for one member."""

    def __init__(
        self,
        snapshots: SnapshotStore,
        transfer: SnapshotTransfer,
        node: RawNode,
        durable: DurableLog,
        *,
        every: int,
        trailing: int,
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
        metrics: StoreMetrics,
        offload: Callable[..., Awaitable[Any]],
    ) -> None:
        self._snapshots, self._transfer, self._node, self._durable = snapshots, transfer, node, durable
        self._every, self._trailing, self._spawn, self._metrics = every, trailing, spawn, metrics
        self._offload = offload
        self._last = durable.storage.first_index() - 1
        self._taking = False
        self._machine: Machine | None = None
        durable.storage.on_snapshot_wanted = self._wanted

    def _wanted(self) -> None:
        """Somebody needs a snapshot, and there is none with data yet."""
        if self._machine is not None and not self._taking and self._machine.applied > self._last:
            self._begin(self._machine)

    def offer(self, message: Message) -> None:
        """Offer the snapshot that the core wants to send."""
        self._transfer.offer(message)

    def install(self, snapshot: Snapshot) -> Machine:
        """The state in a snapshot that has been received whole."""
        meta = _meta.decode(snapshot.reference)
        store = restore(unframed(self._snapshots.chunks(meta)))
        self._last = meta.index
        self._metrics.installs.inc()
        log.info("snapshot installed", index=meta.index)
        return Machine(store, meta.index)

    def entries_applied(self, machine: Machine) -> None:
        """Take a snapshot when enough has been applied since the last one."""
        self._machine = machine
        if not self._taking and machine.applied - self._last >= self._every:
            self._begin(machine)

    def _begin(self, machine: Machine) -> None:
        if machine.store.restoring is not None:
            return  # what is staged is in the log only: a snapshot now would cut its beginning off
        self._taking, self._last = True, machine.applied
        conf_state = self._node.status().conf_state
        term = self._durable.storage.term(machine.applied)
        # The cut is made now: the state may move on before the task runs.
        parts = framed(dump(machine.store))
        first = next(parts)
        self._spawn("snapshot", self._take(first, parts, machine.applied, term, conf_state))

    async def _take(self, first: bytes, parts: Iterator[bytes], index: int, term: int, conf_state: ConfState) -> None:
        writer = self._snapshots.create(index, term, _encoder.encode(conf_state))
        try:
            await self._offload(writer.write, first)
            for part in parts:
                await self._offload(writer.write, part)
            meta = await self._offload(writer.finish)
        except StorageError as error:
            log.warning("snapshot not taken, the next one is tried later", index=index, reason=str(error))
            writer.abort()
            return
        finally:
            self._taking = False
        await self._durable.taken(index, conf_state, _encoder.encode(meta), self._trailing)
        self._metrics.snapshots.inc()
        log.info("snapshot taken", index=index, bytes=meta.size)
