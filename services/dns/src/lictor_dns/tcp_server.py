"""DNS over TCP (RFC 7766): messages behind their length, pipelined, answered as soon as each answer is there.

What is answered from memory is answered in order; what recursors are asked first comes when they have said it, out of
order where it must be (section 7). Everything a client can pile up is bounded: connections, in all and for each
client; questions that wait for recursors; bytes that it does not take; time without a whole query. A connection that
has reached one of the last three bounds is not read from until it is below it again.
"""

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Callable
from typing import cast

from lictor_dns.bound_sockets import bound
from lictor_dns.client_address import packed_address
from lictor_dns.outcome import Outcome, Recurse, Recursion
from lictor_dnswire import FrameReader, frame

IDLE_S = 30.0
"""A connection without a whole query for this long is closed (RFC 7766, section 6.2.3, leaves the time to us); one
that does not take its answers is cut off after the same time."""

CROWDED_IDLE_S = 5.0
"""The same while more than half of the connections that there may be are open: those who ask nothing make room."""

WAITING_MAX = 64
"""Questions of one connection that recursors are asked at once; further ones are read when one is done."""

UNSENT_BYTES_MAX = 256 * 1024
"""Answers that one client has not taken; it is not read from until it has taken most of them."""

BACKLOG = 512
PER_CLIENT_MAX = 256


class TcpServer:
    """Answers queries on connections; `open` once for each address."""

    def __init__(
        self,
        answer: Callable[[bytes, bytes], Outcome],
        recurse: Recursion,
        connections_max: int,
        idle_s: float = IDLE_S,
        per_client_max: int = PER_CLIENT_MAX,
    ) -> None:
        self._answer, self._recurse = answer, recurse
        self._connections_max, self._idle_s, self._per_client_max = connections_max, idle_s, per_client_max
        self._servers: list[asyncio.Server] = []
        self._open: set[Connection] = set()
        self._by_client: Counter[bytes] = Counter()
        self.refused = 0
        """Connections that were closed at once: over a limit."""

    @property
    def port(self) -> int:
        """The port of the address that was opened first."""
        assert self._servers, "open first"
        return int(self._servers[0].sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    async def open(self, host: str, port: int, *, shared: bool = False) -> None:
        """Bind an address and begin to answer; `shared`: other processes answer there too.

        Raises:
            OSError: the port is not free.
        """
        listening = bound(host, port, socket.SOCK_STREAM, shared=shared)
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: Connection(self, loop), sock=listening, backlog=BACKLOG)
        except OSError:
            listening.close()
            raise
        self._servers.append(server)

    async def close(self) -> None:
        """Stop listening and close what is open."""
        for server in self._servers:
            server.close()
        for connection in tuple(self._open):
            connection.close()
        for server in self._servers:
            await server.wait_closed()

    def admit(self, connection: "Connection") -> bool:
        """Whether a new connection may stay."""
        client = connection.client
        if len(self._open) >= self._connections_max or self._by_client[client] >= self._per_client_max:
            self.refused += 1
            return False
        self._open.add(connection)
        self._by_client[client] += 1
        return True

    def left(self, connection: "Connection") -> None:
        """A connection has ended."""
        if connection in self._open:
            self._open.remove(connection)
            self._by_client[connection.client] -= 1
            if not self._by_client[connection.client]:
                del self._by_client[connection.client]

    def idle_s(self) -> float:
        """How long a connection may be idle now."""
        crowded = 2 * len(self._open) > self._connections_max
        return min(self._idle_s, CROWDED_IDLE_S) if crowded else self._idle_s

    def outcome(self, query: bytes, client: bytes) -> Outcome:
        """What becomes of a query."""
        return self._answer(query, client)

    def recurse(self, question: Recurse, reply: Callable[[bytes | None], None]) -> None:
        """Ask recursors."""
        self._recurse(question, reply)


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: TcpServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server, self._loop = server, loop
        self._transport: asyncio.Transport | None = None
        self._frames = FrameReader()
        self._unread: deque[bytes] = deque()  # queries of one read that a bound holds back
        self._waiting = 0
        self._held = False
        self._full = False
        self._ended = False
        self._moved_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.client = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or refuse."""
        self._transport = opened = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        peer = opened.get_extra_info("peername")
        if not peer:
            opened.abort()  # it has gone already
            return
        self.client = packed_address(peer[0])
        if not self._server.admit(self):
            opened.close()
            return
        opened.set_write_buffer_limits(high=UNSENT_BYTES_MAX)
        self._moved_at = self._loop.time()
        self._timer = self._loop.call_later(self._server.idle_s(), self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over; why does not matter."""
        del exc
        self._transport = None
        self._unread.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._server.left(self)

    def close(self) -> None:
        """End it; what was answered is still sent."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        self._unread.extend(self._frames.feed(data))
        self._go_on()

    def eof_received(self) -> bool:
        """The client asks no more; what it has asked is still answered (RFC 7766, section 6.2.4)."""
        self._ended = True
        return bool(self._waiting or self._unread)

    def pause_writing(self) -> None:
        """The client does not take its answers."""
        self._full = True
        self._moved_at = self._loop.time()

    def resume_writing(self) -> None:
        """It does again."""
        self._full = False
        self._moved_at = self._loop.time()
        self._go_on()

    def _go_on(self) -> None:
        while self._unread and not self._full and self._waiting < WAITING_MAX and self._transport is not None:
            self._moved_at = self._loop.time()
            outcome = self._server.outcome(self._unread.popleft(), self.client)
            if isinstance(outcome, Recurse):
                self._waiting += 1
                self._server.recurse(outcome, self._finished)
            elif outcome is None:
                self._unread.clear()
                self.close()  # what came was no query: nothing sensible follows on this stream
                return
            else:
                self._transport.write(frame(outcome))
        self._end_if_done()
        if self._transport is None or self._transport.is_closing() or self._ended:
            return
        if bool(self._unread) is not self._held:
            self._held = bool(self._unread)
            (self._transport.pause_reading if self._held else self._transport.resume_reading)()

    def _finished(self, reply: bytes | None) -> None:
        self._waiting -= 1
        if self._transport is None:
            return
        self._moved_at = self._loop.time()
        if reply is not None:
            self._transport.write(frame(reply))
        self._go_on()

    def _end_if_done(self) -> None:
        if self._ended and not self._waiting and not self._unread:
            self.close()

    def _look(self) -> None:
        """End it when nothing has moved for too long; recursors have time limits of their own."""
        assert self._transport is not None, "the timer ends with the connection"
        left_s = self._moved_at + self._server.idle_s() - self._loop.time()
        if self._waiting or left_s > 0:
            self._timer = self._loop.call_later(max(left_s, 1.0) if self._waiting else left_s, self._look)
        elif self._transport.get_write_buffer_size():
            self._transport.abort()  # it takes nothing
        else:
            self.close()
