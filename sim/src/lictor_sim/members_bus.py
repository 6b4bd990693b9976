"""A simulated NATS: three servers, one connection per process, everything that a network does to messages.

`SimBus` is one process's connection (the `Bus` protocol of `lictor_bus`), `SimNetwork` the servers and the cables
between. Payloads cross as bytes. Between two connections messages keep their order, as NATS promises; across a
reconnect they may overtake each other. Messages are lost, repeated and late by the dice; links between processes are
cut in one or both directions; a server can be down (its clients find another) or frozen (its clients notice after the
pings are overdue; what it holds comes out late when it thaws). A subscription whose owner does not keep up drops
messages and says so. Requests that nobody listens to are answered at once.

Bandwidth, headers and NATS's own protocol are not modelled.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from lictor_bus import BusDisconnectedError, BusTimeoutError, NoRespondersError
from lictor_bus.connection import Callback
from lictor_bus.fake import matches
from lictor_sim.virtual_loop import Owner, VirtualLoop

PAYLOAD_BYTES_MAX = 1024 * 1024
"""NATS refuses more."""

SERVERS = 3
PINGS_OVERDUE_S = (1.0, 1.5)
"""How long a client takes to notice that its server answers nothing."""

RECONNECT_S = (0.05, 0.4)


@dataclass(slots=True, kw_only=True)
class NetworkFaults:
    """How bad the network is; times in virtual seconds."""

    loss: float = 0.005
    repetition: float = 0.005
    delay_s_max: float = 0.004
    long_delay: float = 0.005
    long_delay_s_max: float = 0.4
    flip_chunk: float = 0.02
    """A bit of a snapshot chunk flips on its way: memory of a relay, not a wire."""


@dataclass(slots=True)
class _Server:
    up: bool = True
    frozen: bool = False
    held: list[Callable[[], None]] = field(default_factory=list)


class SimSubscription:
    """A running subscription: messages in order, the next one when the callback has ended."""

    def __init__(
        self, bus: "SimBus", pattern: str, callback: Callback, queue: str, on_overflow: Callable[[], None] | None
    ) -> None:
        self.bus, self.pattern, self.queue = bus, pattern, queue
        self._callback, self._on_overflow = callback, on_overflow
        self._pending: deque[tuple[str, bytes, str]] = deque()
        self._busy = False
        self._closed = False

    def put(self, connection: int, subject: str, data: bytes, reply: str) -> None:
        """A message has arrived; runs as the receiving process."""
        if self._closed or self.bus.connection != connection or not self.bus.connected:
            return
        if len(self._pending) >= self.bus.network.pending_max:
            self.bus.network.overflows += 1
            if self._on_overflow is not None:
                self._on_overflow()
            return
        self._pending.append((subject, data, reply))
        if not self._busy:
            self._busy = True
            self.bus.network.loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        while self._pending and not self._closed:
            waiting = self._callback(*self._pending.popleft())
            if waiting is not None:
                task = self.bus.network.loop.create_task(self._finish(waiting), name=f"deliver {self.pattern}")
                self.bus.tasks.add(task)
                task.add_done_callback(self.bus.tasks.discard)
                return
        self._busy = False

    async def _finish(self, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        except Exception as error:  # noqa: BLE001  a callback that raises is a finding, wherever it stands
            self.bus.network.loop.call_exception_handler({"message": self.pattern, "exception": error})
        self._deliver()

    async def close(self) -> None:
        """Stop receiving."""
        self._closed = True
        self.bus.network.remove(self)


class SimBus:
    """One process's connection."""

    def __init__(self, network: "SimNetwork", owner: Owner, home: int) -> None:
        self.network, self.owner = network, owner
        self.home = home
        self.server: int | None = home
        self.connection = next(network.connections)
        self.tasks: set[asyncio.Task[None]] = set()
        self._gone = False
        self._inbox = 0
        self.name = f"{owner.name}.{self.connection}"
        self.reconnects = 0
        self._requests: dict[str, tuple[str, asyncio.Future[bytes]]] = {}
        network.join(self)

    @property
    def connected(self) -> bool:
        """Whether messages can be sent right now."""
        return self.server is not None and not self._gone

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send to whoever listens; dropped while disconnected."""
        if self.connected:
            self.network.send(self, subject, data, reply)
            if self.network.dice.random() < 0.1:  # the client flushes now and then, and others run meanwhile
                await asyncio.sleep(0)

    def publish_now(self, subject: str, data: bytes) -> None:
        """Send to whoever listens; dropped while disconnected."""
        if self.connected:
            self.network.send(self, subject, data, "")

    async def request(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Send and wait for one answer; see `Bus.request` for the errors."""
        if not self.connected:
            raise BusDisconnectedError("not connected to nats")
        self._inbox += 1
        inbox = f"_INBOX.{self.name}.{self._inbox}"
        answer: asyncio.Future[bytes] = self.network.loop.create_future()
        self._requests[inbox] = subject, answer
        timer = self.network.loop.call_later(timeout_s, _expire, answer, subject)
        try:
            self.network.send(self, subject, data, inbox)
            return await answer
        finally:
            timer.cancel()
            del self._requests[inbox]

    async def subscribe(
        self, subject: str, callback: Callback, queue: str = "", on_overflow: Callable[[], None] | None = None
    ) -> SimSubscription:
        """Call `callback(subject, data, reply)` for every message, in order."""
        subscription = SimSubscription(self, subject, callback, queue, on_overflow)
        self.network.add(subscription)
        return subscription

    async def close(self) -> None:
        """Disconnect."""
        self.vanish()

    def vanish(self) -> None:
        """The process is gone: nothing leaves or reaches it from now on."""
        if not self._gone:
            self._gone = True
            self.network.leave(self)

    def answered(self, connection: int, inbox: str, data: bytes | None) -> None:
        """An answer has arrived (None: nobody listens); runs as this process."""
        subject, answer = self._requests.get(inbox, ("", None))
        if answer is None or answer.done() or self.connection != connection or not self.connected:
            return
        if data is None:
            answer.set_exception(NoRespondersError(subject))
        else:
            answer.set_result(self.network.on_the_way(subject, data))

    def reconnected(self, server: int | None) -> None:
        """The connection ended (None), or a new one is there."""
        self.server = server
        self.reconnects += server is not None
        self.connection = next(self.network.connections)


