"""The direct lane: a TCP connection to each member beside NATS, and NATS wherever there is none (design §3, Lanes).

Addresses come over NATS (presence, beacons) and are kept when NATS is gone. A connection says who speaks for which
cluster in which run before anything else is read; a wrong cluster, a wrong member and a second live run of a member are
refused. A connection that falls silent is cut within a second, messages then take NATS, and dialling goes on with a
growing pause. Lanes may overtake each other: Raft and numbered proposals bear that.

What it does not do: no encryption and no passwords (nor has NATS here any): it listens where the process is told to.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from lictor_bus.direct_link import DirectLink
from lictor_bus.direct_wire import Frame, Hello, Kind, hello_payload
from lictor_bus.lanes import VERBS, Lane, LaneCallback

PING_EVERY_S = 0.2
SILENT_S = 0.6
"""Three pings without an answer: the connection is cut, well before an election timeout of a second."""

HELLO_S = 1.0
"""A stranger may stay this long without saying who it is, and a dialled member may take this long to answer."""

LATE_S = 0.2
"""When our own loop wakes later than this, silence is our own and nobody is judged."""

BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.2, 5.0
ADDRESSES_MAX = 64
"""Members remembered; a cluster has at most a dozen. Beyond it the one not announced for longest is forgotten."""

CONNECTIONS_MAX = 1_024
"""Accepted connections: every catalog keeps one to every member. Beyond it new ones are closed unheard."""

RAFT = VERBS.index("raft")
REPLY = "direct."

log = structlog.get_logger()


@dataclass(slots=True)
class _Peer:
    """A member that was announced: where it listens, and when to dial it next."""

    address: str
    next_try: float = 0.0
    backoff_s: float = BACKOFF_FIRST_S
    dialling: bool = False
    link: DirectLink | None = None


class DirectLane:
    """A `Lane` over TCP with NATS behind it; run `run()` as one of the process's tasks."""

    def __init__(
        self,
        fallback: Lane,
        cluster: Callable[[], str],
        run_id: str,
        clock: Callable[[], float],
        *,
        member_id: int = 0,
        bus_works: Callable[[], bool] = lambda: True,
    ) -> None:
        """Make a lane of this process.

        Args:
            fallback: takes what no connection can.
            cluster: the cluster's id, asked when needed; nobody is dialled while it is empty.
            run_id: unique per start of this process.
            clock: seconds of a steady clock.
            member_id: who we are; 0 for a client, which is never dialled.
            bus_works: whether our own NATS connection works; told to those who dial us.
        """
        self._fallback, self._cluster, self._run_id, self._clock = fallback, cluster, run_id, clock
        self._member_id = member_id
        self.bus_works = bus_works
        self._peers: dict[int, _Peer] = {}
        self._accepted: dict[int, DirectLink] = {}
        self._callbacks: dict[int, LaneCallback] = {}
        self._server: asyncio.Server | None = None
        self.sent = 0
        self.fell_back = 0
        self.refused = 0

    # -- addresses and connections

    async def listen(self, host: str, port: int) -> int:
        """Accept connections; returns the port.

        Raises:
            OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def learn(self, addresses: Mapping[int, str]) -> None:
        """Members have announced where they listen (`host:port`; empty: nowhere)."""
        for member, address in addresses.items():
            known = self._peers.get(member)
            if member == self._member_id or (known is None and not address):
                continue
            if known is None:
                while len(self._peers) >= ADDRESSES_MAX:
                    oldest = next(iter(self._peers))
                    self._drop(oldest)
                self._peers[member] = _Peer(address)
                continue
            self._peers[member] = self._peers.pop(member)  # the longest unannounced come first
            if address and address != known.address:
                known.address, known.next_try, known.backoff_s = address, 0.0, BACKOFF_FIRST_S

    def _drop(self, member: int) -> None:
        link = self._peers.pop(member).link
        if link is not None:
            link.cut()

    @property
    def connected(self) -> tuple[int, ...]:
        """The members to whom a connection stands."""
        return tuple(member for member, peer in self._peers.items() if peer.link is not None and peer.link.open)

    def bus_of(self, member_id: int) -> bool | None:
        """Whether that member said lately that its own NATS connection works."""
        link = self._link(member_id)
        return None if link is None else link.peer_bus

    async def run(self) -> None:
        """Dial, ping and judge, until cancelled."""
        due = self._clock()
        async with asyncio.TaskGroup() as dialling:
            while True:
                now = self._clock()
                if now - due < LATE_S:
                    self._judge(now)
                for member, peer in self._peers.items():
                    if peer.link is not None:
                        peer.link.send(Kind.PING)
                    elif not peer.dialling and now >= peer.next_try and self._cluster():
                        peer.dialling = True
                        dialling.create_task(self._dial(member, peer), name=f"dial {member:x}")
                due = now + PING_EVERY_S
                await asyncio.sleep(PING_EVERY_S)

    async def close(self) -> None:
        """Accept nobody any more and cut every connection."""
        if self._server is not None:
            self._server.close()
        for link in [*self._accepted.values(), *(peer.link for peer in self._peers.values() if peer.link)]:
            link.cut()

    def _judge(self, now: float) -> None:
        """Cut who has been silent for too long."""
        dialled = [peer.link for peer in self._peers.values() if peer.link is not None]
        for link in [*dialled, *self._accepted.values()]:
            if now - link.heard_at > (SILENT_S if link.open else HELLO_S):
                link.cut()

    async def _dial(self, member: int, peer: _Peer) -> None:
        host, _, port = peer.address.rpartition(":")
        greeting = Hello(self._cluster(), self._member_id, self._run_id, member)
        link = DirectLink(self, self._clock, greeting)
        try:
            async with asyncio.timeout(HELLO_S):
                await asyncio.get_running_loop().create_connection(lambda: link, host, int(port))
                await asyncio.wait([link.ready])
        except (OSError, TimeoutError, ValueError) as error:
            log.debug("direct connection failed", member=f"{member:x}", address=peer.address, reason=str(error))
        finally:
            peer.dialling = False
        if link.open and self._peers.get(member) is peer:
            peer.link, peer.backoff_s = link, BACKOFF_FIRST_S
            log.info("direct connection", member=f"{member:x}", address=peer.address)
        else:
            link.cut()
            peer.next_try = self._clock() + peer.backoff_s
            peer.backoff_s = min(BACKOFF_MAX_S, 2 * peer.backoff_s)

    def _accept(self) -> DirectLink:
        link = DirectLink(self, self._clock, welcome=len(self._accepted) < CONNECTIONS_MAX)
        self._accepted[link.id] = link
        return link

    # -- told by links

    def greeted(self, link: DirectLink, hello: Hello) -> str:
        """Judge a hello; the accepting side answers with its own."""
        refusal = self._refusal(link, hello)
        if refusal:
            self.refused += 1
        elif not link.dialled:
            link.send(Kind.HELLO, payload=hello_payload(Hello(self._cluster(), self._member_id, self._run_id)))
        return refusal

    def _refusal(self, link: DirectLink, hello: Hello) -> str:
        if hello.cluster != self._cluster() or not hello.cluster:
            return f"a hello of cluster {hello.cluster[:64]!r}"
        if link.dialled:
            return ""
        if hello.wanted != self._member_id:
            return "a hello for another member"
        for other in list(self._accepted.values()):
            if hello.member and other.peer is not None and other.peer.member == hello.member:
                if other.peer.run_id != hello.run_id and self._clock() - other.heard_at <= SILENT_S:
                    return f"a second live run of member {hello.member:x}"
                other.cut()
        return ""

    def came(self, link: DirectLink, came: Frame) -> None:
        """A message or request: to who serves its verb."""
        callback = self._callbacks.get(came.code)
        if callback is None or (came.code == RAFT and link.peer is not None and not link.peer.member):
            return  # a verb that nobody serves, or a client that speaks Raft
        callback(came.payload, f"{REPLY}{link.id}.{came.number}" if came.kind is Kind.REQUEST else "")

    def ended(self, link: DirectLink) -> None:
        """A connection is over."""
        self._accepted.pop(link.id, None)
        for peer in self._peers.values():
            if peer.link is link:
                peer.link, peer.next_try = None, self._clock() + peer.backoff_s
                log.info("direct connection ended", address=peer.address)

    # -- the lane

    def _link(self, member_id: int) -> DirectLink | None:
        peer = self._peers.get(member_id)
        return peer.link if peer is not None and peer.link is not None and peer.link.open else None

    async def publish(self, member_id: int, verb: str, data: bytes) -> None:
        """Send to one member, directly or over NATS; dropped when its connection is full."""
        self.publish_now(member_id, verb, data)

    def publish_now(self, member_id: int, verb: str, data: bytes) -> None:
        """As `publish`."""
        link = self._link(member_id)
        if link is None:
            self.fell_back += 1
            self._fallback.publish_now(member_id, verb, data)
        else:
            self.sent += 1
            link.send(Kind.MESSAGE, VERBS.index(verb), 0, data)

    async def request(self, member_id: int, verb: str, data: bytes, timeout_s: float) -> bytes:
        """Send and wait for one answer, directly or over NATS."""
        link = self._link(member_id)
        if link is None:
            self.fell_back += 1
            return await self._fallback.request(member_id, verb, data, timeout_s)
        self.sent += 1
        return await link.request(VERBS.index(verb), data, timeout_s)

    async def serve(self, verb: str, callback: LaneCallback) -> None:
        """Call `callback` for every message under `verb`, whichever way it comes."""
        self._callbacks[VERBS.index(verb)] = callback
        await self._fallback.serve(verb, callback)

    async def answer(self, reply: str, data: bytes) -> None:
        """Answer a request the way it came."""
        if reply.startswith(REPLY):
            self._answer(reply, data)
        else:
            await self._fallback.answer(reply, data)

    def answer_now(self, reply: str, data: bytes) -> None:
        """Answer a request the way it came, from inside a callback."""
        if reply.startswith(REPLY):
            self._answer(reply, data)
        else:
            self._fallback.answer_now(reply, data)

    def _answer(self, reply: str, data: bytes) -> None:
        link_id, _, number = reply.removeprefix(REPLY).partition(".")
        link = self._accepted.get(int(link_id))
        if link is not None:
            link.send(Kind.ANSWER, 0, int(number), data)
