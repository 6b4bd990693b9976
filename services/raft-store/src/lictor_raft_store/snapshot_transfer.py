"""Giving a snapshot to a lagging follower, and receiving one.

The leader announces a snapshot's meta to the follower, which pulls chunks from it, four at a time, verifies the digest,
and only then hands the core its snapshot message. A chunk is 256 KiB, so heartbeats pass between. The chunks are read
and written in threads.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import structlog

from lictor_bus import Bus, BusError, subjects
from lictor_raft import Message
from lictor_raft_store.disk import StorageError
from lictor_raft_store.snapshot_store import SnapshotMeta, SnapshotReceiver, SnapshotStore

CHUNKS_IN_FLIGHT = 4
CHUNK_TIMEOUT_S = 5.0
OFFER_TIMEOUT_S = 120.0
"""A follower has this long to fetch a snapshot; then the leader tries again."""

log = structlog.get_logger()
_encoder = msgspec.msgpack.Encoder()
_meta = msgspec.msgpack.Decoder(SnapshotMeta)


class SnapshotOffer(msgspec.Struct, frozen=True, array_like=True):
    """The leader offers a snapshot; `message` is the core's own, to be stepped once the data is complete."""

    cluster: str
    sender: int
    message: Message
    meta: SnapshotMeta


class ChunkAsk(msgspec.Struct, frozen=True, array_like=True):
    """The follower asks for one chunk."""

    meta: SnapshotMeta
    number: int


class SnapshotTransfer:
    """Gives and receives snapshots over the bus; owns no task of its own but those it is given a spawner for."""

    def __init__(
        self,
        bus: Bus,
        cluster: str,
        member_id: int,
        snapshots: SnapshotStore,
        *,
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
        received: Callable[[Message], None],
        report: Callable[[int, bool], None],
        offload: Callable[..., Awaitable[Any]],
    ) -> None:
        self._bus, self._cluster, self._member_id, self._snapshots = bus, cluster, member_id, snapshots
        self._spawn, self._received, self._report, self._offload = spawn, received, report, offload
        self._receiving = asyncio.Lock()
        self._giving: set[int] = set()

    async def open(self) -> None:
        """Begin to listen for offers and asks."""
        offers = subjects.member(self._cluster, self._member_id, "snapshot-offer")
        await self._bus.subscribe(offers, self._on_offer)
        await self._bus.subscribe(subjects.member(self._cluster, self._member_id, "snapshot-chunk"), self._on_chunk)

    # -- giving

    def offer(self, message: Message) -> None:
        """Offer the snapshot that the core wants to send, unless one is under way to that peer."""
        if message.to in self._giving:
            return
        self._giving.add(message.to)
        self._spawn(f"snapshot to {message.to:x}", self._give(message))

    async def _give(self, message: Message) -> None:
        taken = False
        try:
            assert message.snapshot is not None
            offer = SnapshotOffer(self._cluster, self._member_id, message, _meta.decode(message.snapshot.reference))
            subject = subjects.member(self._cluster, message.to, "snapshot-offer")
            taken = await self._bus.request(subject, _encoder.encode(offer), OFFER_TIMEOUT_S) == b"ok"
        except BusError as error:
            log.info("snapshot offer failed", peer=f"{message.to:x}", reason=str(error))
        finally:
            self._giving.discard(message.to)
            self._report(message.to, taken)

    async def _on_chunk(self, _subject: str, data: bytes, reply: str) -> None:
        try:
            ask = msgspec.msgpack.decode(data, type=ChunkAsk)
            chunk = await self._offload(self._snapshots.read_chunk, ask.meta, ask.number)
        except (msgspec.DecodeError, StorageError, ValueError, FileNotFoundError) as error:
            log.info("snapshot chunk refused", reason=str(error))
            chunk = b""
        await self._bus.publish(reply, chunk)

    # -- receiving

    def _on_offer(self, _subject: str, data: bytes, reply: str) -> None:
        try:
            offer = msgspec.msgpack.decode(data, type=SnapshotOffer)
        except msgspec.DecodeError as error:
            log.warning("snapshot offer not understood", reason=str(error))
            return
        if offer.cluster == self._cluster:
            self._spawn("snapshot receive", self._receive(offer, reply))

    async def _receive(self, offer: SnapshotOffer, reply: str) -> None:
        if self._receiving.locked():
            await self._bus.publish(reply, b"busy")
            return
        async with self._receiving:
            receiver = self._snapshots.receive(offer.meta)
            try:
                await self._fetch(offer, receiver)
                await self._offload(receiver.finish)
            except (BusError, StorageError, ValueError, ExceptionGroup) as error:
                log.warning("snapshot not received", index=offer.meta.index, reason=str(error))
                receiver.abort()
                await self._bus.publish(reply, b"failed")
                return
            log.info("snapshot received", index=offer.meta.index, bytes=offer.meta.size)
            self._received(offer.message)
            await self._bus.publish(reply, b"ok")

    async def _fetch(self, offer: SnapshotOffer, receiver: SnapshotReceiver) -> None:
        numbers = iter(receiver.missing)
        subject = subjects.member(self._cluster, offer.sender, "snapshot-chunk")

        async def fetch() -> None:
            for number in numbers:
                ask = _encoder.encode(ChunkAsk(offer.meta, number))
                data = await self._bus.request(subject, ask, CHUNK_TIMEOUT_S)
                await self._offload(receiver.write_chunk, number, data)

        async with asyncio.TaskGroup() as group:
            for _ in range(CHUNKS_IN_FLIGHT):
                group.create_task(fetch())
