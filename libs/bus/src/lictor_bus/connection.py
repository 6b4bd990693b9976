"""The connection to NATS: the only module of Lictor that imports nats-py.

What it promises: publish is at most once, never waits, and is never buffered while disconnected (a late Raft message is
worse than a lost one); a server that is dead or frozen is left within 0.6 s, by short pings; reconnecting goes on for
ever, from one server of the list to the next. What it does not do: no JetStream, no retries of requests; those belong
to who knows what a retry means.
"""

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable
from typing import Protocol

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from lictor_bus.nats_messages import Found, ShortWay

PING_INTERVAL_S = 0.2
PINGS_OUTSTANDING_MAX = 2
"""The third ping without an answer gives a server up, after 0.4 to 0.6 s: the leader is back on another one before its
followers' election timeout of a second. Only pings that were sent count, so that a pause of our own gives nobody up."""

RECONNECT_WAIT_S = 0.1
CONNECT_TIMEOUT_S = 1.0
CLOSE_S = 1.0
UNSENT_BYTES_MAX = 16 * 1024 * 1024
"""Bytes that wait for the socket: twice the largest change that the feed carries. Beyond it messages are dropped and
requests fail, since a server that takes nothing is frozen, and will be left."""

WRITE_AHEAD_BYTES = 256 * 1024
"""Bytes that the socket may hold unsent before what follows waits here, where it is counted: a few turns' publishes."""

PENDING_MESSAGES_MAX = 65_536
PENDING_BYTES_MAX = 64 * 1024 * 1024
"""Beyond these a subscription drops messages; `on_overflow` tells its owner, who resumes."""

NO_RESPONDERS = b"NATS/1.0 503"
"""Begins the headers by which a server says that nobody listens on a request's subject."""

Callback = Callable[[str, bytes, str], Awaitable[None] | None]

log = structlog.get_logger()


class BusError(Exception):
    """The bus could not do what was asked."""


class BusDisconnectedError(BusError):
    """There is no connection to NATS right now."""


class NoRespondersError(BusError):
    """Nobody listens on the subject of a request."""


class BusTimeoutError(BusError):
    """A request was not answered in time."""


class Subscription(Protocol):
    """A running subscription."""

    async def close(self) -> None:
        """Stop receiving."""


class Bus(Protocol):
    """What Lictor needs of a message bus; `connect` gives the real one, `lictor_bus.fake` one for tests."""

    @property
    def connected(self) -> bool:
        """Whether messages can be sent right now."""

    @property
    def reconnects(self) -> int:
        """How often the connection was made anew; messages may have been lost each time."""

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send to whoever listens; dropped while disconnected."""

    def publish_now(self, subject: str, data: bytes) -> None:
        """As `publish`, for callers that cannot wait."""

    async def request(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Send and wait for one answer.

        Raises:
            NoRespondersError: nobody listens.
            BusTimeoutError: no answer within `timeout_s`.
            BusDisconnectedError: no connection.
        """

    async def subscribe(
        self, subject: str, callback: Callback, queue: str = "", on_overflow: Callable[[], None] | None = None
    ) -> Subscription:
        """Call `callback(subject, data, reply)` for every message, in order; with `queue`, one of the group gets it.

        A coroutine function is awaited before the next message, and messages wait for it in a bounded queue. A plain
        function is called as soon as a message has been read, and returns None.
        """

    async def close(self) -> None:
        """Flush what was sent and disconnect."""


class _Subscription:
    def __init__(self, client: "_Client", inner: NatsSubscription) -> None:
        self._client, self._inner = client, inner

    async def close(self) -> None:
        self._client.plain.pop(self._inner._id, None)  # noqa: SLF001  nats-py has no other name for it
        try:
            await self._inner.unsubscribe()
        except nats.errors.Error as error:
            log.debug("unsubscribe after the connection ended", reason=str(error))


