"""Giving a snapshot to a lagging follower, and receiving one.

The leader announces a snapshot's meta to the follower, which pulls chunks from it, four at a time, verifies the digest,
loads the state in slices, and only then hands the core its snapshot message. A chunk is 256 KiB, so heartbeats pass
between. The chunks are read and written in threads.

Whoever waits gives up when the other side is silent: the follower after three unanswered asks for one chunk, the leader
when it hears neither asks nor signs of life. Either cleans up, and every offer ends with a report to the core, which
offers anew; a failed one a little later, so that a full disk is not asked ten times a second. A newer snapshot replaces
one that is being received. The one being given is kept on the disk until it is over, however many are taken meanwhile.
A snapshot of what the follower has applied by then is not fetched, or not kept: it would stand in the place of the
follower's own one of the same index.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from lictor_bus import Bus, BusError, BusTimeoutError, subjects
from lictor_raft import Message
from lictor_raft_store.disk import DiskFull, StorageError
from lictor_raft_store.snapshot_store import SnapshotMeta, SnapshotReceiver, SnapshotStore

CHUNKS_IN_FLIGHT = 4
CHUNK_TIMEOUT_S = 5.0
CHUNK_TRIES = 3
SIGN_OF_LIFE_S = 2.0
"""While it verifies and loads, the follower says this often that it still does."""
SILENT_S = 8.0
"""A follower of which the leader hears nothing for longer has ended, or has given up and its word was lost: one lost
chunk takes five seconds."""
OFFER_TIMEOUT_S = 900.0
"""However lively: 16 GiB at 20 MiB/s. Then the leader tries again with a newer one."""
FAILED_PAUSE_S = 1.0

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
    """The follower `asker` asks for one chunk; number -1 asks for nothing and is a sign of life."""

    meta: SnapshotMeta
    number: int
    asker: int = 0


@dataclass(slots=True, eq=False)
class _Giving:
    """A snapshot on its way to one follower; when it was last heard of it."""

    message: Message
    heard_at: float


async def _nothing(_meta: SnapshotMeta) -> None:
    """What becomes of a received snapshot where nobody has said it."""


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
        self._prepare: Callable[[SnapshotMeta], Awaitable[None]] = _nothing
        self._wait_for_install: Callable[[SnapshotMeta], Awaitable[None]] = _nothing
        self._giving: dict[int, _Giving] = {}
        self._receiving: tuple[SnapshotMeta, asyncio.Task[bytes]] | None = None

    def join(
        self,
        prepare: Callable[[SnapshotMeta], Awaitable[None]],
        wait_for_install: Callable[[SnapshotMeta], Awaitable[None]],
    ) -> None:
        """Say what becomes of a received snapshot, before and after the core hears of it."""
        self._prepare, self._wait_for_install = prepare, wait_for_install

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
        assert message.snapshot is not None
        meta = _meta.decode(message.snapshot.reference)
        try:
            with self._snapshots.hold(meta):
                taken = await self._offer(giving, meta)
            if not taken:
                await asyncio.sleep(FAILED_PAUSE_S)
        finally:
            if self._giving.get(message.to) is giving:  # else the core has asked anew, and hears of that
                del self._giving[message.to]
                self._report(message.to, taken)

    async def _offer(self, giving: _Giving, meta: SnapshotMeta) -> bool:
        """Whether the follower has taken it; False as soon as it refuses or falls silent."""
        peer = f"{giving.message.to:x}"
        try:
            answer = await self._answer(giving, SnapshotOffer(self._cluster, self._member_id, giving.message, meta))
        except BusError as error:
            log.info("snapshot offer failed", peer=peer, reason=str(error))
            return False
        if answer != b"ok":
            log.info("snapshot not taken", peer=peer, answer=answer.decode(errors="replace"))
        return answer == b"ok"

    async def _answer(self, giving: _Giving, offer: SnapshotOffer) -> bytes:
        """What the follower says in the end. Raises BusError when it falls silent."""
        loop = asyncio.get_running_loop()
        subject = subjects.member(self._cluster, giving.message.to, "snapshot-offer")
        request = self._bus.request(subject, _encoder.encode(offer), OFFER_TIMEOUT_S)
        asking = loop.create_task(request, name="snapshot offer")
        try:
            while not asking.done():
                silent_s = loop.time() - giving.heard_at
                if silent_s >= SILENT_S:
                    raise BusTimeoutError(f"nothing was heard of the follower in {silent_s:.0f} s")
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
            if ask.number < 0:
                return
            chunk = await self._offload(self._snapshots.read_chunk, ask.meta, ask.number)
        except (msgspec.DecodeError, StorageError, ValueError, FileNotFoundError) as error:
            log.info("snapshot chunk refused", reason=str(error))
            chunk = b""
        await self._bus.publish(reply, chunk)

    # -- receiving

    def _on_offer(self, _subject: str, data: bytes, reply: str) -> None:
        try:
            offer = msgspec.msgpack.decode(data, type=SnapshotOffer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("snapshot offer not understood", reason=str(error))
            return
        if offer.cluster == self._cluster:
            self._spawn("snapshot receive", self._receive(offer, reply))

    async def _receive(self, offer: SnapshotOffer, reply: str) -> None:
        """Receive what is offered, unless it is no newer than what is being received."""
        while (receiving := self._receiving) is not None:
            meta, older = receiving
            if offer.meta.index <= meta.index:
                await self._bus.publish(reply, b"busy")
                return
            log.info("snapshot replaced by a newer one", index=meta.index, newer=offer.meta.index)
            older.cancel()
            await asyncio.wait([older])
            if self._receiving is receiving:
                self._receiving = None
        task = asyncio.ensure_future(self._fetch_and_prepare(offer))
        mine = self._receiving = (offer.meta, task)
        try:
            await asyncio.wait([task])
            answer = b"replaced" if task.cancelled() else task.result()
            if answer == b"ok":
                self._received(offer.message)
            await self._bus.publish(reply, answer)
            if answer == b"ok":
                await self._wait_for_install(offer.meta)
        finally:
            task.cancel()
            if self._receiving is mine:
                self._receiving = None

    async def _fetch_and_prepare(self, offer: SnapshotOffer) -> bytes:
        """The answer to the leader; whatever it is but `ok`, nothing is left of the snapshot here."""
        meta = offer.meta
        receiver: SnapshotReceiver | None = None
        try:
            if meta.index <= self._applied():
                return b"ok"
            receiver = await self._offload(self._snapshots.receive, meta)
            await self._fetch(offer, receiver)
            if meta.index <= self._applied():
                return b"ok"
            async with asyncio.TaskGroup() as group:
                signs = group.create_task(self._give_signs_of_life(offer))
                await self._offload(receiver.finish)
                receiver = None  # it has its name now, and is a snapshot like any other
                await self._prepare(meta)
                signs.cancel()
        except (BusError, StorageError, ValueError, ExceptionGroup) as error:
            log.warning("snapshot not received", index=meta.index, reason=_reasons(error))
            return b"no-space" if isinstance(error, DiskFull) else b"failed"
        else:
            log.info("snapshot received", index=meta.index, bytes=meta.size)
            return b"ok"
        finally:
            if receiver is not None:
                receiver.abort()

    async def _give_signs_of_life(self, offer: SnapshotOffer) -> None:
        subject = subjects.member(self._cluster, offer.sender, "snapshot-chunk")
        sign = _encoder.encode(ChunkAsk(offer.meta, -1, self._member_id))
        while True:
            await self._bus.publish(subject, sign)
            await asyncio.sleep(SIGN_OF_LIFE_S)

    async def _fetch(self, offer: SnapshotOffer, receiver: SnapshotReceiver) -> None:
        numbers = iter(receiver.missing)

        async def fetch() -> None:
            for number in numbers:
                data = await self._chunk(offer, number)
                await self._offload(receiver.write_chunk, number, data)

        async with asyncio.TaskGroup() as group:
            for _ in range(CHUNKS_IN_FLIGHT):
                group.create_task(fetch())

    async def _chunk(self, offer: SnapshotOffer, number: int) -> bytes:
        """One chunk; a message may be lost, a leader may not be silent for long. Raises BusError."""
        subject = subjects.member(self._cluster, offer.sender, "snapshot-chunk")
        ask = _encoder.encode(ChunkAsk(offer.meta, number, self._member_id))
        for attempt in range(CHUNK_TRIES):
            try:
                return await self._bus.request(subject, ask, CHUNK_TIMEOUT_S)
            except BusError:
                if attempt == CHUNK_TRIES - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")


def _reasons(error: Exception) -> str:
    if isinstance(error, ExceptionGroup):
        return "; ".join(_reasons(one) for one in error.exceptions)
    return str(error) or type(error).__name__