def _expire(answer: "asyncio.Future[bytes]", subject: str) -> None:
    if not answer.done():
        answer.set_exception(BusTimeoutError(subject))


class SimNetwork:
    """The servers, and what is on its way."""

    def __init__(self, loop: VirtualLoop, dice: Random, faults: NetworkFaults) -> None:
        self.loop, self.dice, self.faults = loop, dice, faults
        self.calm = False
        self.cut: set[tuple[str, str]] = set()
        self.messages = 0
        self.overflows = 0
        self.pending_max = 48
        self.connections = iter(range(1, 1_000_000))
        self.tap: Callable[[SimBus, str, bytes], None] = lambda _bus, _subject, _data: None
        self._servers = [_Server() for _ in range(SERVERS)]
        self._buses: dict[str, SimBus] = {}
        self._subscriptions: list[SimSubscription] = []
        self._routes: dict[str, list[SimSubscription]] = {}
        self._arrivals: dict[tuple[int, int], float] = {}

    # -- connections

    def join(self, bus: SimBus) -> None:
        """A process connects; its own server may be down."""
        self._buses[bus.name] = bus
        if not self._servers[bus.home].up:
            bus.reconnected(None)
            self._reconnect_later(bus)

    def leave(self, bus: SimBus) -> None:
        """A process is gone, and its subscriptions with it."""
        self._buses.pop(bus.name, None)
        self._subscriptions = [one for one in self._subscriptions if one.bus is not bus]
        self._routes.clear()

    def add(self, subscription: SimSubscription) -> None:
        """A subscription begins."""
        self._subscriptions.append(subscription)
        self._routes.clear()

    def remove(self, subscription: SimSubscription) -> None:
        """A subscription ends."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._routes.clear()

    # -- servers

    def stop_server(self, number: int) -> None:
        """A server dies: its clients are disconnected and find another."""
        server = self._servers[number]
        server.up, server.frozen = False, False
        server.held.clear()
        for bus in list(self._buses.values()):
            if bus.server == number:
                bus.reconnected(None)
                self._reconnect_later(bus)

    def start_server(self, number: int) -> None:
        """A server is back, empty; a frozen one goes on, and sends what it held."""
        server = self._servers[number]
        server.up, server.frozen = True, False
        held, server.held = server.held, []
        for send in held:
            send()

    def freeze_server(self, number: int) -> None:
        """A server answers nothing more; its clients leave it when their pings are overdue."""
        server = self._servers[number]
        if not server.up or server.frozen:
            return
        server.frozen = True
        for bus in list(self._buses.values()):
            if bus.server == number:
                overdue = self.dice.uniform(*PINGS_OVERDUE_S)
                self.loop.call_later(overdue, self._pings_overdue, bus, bus.connection, context=bus.owner.context)

    def _pings_overdue(self, bus: SimBus, connection: int) -> None:
        if bus.connection == connection and bus.server is not None and self._servers[bus.server].frozen:
            bus.reconnected(None)
            self._reconnect_later(bus)

    def _reconnect_later(self, bus: SimBus) -> None:
        self.loop.call_later(self.dice.uniform(*RECONNECT_S), self._reconnect, bus, context=bus.owner.context)

    def _reconnect(self, bus: SimBus) -> None:
        if bus.server is not None or bus.name not in self._buses:
            return
        for step in range(SERVERS):
            number = (bus.home + step) % SERVERS
            if self._servers[number].up and not self._servers[number].frozen:
                bus.reconnected(number)
                return
        self._reconnect_later(bus)

    def heal(self) -> None:
        """All servers run, all links work, nothing is lost any more."""
        self.calm = True
        self.cut.clear()
        for number in range(SERVERS):
            self.start_server(number)

    # -- messages

    def send(self, bus: SimBus, subject: str, data: bytes, reply: str) -> None:
        """A message leaves a process."""
        assert isinstance(data, bytes), "only bytes cross the network"
        assert len(data) <= PAYLOAD_BYTES_MAX, f"a payload of {len(data)} bytes on {subject}"
        self.messages += 1
        self.tap(bus, subject, data)
        assert bus.server is not None
        server = self._servers[bus.server]
        if server.frozen:
            server.held.append(partial(self._route, bus, bus.connection, subject, data, reply))
        else:
            self._route(bus, bus.connection, subject, data, reply)

    def _route(self, bus: SimBus, connection: int, subject: str, data: bytes, reply: str) -> None:
        if subject.startswith("_INBOX."):
            target = self._buses.get(subject.rpartition(".")[0][len("_INBOX.") :])
            if target is not None and target.connected:
                self._carry(bus, connection, target, partial(target.answered, target.connection, subject, data))
            return
        found = self._routes.get(subject)
        if found is None:
            found = self._routes[subject] = [
                one for one in self._subscriptions if one.pattern == subject or matches(one.pattern, subject)
            ]
        groups: dict[str, list[SimSubscription]] = {}
        heard = False
        for one in found:
            if not one.bus.connected:
                continue
            heard = True
            if one.queue:
                groups.setdefault(one.queue, []).append(one)
            else:
                self._carry(bus, connection, one.bus, partial(one.put, one.bus.connection, subject, data, reply), reply)
        for members in groups.values():
            one = self.dice.choice(members)
            self._carry(bus, connection, one.bus, partial(one.put, one.bus.connection, subject, data, reply), reply)
        if not heard and reply.startswith(f"_INBOX.{bus.name}."):
            self._carry(bus, connection, bus, partial(bus.answered, bus.connection, reply, None))

    def _carry(
        self, source: SimBus, connection: int, target: SimBus, arrive: Callable[[], None], reply: str = ""
    ) -> None:
        """Bring a message to a connection: in order, unless it is lost, repeated, or over a link that is cut.

        A request is not repeated: NATS delivers at most once, and who is told "not taken" relies on it.
        """
        if (source.owner.name, target.owner.name) in self.cut:
            return
        roll = self.dice.random()
        faults = self.faults
        delay = 0.0002 + self.dice.random() * faults.delay_s_max
        if not self.calm:
            if roll < faults.loss:
                return
            if roll < faults.loss + faults.repetition and not reply:
                self._arrive_at(self.loop.now + delay + self.dice.random() * faults.long_delay_s_max, target, arrive)
            elif roll < faults.loss + faults.repetition + faults.long_delay:
                delay += self.dice.random() * faults.long_delay_s_max
        path = connection, target.connection
        at = max(self._arrivals.get(path, 0.0), self.loop.now + delay)
        self._arrivals[path] = at
        self._arrive_at(at, target, arrive)

    def _arrive_at(self, at: float, target: SimBus, arrive: Callable[[], None]) -> None:
        server = self._servers[target.server] if target.server is not None else None
        if server is not None and server.frozen:
            server.held.append(partial(self._arrive_at, self.loop.now, target, arrive))
            return
        self.loop.call_at(at, arrive, context=target.owner.context)

    def on_the_way(self, subject: str, data: bytes) -> bytes:
        """What becomes of an answer's bytes on the way."""
        if not subject.endswith(".snapshot-chunk") or not data or self.calm:
            return data
        if self.dice.random() >= self.faults.flip_chunk:
            return data
        bit = self.dice.randrange(len(data) * 8)
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << (bit % 8)
        return bytes(flipped)
