"""Asks recursors over UDP and TCP as `recursor` decides, and hands the finished reply to whoever asked.

Each message to a recursor leaves from a connected socket of its own: the kernel picks its port at random and takes
datagrams of that peer alone (RFC 5452, section 9). The same query that comes again while it is being asked shares the
ask: a burst costs one question, and a loop (a recursor that forwards to us) closes upon itself and ends by its time
limit. Replies are not kept: who wants a cache puts a forwarder in front.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from lictor_dns.outcome import Recurse, Reply
from lictor_dns.recursor import Action, Address, Ask, Recursors, Send
from lictor_dnswire import FrameReader, frame

ASKS_MAX: Final = 256
"""Questions on their way at once, a socket each; beyond it they fail (SERVFAIL), for their clients ask again."""

SHARERS_MAX: Final = 256
"""Who may wait for one ask beside the first; beyond it they fail."""

EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})
"""Addresses that stand for all of the host's."""

DATAGRAM_BYTES_MAX: Final = 65_535
READ_BYTES: Final = 65_537

log = structlog.get_logger()


@dataclass(slots=True)
class RecursionCounts:
    """What became of questions, for metrics."""

    answered: int = 0
    failed: int = 0
    shared: int = 0
    overloaded: int = 0
    over_tcp: int = 0


_Waiting = list[tuple[Recurse, Reply]]


class Recursion:
    """Asks recursors; `ask_udp` and `ask_tcp` go to the servers, `close` ends what is on its way."""

    def __init__(self, recursors: Recursors, timeout_s: float, new_id: Callable[[], int]) -> None:
        """Ask `recursors`, each for at most `timeout_s`; `new_id` rolls ids (0 to 65535) that nobody can foresee."""
        self.recursors, self._timeout_s, self._new_id = recursors, timeout_s, new_id
        self._asks: dict[tuple[bool, bytes], _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts = RecursionCounts()

    def ask_udp(self, recurse: Recurse, reply: Reply) -> None:
        """Ask for a client over UDP."""
        self._ask(recurse, reply, over_tcp=False)

    def ask_tcp(self, recurse: Recurse, reply: Reply) -> None:
        """Ask for a client over TCP: it wants the whole answer, so the recursor is asked over TCP at once."""
        self._ask(recurse, reply, over_tcp=True)

    @property
    def in_flight(self) -> int:
        """Questions on their way."""
        return len(self._asks)

    async def close(self) -> None:
        """End every ask; nobody is answered."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ask(self, recurse: Recurse, reply: Reply, *, over_tcp: bool) -> None:
        key = (over_tcp, recurse.query[2:])
        waiting = self._asks.get(key)
        if waiting is not None and len(waiting) <= SHARERS_MAX:
            self.counts.shared += 1
            waiting.append((recurse, reply))
            return
        if waiting is not None or len(self._asks) >= ASKS_MAX:
            self.counts.overloaded += 1
            reply(recurse.finish(None))
            return
        self._asks[key] = [(recurse, reply)]
        task = asyncio.get_running_loop().create_task(self._run(key, recurse.query))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("recursion failed", exc_info=task.exception())

    async def _run(self, key: tuple[bool, bytes], query: bytes) -> None:
        answer: bytes | None = None
        try:
            answer = await self._answer(Ask(query, self.recursors, self._timeout_s, self._new_id, over_tcp=key[0]))
        finally:
            waiting = self._asks.pop(key)
        if answer is None:
            self.counts.failed += len(waiting)
        else:
            self.counts.answered += len(waiting)
        for recurse, reply in waiting:
            reply(recurse.finish(answer))

    async def _answer(self, ask: Ask) -> bytes | None:
        action = ask.begin(_now())
        while isinstance(action, Send):
            if action.over_tcp:
                self.counts.over_tcp += 1
                action = await _over_tcp(ask, action)
            else:
                action = await _over_udp(ask, action)
        return action.reply


def without_ourselves(addresses: Sequence[Address], bound: Sequence[str], port: int) -> tuple[Address, ...]:
    """The recursors that are not this very process, which would ask itself until the end of time.

    Args:
        addresses: as configured.
        bound: the addresses that we listen at; one may stand for all of the host's.
        port: the port that we listen at.
    """
    ours = {*bound, *EVERYWHERE}
    everywhere = not EVERYWHERE.isdisjoint(bound)
    kept = []
    for one in addresses:
        if one.port == port and (one.host in ours or (everywhere and _is_ours(one))):
            log.error("a recursor is this process itself, and is not asked", recursor=str(one))
        else:
            kept.append(one)
    return tuple(kept)


def _is_ours(address: Address) -> bool:
    """Whether the address is one of this host: only those can be bound."""
    with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address.host, 0))
        except OSError:
            return False
    return True


def _now() -> float:
    return asyncio.get_running_loop().time()


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET


@contextlib.contextmanager
def _connected(to: Address) -> Iterator[socket.socket]:
    with socket.socket(_family(to), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as opened:
        opened.connect(to)
        yield opened


async def _over_udp(ask: Ask, sent: Send) -> Action:
    """Send one datagram, perhaps twice, and say what follows from the reply or its absence."""
    loop = asyncio.get_running_loop()
    action: Action | None = sent
    try:
        with _connected(sent.to) as opened:
            while True:
                if isinstance(action, Send):
                    opened.send(action.message)
                try:
                    async with asyncio.timeout_at(ask.deadline):
                        data = await loop.sock_recv(opened, DATAGRAM_BYTES_MAX)
                    action = ask.take(data, loop.time())
                except TimeoutError:
                    action = ask.tick(loop.time())
                if action is not None and not (isinstance(action, Send) and action.again):
                    return action
    except OSError:  # nobody listens there, or there is no way to it
        return ask.failed(loop.time())


async def _over_tcp(ask: Ask, sent: Send) -> Action:
    """Ask over a connection of its own, and say what follows."""
    loop = asyncio.get_running_loop()
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout_at(ask.deadline):
            reader, writer = await asyncio.open_connection(*sent.to)
            writer.write(frame(sent.message))
            frames = FrameReader()
            while data := await reader.read(READ_BYTES):
                for message in frames.feed(data):
                    action = ask.take(message, loop.time())
                    if action is not None:
                        return action
    except (OSError, TimeoutError):  # no way to it, a broken connection, or no reply in time
        return ask.failed(loop.time())
    finally:
        if writer is not None:
            writer.close()
    return ask.failed(loop.time())