class _Client(Client):
    """nats-py's client, which leaves a frozen server at once and takes nothing stale along.

    It also takes the short way where there is one (`nats_messages`). nats-py's own hands each message to a stream
    reader, a parser, a queue and two tasks, and each publish to a flusher: most of what a message cost both sides.
    """

    def __init__(self) -> None:
        super().__init__()
        self.plain: dict[int, Callable[[str, bytes, str], object]] = {}
        """Callbacks that are called on the spot, by subscription id."""
        self._asked: dict[str, asyncio.Future[bytes]] = {}
        self._inbox = ""
        self._inbox_id = 0
        self._numbers = itertools.count(1)
        self._flushing = False

    async def _attempt_reconnect(self) -> None:
        # Its own way is to close the socket and wait: until all that is buffered has been sent, which a frozen server
        # never lets happen; and to keep what was published for the next server.
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
        self._pending = []  # subscriptions are sent anew by the reconnect itself
        self._pending_data_size = 0
        # Whether questions or their answers got through is unknown: their askers hear it now and not after a timeout.
        for waiting in list(self._asked.values()):
            if not waiting.done():
                waiting.set_exception(nats.errors.ConnectionReconnectingError())
        await super()._attempt_reconnect()

    async def _read_loop(self) -> None:
        writer, reader = getattr(self._transport, "_io_writer", None), getattr(self._transport, "_io_reader", None)
        if writer is not None and reader is not None:
            transport = writer.transport
            short_way = ShortWay(transport.get_protocol(), self.plain, self._take)
            transport.set_protocol(short_way)
            early = bytes(reader._buffer)  # noqa: SLF001  it may end in the middle of a message
            reader._buffer.clear()  # noqa: SLF001  as above
            short_way.data_received(early)
        await super()._read_loop()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if sid == self._inbox_id and headers and headers.startswith(NO_RESPONDERS):
            waiting = self._asked.get(subject.decode())
            if waiting is not None and not waiting.done():
                waiting.set_exception(nats.errors.NoRespondersError())
        elif sid in self.plain:
            self._take(Found(sid, subject, reply, data))
        else:
            await super()._process_msg(sid, subject, reply, data, headers)

    def _take(self, found: Found) -> None:
        callback = self.plain.get(found.sid)
        if callback is None:  # closed by the callback of a message right before
            return
        try:
            result = callback(found.subject.decode(), found.data, found.reply.decode())
            assert result is None, "a plain callback has nothing to wait for"
        except Exception:  # whatever one message does, the connection goes on reading
            log.exception("callback failed", subject=found.subject.decode(errors="replace"))

    def _answered(self, subject: str, data: bytes, _reply: str) -> None:
        waiting = self._asked.get(subject)
        if waiting is not None and not waiting.done():
            waiting.set_result(data)

    def send(self, subject: str, data: bytes, reply: str) -> bool:
        """Publish; False if that cannot be done now."""
        if len(data) > self._max_payload or not _is_token(subject) or (reply and not _is_token(reply)):
            return False
        command = b"".join((f"PUB {subject} {reply} {len(data)}\r\n".encode(), data, b"\r\n"))
        self._pending.append(command)
        self._pending_data_size += len(command)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush_turn)
        return True

    def _flush_turn(self) -> None:
        """Write all that was published in the loop's last turn at once: a system call and a wake-up of the server."""
        self._flushing = False
        writer = getattr(self._transport, "_io_writer", None)
        if not self._pending or not self.is_connected or writer is None:
            return
        if writer.transport.get_write_buffer_size() > WRITE_AHEAD_BYTES:  # full: nats-py's flusher waits for room
            if self._flush_queue is not None and self._flush_queue.empty():
                self._flush_queue.put_nowait(asyncio.get_running_loop().create_future())
            return
        pending, self._pending = self._pending, []
        self._pending_data_size = 0
        writer.transport.write(b"".join(pending))

    async def ask(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Publish with a reply subject of our own and wait for the first answer.

        Raises:
            nats.errors.Error: there is none, or there will be none.
        """
        if not self._inbox:
            inbox = self.new_inbox()
            self._inbox = inbox
            inbox_subscription = await self.subscribe(f"{inbox}.*", cb=_ignore)
            self._inbox_id = inbox_subscription._id  # noqa: SLF001  nats-py has no other name for it
            self.plain[self._inbox_id] = self._answered
        loop = asyncio.get_running_loop()
        reply = f"{self._inbox}.{next(self._numbers)}"
        waiting: asyncio.Future[bytes] = loop.create_future()
        self._asked[reply] = waiting
        timer = loop.call_later(timeout_s, _give_up, waiting)
        try:
            if not self.send(subject, data, reply):
                raise nats.errors.ConnectionClosedError
            return await waiting
        finally:
            timer.cancel()
            del self._asked[reply]


def _is_token(subject: str) -> bool:
    """Whether a subject can stand in a line of the protocol."""
    return subject.isprintable() and " " not in subject and subject != ""


def _give_up(waiting: asyncio.Future[bytes]) -> None:
    if not waiting.done():
        waiting.set_exception(nats.errors.TimeoutError())


async def _ignore(_message: Msg) -> None:
    """What comes to the inbox is dealt with before."""


class NatsBus:
    """A `Bus` over one NATS connection."""

    def __init__(self) -> None:
        self._client = _Client()
        self._overflow: dict[int, Callable[[], None]] = {}
        self._reconnects = 0
        self.dropped_publishes = 0
        self._quiet_error = ""

    @property
    def connected(self) -> bool:
        """Whether messages can be sent right now."""
        return self._client.is_connected

    @property
    def reconnects(self) -> int:
        """How often the connection was made anew."""
        return self._reconnects

    async def open(self, servers: list[str], name: str) -> None:
        """Connect, retrying until it works; says once per reason why it does not."""
        while True:
            try:
                await self._client.connect(
                    servers=servers,
                    name=name,
                    connect_timeout=CONNECT_TIMEOUT_S,  # type: ignore[arg-type]
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
                    max_reconnect_attempts=-1,
                    ping_interval=PING_INTERVAL_S,  # type: ignore[arg-type]
                    max_outstanding_pings=PINGS_OUTSTANDING_MAX,
                    dont_randomize=True,
                    allow_reconnect=True,
                    pending_size=2 * UNSENT_BYTES_MAX,  # beyond it nats-py would wait inside publish: never reached
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                )
            except (OSError, nats.errors.Error, TimeoutError) as error:
                self._say(f"{type(error).__name__}: {error}", servers)
                self._client = _Client()
                await asyncio.sleep(RECONNECT_WAIT_S)
            else:
                return

    def _say(self, reason: str, servers: list[str]) -> None:
        if reason != self._quiet_error:
            self._quiet_error = reason
            log.warning("waiting for nats", servers=servers, reason=reason)

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            log.warning("bus subscription overflowed", subject=error.subject)
            owner = self._overflow.get(error.sid)
            if owner:
                owner()
        else:
            self._say(f"{type(error).__name__}: {error}", [])

    async def _on_disconnected(self) -> None:
        log.warning("nats disconnected")

    async def _on_reconnected(self) -> None:
        self._reconnects += 1
        self._quiet_error = ""
        log.info("nats reconnected", server=str(self._client.connected_url and self._client.connected_url.netloc))

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send to whoever listens; dropped while disconnected."""
        self._publish(subject, data, reply)

    def publish_now(self, subject: str, data: bytes) -> None:
        """Send to whoever listens; dropped while disconnected."""
        self._publish(subject, data, "")

    def _publish(self, subject: str, data: bytes, reply: str) -> None:
        client = self._client
        ready = client.is_connected and client.pending_data_size <= UNSENT_BYTES_MAX
        if not ready or not client.send(subject, data, reply):
            self.dropped_publishes += 1

    async def request(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Send and wait for one answer; see `Bus.request` for the errors."""
        if not self._client.is_connected:
            raise BusDisconnectedError("not connected to nats")
        if self._client.pending_data_size > UNSENT_BYTES_MAX:
            raise BusDisconnectedError("nats takes nothing")
        try:
            return await self._client.ask(subject, data, timeout_s)
        except nats.errors.NoRespondersError as error:
            raise NoRespondersError(subject) from error
        except (nats.errors.TimeoutError, TimeoutError) as error:
            raise BusTimeoutError(subject) from error
        except nats.errors.Error as error:
            raise BusDisconnectedError(str(error)) from error

    async def subscribe(
        self, subject: str, callback: Callback, queue: str = "", on_overflow: Callable[[], None] | None = None
    ) -> Subscription:
        """Call `callback(subject, data, reply)` for every message, in order."""

        async def deliver(message: Msg) -> None:
            waiting = callback(message.subject, message.data, message.reply)
            if waiting is not None:
                await waiting

        inner = await self._client.subscribe(
            subject,
            queue=queue,
            cb=deliver,
            pending_msgs_limit=PENDING_MESSAGES_MAX,
            pending_bytes_limit=PENDING_BYTES_MAX,
        )
        if not inspect.iscoroutinefunction(callback):
            self._client.plain[inner._id] = callback  # noqa: SLF001  nats-py has no other name for it
        if on_overflow:
            self._overflow[inner._id] = on_overflow  # noqa: SLF001  nats-py names the subscription by it in errors
        return _Subscription(self._client, inner)

    async def close(self) -> None:
        """Flush what was sent and disconnect."""
        if not self._client.is_closed:
            try:
                async with asyncio.timeout(1.0):
                    await self._client.flush()
            except (nats.errors.Error, TimeoutError, OSError) as error:
                log.debug("closing without flush", reason=str(error))
            # nats-py waits there for a socket that a frozen server may hold open: the process ends without it
            await asyncio.wait([asyncio.ensure_future(self._client.close())], timeout=CLOSE_S)


async def connect(urls: str, name: str) -> NatsBus:
    """Connect to the first reachable server of a comma separated list; waits for as long as it takes."""
    bus = NatsBus()
    await bus.open([url.strip() for url in urls.split(",") if url.strip()], name)
    return bus
