"""Drives a `SerfNode` with real sockets and the event loop's clock. No decision about membership is made here.

packet, stream, timer, call ──▶ node ──▶ packets to send, streams to open, events
└────▶ next deadline: one timer, armed again after every input
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from lictor_gossip.member_feed import MemberFeed
from lictor_gossip.tcp_endpoint import TcpEndpoint, exchange
from lictor_gossip.udp_endpoint import UdpEndpoint
from lictor_swim import (
    Clocks,
    Coordinate,
    Datagram,
    Endpoint,
    HistoryEntry,
    JoinFailed,
    JoinSucceeded,
    KeyOperation,
    Keyring,
    KeyringChanged,
    KeysDone,
    LeaveCompleted,
    MemberEvent,
    OpenedStream,
    OpenStream,
    Query,
    QueryId,
    QueryParams,
    QueueMeasure,
    SerfEvent,
    SerfMember,
    SerfNode,
    WireError,
)

STREAMS_OUT_MAX = 64
"""Most streams that this node holds open: one probe and one exchange are usual, a join adds one per seed."""

OPENED_AT_ONCE_BYTES_MAX = 64 * 1024
"""Larger streams are opened in a thread, one at a time: compressed ones of 4 MiB take a second, in which a probe would
come too late."""

TIMER_S_MIN = 0.001
"""Shortest timer: uvloop's clock ticks in milliseconds, and a shorter delay would spin until it ticks."""


