"""Giving a snapshot to a lagging follower, and receiving one.

The leader announces a snapshot's meta to the follower, which pulls chunks from it, four at a time, verifies the digest,
loads the state in slices, and only then hands the core its snapshot message. A chunk is 256 KiB, so heartbeats pass
between. The chunks are read and written in threads.

Whoever waits gives up when the other side is silent: the follower after three unanswered asks for one chunk, the leader
when it hears neither asks nor signs of life. Either cleans up, and every offer ends with a report to the core, which
probes again; a failed one a little later, so that a full disk is not asked ten times a second. A newer snapshot
replaces one that is being received. The one being given is kept on the disk until it is over, however many are taken
meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import structlog

from lictor_bus import Bus, BusError, subjects
from lictor_raft import Message
from lictor_raft_store.disk import DiskFull, StorageError
from lictor_raft_store.snapshot_store import SnapshotMeta, SnapshotReceiver, SnapshotStore

CHUNKS_IN_FLIGHT = 4
CHUNK_TIMEOUT_S = 5.0
CHUNK_TRIES = 3
SIGN_OF_LIFE_S = 2.0
"""While it verifies and loads, the follower says this often that it still does."""
SILENCE_S = CHUNK_TIMEOUT_S * CHUNK_TRIES
"""A follower of which the leader has heard nothing for so long is not receiving any more."""
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
    """The follower `sender` asks for one chunk; number -1 asks for nothing and is a sign of life."""

    meta: SnapshotMeta
    number: int
    sender: int = 0


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
        self._prepare: Callable[[SnapshotMeta], Awaitable[None]]
        self._wait_for_install: Callable[[SnapshotMeta], Awaitable[None]]
        self._heard: dict[int, asyncio.Event] = {}
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
        """Offer the snapshot that the core wants to send, unless one is under way to that peer."""
        if message.to in self._heard:
            return
        self._heard[message.to] = asyncio.Event()
        self._spawn(f"snapshot to {message.to:x}", self._give(message))

    async def _give(self, message: Message) -> None:
        assert message.snapshot is not None
        meta = _meta.decode(message.snapshot.reference)
        taken = False
        try:
            with self._snapshots.hold(meta):
                taken = await self._offer(message, meta)
            if not taken:
                await asyncio.sleep(FAILED_PAUSE_S)
        finally:
            del self._heard[message.to]
            self._report(message.to, taken)

    async def _offer(self, message: Message, meta: SnapshotMeta) -> bool:
        """Whether the follower has taken it; False as soon as it refuses or falls silent."""
        offer = _encoder.encode(SnapshotOffer(self._cluster, self._member_id, message, meta))
        subject = subjects.member(self._cluster, message.to, "snapshot-offer")
        asking = asyncio.ensure_future(self._bus.request(subject, offer, OFFER_TIMEOUT_S))
        heard = self._heard[message.to]
        try:
            while True:
                heard.clear()
                waiting = asyncio.ensure_future(heard.wait())
                await asyncio.wait({asking, waiting}, timeout=SILENCE_S, return_when=asyncio.FIRST_COMPLETED)
                alive = waiting.done()
                waiting.cancel()
                if asking.done():
                    answer = asking.result()
                    if answer != b"ok":
                        log.info("snapshot not taken", peer=f"{message.to:x}", answer=answer.decode(errors="replace"))
                    return answer == b"ok"
                if not alive:
                    log.warning("snapshot given up: the follower is silent", peer=f"{message.to:x}")
                    return False
        except BusError as error:
            log.info("snapshot offer failed", peer=f"{message.to:x}", reason=str(error))
            return False
        finally:
            asking.cancel()

    async def _on_chunk(self, _subject: str, data: bytes, reply: str) -> None:
        try:
            ask = msgspec.msgpack.decode(data, type=ChunkAsk)
            heard = self._heard.get(ask.sender)
            if heard is not None:
                heard.set()
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
        except msgspec.DecodeError as error:
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
                log.info("snapshot received", index=offer.meta.index, bytes=offer.meta.size)
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
        receiver: SnapshotReceiver | None = None
        try:
            receiver = await self._offload(self._snapshots.receive, offer.meta)
            await self._fetch(offer, receiver)
            async with asyncio.TaskGroup() as group:
                signs = group.create_task(self._give_signs_of_life(offer))
                await self._offload(receiver.finish)
                receiver = None  # it has its name now, and is a snapshot like any other
                await self._prepare(offer.meta)
                signs.cancel()
        except (BusError, StorageError, ValueError, ExceptionGroup) as error:
            log.warning("snapshot not received", index=offer.meta.index, reason=_reasons(error))
            return b"no-space" if isinstance(error, DiskFull) else b"failed"
        else:
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
