"""Giving a snapshot to a lagging follower, and receiving one.

The leader announces a snapshot's meta to the follower, which pulls chunks from it, four at a time, verifies the digest,
and only then hands the core its snapshot message. A chunk is 256 KiB, so heartbeats pass between. The chunks are read
and written in threads.

A follower that ends while it fetches says nothing: one that asks for no chunk for a while is given up, and the core
offers anew. A snapshot of what the follower has applied by then is not fetched, or not kept: it would stand in the
place of the follower's own one of the same index.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from lictor_bus import Bus, BusError, BusTimeoutError, subjects
from lictor_raft import Message
from lictor_raft_store.disk import StorageError
from lictor_raft_store.snapshot_store import SnapshotMeta, SnapshotReceiver, SnapshotStore

CHUNKS_IN_FLIGHT = 4
CHUNK_TIMEOUT_S = 5.0
OFFER_TIMEOUT_S = 600.0
"""A follower that goes on asking has this long to fetch a snapshot; then the leader tries again."""

SILENT_S = 8.0
"""A follower that asks for nothing for longer has ended, or has given up and its word was lost: one lost chunk takes
five seconds. One that only checks what it has is told "busy" by itself when it is offered the snapshot again."""

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
    asker: int = 0


@dataclass(slots=True, eq=False)
class _Giving:
    """A snapshot on its way to one follower; when it was last heard of it."""

    message: Message
    heard_at: float


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
        applied: Callable[[], int],
    ) -> None:
        self._bus, self._cluster, self._member_id, self._snapshots = bus, cluster, member_id, snapshots
        self._spawn, self._received, self._report, self._offload = spawn, received, report, offload
        self._applied = applied
        self._receiving = asyncio.Lock()
        self._giving: dict[int, _Giving] = {}

    async def open(self) -> None:
        """Begin to listen for offers and asks."""
        offers = subjects.member(self._cluster, self._member_id, "snapshot-offer")
        await self._bus.subscribe(offers, self._on_offer)
        await self._bus.subscribe(subjects.member(self._cluster, self._member_id, "snapshot-chunk"), self._on_chunk)

    # -- giving

    def offer(self, message: Message) -> None:
        """Offer the snapshot that the core wants to send, unless just that is under way to that peer."""
        earlier = self._giving.get(message.to)
        if earlier is None or earlier.message != message:
            giving = self._giving[message.to] = _Giving(message, asyncio.get_running_loop().time())
            self._spawn(f"snapshot to {message.to:x}", self._give(giving))

    async def _give(self, giving: _Giving) -> None:
        message, taken = giving.message, False
        try:
            assert message.snapshot is not None
            offer = SnapshotOffer(self._cluster, self._member_id, message, _meta.decode(message.snapshot.reference))
            taken = await self._answer(giving, _encoder.encode(offer)) == b"ok"
        except BusError as error:
            log.info("snapshot offer failed", peer=f"{message.to:x}", reason=str(error))
        finally:
            if self._giving.get(message.to) is giving:  # else the core has asked anew, and hears of that
                del self._giving[message.to]
                self._report(message.to, taken)

    async def _answer(self, giving: _Giving, offer: bytes) -> bytes:
        """What the follower says in the end. Raises BusError when it stops asking."""
        loop = asyncio.get_running_loop()
        subject = subjects.member(self._cluster, giving.message.to, "snapshot-offer")
        asking = loop.create_task(self._bus.request(subject, offer, OFFER_TIMEOUT_S), name="snapshot offer")
        try:
            while not asking.done():
                silent_s = loop.time() - giving.heard_at
                if silent_s >= SILENT_S:
                    raise BusTimeoutError(f"no chunk was asked for in {silent_s:.0f} s")
                await asyncio.wait({asking}, timeout=SILENT_S / 8)
            return asking.result()
        finally:
            asking.cancel()

    async def _on_chunk(self, _subject: str, data: bytes, reply: str) -> None:
        try:
            ask = msgspec.msgpack.decode(data, type=ChunkAsk)
            giving = self._giving.get(ask.asker)
            if giving is not None:
                giving.heard_at = asyncio.get_running_loop().time()
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
            if offer.meta.index > self._applied():
                taken = await self._keep(offer)
                if not taken:
                    await self._bus.publish(reply, b"failed")
                    return
            self._received(offer.message)
            await self._bus.publish(reply, b"ok")

    async def _keep(self, offer: SnapshotOffer) -> bool:
        """Fetch the snapshot and give it its name; whether it is there, or not needed any more."""
        receiver = self._snapshots.receive(offer.meta)
        try:
            await self._fetch(offer, receiver)
            if offer.meta.index <= self._applied():
                receiver.abort()
                return True
            await self._offload(receiver.finish)
        except (BusError, StorageError, ValueError, ExceptionGroup) as error:
            log.warning("snapshot not received", index=offer.meta.index, reason=str(error))
            receiver.abort()
            return False
        log.info("snapshot received", index=offer.meta.index, bytes=offer.meta.size)
        return True

    async def _fetch(self, offer: SnapshotOffer, receiver: SnapshotReceiver) -> None:
        numbers = iter(receiver.missing)
        subject = subjects.member(self._cluster, offer.sender, "snapshot-chunk")

        async def fetch() -> None:
            for number in numbers:
                ask = _encoder.encode(ChunkAsk(offer.meta, number, self._member_id))
                data = await self._bus.request(subject, ask, CHUNK_TIMEOUT_S)
                await self._offload(receiver.write_chunk, number, data)

        async with asyncio.TaskGroup() as group:
            for _ in range(CHUNKS_IN_FLIGHT):
                group.create_task(fetch())