class SwimDriver:
    """Runs one node between entering and leaving `async with`.

    Args:
        node: a node that was not started yet; its advertised address should lead to `bind`.
        bind: address of the gossip port, the same for UDP and TCP.
        stream_timeout_s: for one stream that a peer opens.
        on_event: called with every event, in order, from inside the loop; it must be quick and raise nothing.

    Raises:
        OSError: on entering, the port is not free.
        ExceptionGroup: on leaving, the node broke an invariant; it is not to be trusted any more.
    """

    def __init__(
        self,
        node: SerfNode,
        bind: Endpoint,
        *,
        stream_timeout_s: float,
        on_event: Callable[[SerfEvent], None] | None = None,
    ) -> None:
        self._node = node
        self._bind = bind
        self._on_event = on_event
        self._tasks = asyncio.TaskGroup()
        self._udp = UdpEndpoint(self._receive_datagram)
        self._tcp = TcpEndpoint(self._tasks, self._receive_stream, stream_timeout_s)
        self._streams_out: set[asyncio.Task[None]] = set()
        self._joins: dict[int, asyncio.Future[str]] = {}
        self._keys: dict[QueryId, asyncio.Future[KeysDone]] = {}
        self._feeds: list[MemberFeed] = []
        self._left = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._failure: asyncio.Future[None] | None = None
        self._failure_watch: asyncio.Task[None] | None = None
        self._running = False
        self._opener = ThreadPoolExecutor(1, "gossip stream")

    async def __aenter__(self) -> Self:
        """Bind the port and start the node."""
        self._loop = asyncio.get_running_loop()
        await self._tasks.__aenter__()
        try:
            await self._tcp.open(self._bind)
            await self._udp.open(self._bind)
        except OSError:
            await self._tcp.close()
            await self._tasks.__aexit__(None, None, None)
            raise
        self._failure = self._loop.create_future()
        self._failure_watch = self._tasks.create_task(_raise_failure(self._failure), name="gossip failure watch")
        self._running = True
        self._call(self._node.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop without leaving: peers will find this node failed unless `leave` came first."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        self._udp.close()
        await self._tcp.close()
        for task in self._streams_out:
            task.cancel()
        if self._failure_watch is not None and self._failure is not None and not self._failure.done():
            self._failure_watch.cancel()
        for feed in self._feeds:
            feed.close()
        for join in self._joins.values():
            join.cancel()
        for asked in self._keys.values():
            asked.cancel()
        self._opener.shutdown(wait=False, cancel_futures=True)
        await self._tasks.__aexit__(kind, error, traceback)

    # What the service calls

    def members(self) -> list[SerfMember]:
        """All members, those that left or failed included."""
        return self._node.members

    @property
    def own(self) -> SerfMember:
        """This node."""
        return self._node.own

    @property
    def health_score(self) -> int:
        """0 when this node's own network seems well; higher the worse."""
        return self._node.health_score

    @property
    def keyring(self) -> Keyring | None:
        """The keys in use; None when the pool is not encrypted."""
        return self._node.keyring

    @property
    def coordinate(self) -> Coordinate:
        """Where this node lies in the space of latencies."""
        return self._node.coordinate

    @property
    def clocks(self) -> Clocks:
        """The Lamport times to write into a snapshot."""
        return self._node.clocks

    def queues(self) -> dict[str, QueueMeasure]:
        """What waits to be gossiped, by kind: depth and oldest age."""
        return self._node.queues(self._loop.time())

    def history(self, name: str) -> tuple[HistoryEntry, ...]:
        """What is remembered against a member, oldest first."""
        return self._node.history(name)

    @property
    def packets_dropped(self) -> int:
        """Packets that the kernel did not take or could not deliver."""
        return self._udp.packets_dropped

    @property
    def streams_refused(self) -> int:
        """Streams of peers that were too many, too slow, too large or malformed."""
        return self._tcp.streams_refused

    def member_events(self) -> MemberFeed:
        """Changes from now on, as an async iterator; per member, only the latest unread one is kept."""
        feed = MemberFeed()
        self._feeds.append(feed)
        return feed

    def release(self, feed: MemberFeed) -> None:
        """End a feed whose reader is done."""
        self._feeds.remove(feed)
        feed.close()

    async def join(self, seeds: Sequence[Endpoint]) -> int:
        """Exchange state with every seed (host names are resolved); how many of them answered."""
        return (await self.join_outcomes(seeds)).count("")

    async def join_outcomes(self, seeds: Sequence[Endpoint]) -> list[str]:
        """The same; for each seed why it came to nothing, empty when it answered."""
        waiters = []
        for seed in seeds:
            waiter: asyncio.Future[str] = self._loop.create_future()
            # The waiter must be known before the node's events are read: a refusal may be among them.
            self._joins[self._node.join(seed, self._loop.time())] = waiter
            waiters.append(waiter)
        self._settle()
        return await asyncio.gather(*waiters)

    async def leave(self, timeout_s: float) -> bool:
        """Leave the pool; whether the departure was told before the timeout. The driver keeps running."""
        self._call(self._node.leave)
        try:
            async with asyncio.timeout(timeout_s):
                await self._left.wait()
        except TimeoutError:
            return False
        return True

    def force_leave(self, name: str, *, prune: bool = False) -> bool:
        """Turn a failed member into one that left, or erase it; whether the member is known."""
        known = self._node.force_leave(name, self._loop.time(), prune=prune)
        self._settle()
        return known

    def set_tags(self, tags: dict[str, str]) -> None:
        """Announce new tags; ValueError when they are too large."""
        self._node.set_tags(tags, self._loop.time())
        self._settle()

    def user_event(self, name: str, payload: bytes, *, coalesce: bool = True) -> None:
        """Send a user event to the pool; ValueError when it is too large."""
        self._node.user_event(name, payload, coalesce=coalesce, now=self._loop.time())
        self._settle()

    def query(self, params: QueryParams) -> QueryId:
        """Ask the pool; acks, answers and the end come as events. ValueError when it cannot be asked."""
        asked = self._node.query(params, self._loop.time())
        self._settle()
        return asked

    async def rotate(self, operation: KeyOperation, key: bytes = b"", *, relay_factor: int = 0) -> KeysDone:
        """Have every member list, install, use or remove keys; what they said. ValueError when `key` is none."""
        keys, now = self._node.keys, self._loop.time()
        match operation:
            case KeyOperation.LIST:
                asked = keys.list_keys(now, relay_factor=relay_factor)
            case KeyOperation.INSTALL:
                asked = keys.install(key, now, relay_factor=relay_factor)
            case KeyOperation.USE:
                asked = keys.use(key, now, relay_factor=relay_factor)
            case KeyOperation.REMOVE:
                asked = keys.remove(key, now, relay_factor=relay_factor)
        waiter: asyncio.Future[KeysDone] = self._loop.create_future()
        self._keys[asked] = waiter
        self._settle()
        return await waiter

    def respond(self, query: Query, payload: bytes) -> None:
        """Answer a query; ValueError when the answer is too large."""
        self._node.respond(query, payload, self._loop.time())
        self._settle()

    # Inputs

    def _receive_datagram(self, data: bytes, source: Endpoint) -> None:
        self._call(lambda now: self._node.receive_datagram(data, source, now))

    async def _opened(self, data: bytes) -> OpenedStream:
        if len(data) <= OPENED_AT_ONCE_BYTES_MAX:
            return self._node.open_stream(data)
        return await self._loop.run_in_executor(self._opener, self._node.open_stream, data)

    async def _receive_stream(self, data: bytes, source: Endpoint) -> bytes | None:
        reply: list[bytes | None] = [None]
        opened = await self._opened(data)

        def serve(now: float) -> None:
            reply[0] = self._node.receive_opened(opened, source, now)

        self._call(serve)
        return reply[0]

    def _call(self, step: Callable[[float], None]) -> None:
        """One input to the node, and everything that follows from it."""
        if not self._running:
            return
        try:
            step(self._loop.time())
            self._settle()
        except Exception as error:  # noqa: BLE001  (a broken invariant must end the service, not vanish in the event loop's handler)
            if self._failure is not None and not self._failure.done():
                self._failure.set_exception(error)

    def _on_timer(self) -> None:
        self._timer = None
        self._call(self._node.handle_timer)

    # Outputs

    def _settle(self) -> None:
        events = self._node.events()
        for event in events:
            if isinstance(event, KeyringChanged):
                self._tell(event)  # who keeps the keys in a file does so before the change is answered
        for effect in self._node.outgoing():
            match effect:
                case Datagram(destination, data):
                    self._udp.send(data, destination)
                case OpenStream():
                    self._open_stream(effect)
        for event in events:
            if not isinstance(event, KeyringChanged):
                self._tell(event)
        self._arm()

    def _arm(self) -> None:
        """Keep exactly one timer, at the node's next deadline."""
        deadline = self._node.next_deadline()
        if self._timer is not None:
            if self._armed_for == deadline:
                return
            self._timer.cancel()
        self._armed_for = deadline
        delay_s = max(deadline - self._loop.time(), TIMER_S_MIN)
        self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _open_stream(self, effect: OpenStream) -> None:
        if len(self._streams_out) >= STREAMS_OUT_MAX:
            self._loop.call_soon(self._stream_failed, effect.stream_id, f"{STREAMS_OUT_MAX} streams are open already")
            return
        task = self._tasks.create_task(self._run_stream(effect), name="gossip exchange")
        self._streams_out.add(task)
        task.add_done_callback(self._streams_out.discard)

    async def _run_stream(self, effect: OpenStream) -> None:
        try:
            timeout_s = max(effect.deadline - self._loop.time(), 0.0)
            answer = await self._opened(await exchange(effect.destination, effect.data, timeout_s))
        except TimeoutError:
            self._stream_failed(effect.stream_id, "i/o timeout")
        except OSError as error:
            # The system's own word for it, as peers of other makes show it; a text that asyncio made is kept.
            said = f"connect: {os.strerror(error.errno).lower()}" if error.errno else str(error)
            self._stream_failed(effect.stream_id, said)
        except WireError as error:
            self._stream_failed(effect.stream_id, str(error))
        else:
            self._call(lambda now: self._node.answer_opened(effect.stream_id, answer, now))

    def _stream_failed(self, stream_id: int, reason: str) -> None:
        self._call(lambda now: self._node.stream_failed(stream_id, reason, now))

    def _tell(self, event: SerfEvent) -> None:
        match event:
            case MemberEvent():
                for feed in self._feeds:
                    feed.push(event)
            case JoinSucceeded(_, stream_id) | JoinFailed(_, stream_id):
                waiter = self._joins.pop(stream_id, None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(event.reason if isinstance(event, JoinFailed) else "")
            case KeysDone():
                asker = self._keys.pop(event.query, None)
                if asker is not None and not asker.done():
                    asker.set_result(event)
            case LeaveCompleted():
                self._left.set()
        if self._on_event is not None:
            self._on_event(event)


async def _raise_failure(failure: asyncio.Future[None]) -> None:
    """Bring a failure from a callback into the task group, which ends everything."""
    await failure
