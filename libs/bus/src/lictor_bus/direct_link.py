"""One TCP connection of a direct lane, from hello to end; the same on both sides.

It never waits: what does not fit into the bounded write buffer is dropped, as a network would. A broken, strange or
silent stream is cut at once, and every request under way on it fails, so that its asker asks again by another road.
"""

import asyncio
import itertools
import socket
from collections.abc import Callable
from typing import Protocol, cast

import structlog

from lictor_bus.connection import BusDisconnectedError, BusTimeoutError
from lictor_bus.direct_wire import (
    FRAME_BYTES_MAX,
    Frame,
    FrameReader,
    Hello,
    Kind,
    WireError,
    decode_hello,
    hello_payload,
)
from lictor_bus.direct_wire import encode as frame

OUT_BYTES_MAX = 4 * 1024 * 1024
"""Bytes waiting to be sent on one connection: four times the core's window per peer. Beyond it frames are dropped."""

REQUESTS_MAX = 1_024
"""Requests under way on one connection; proposers and readers keep fewer than ten. Beyond it a request fails."""

log = structlog.get_logger()
_ids = itertools.count(1)


class LinkOwner(Protocol):
    """What a link tells the lane."""

    def greeted(self, link: "DirectLink", hello: Hello) -> str:
        """The other side's hello has come; why it is refused, or ""."""

    def came(self, link: "DirectLink", came: Frame) -> None:
        """A message or request has come."""

    def ended(self, link: "DirectLink") -> None:
        """The connection is over."""

    def bus_works(self) -> bool:
        """Whether our own NATS connection works."""


class DirectLink(asyncio.Protocol):
    """One connection; `greeting` is the dialler's hello, None on the accepting side."""

    def __init__(
        self, owner: LinkOwner, clock: Callable[[], float], greeting: Hello | None = None, *, welcome: bool = True
    ) -> None:
        """One that is not `welcome` is closed unheard."""
        self.id = next(_ids)
        self.peer: Hello | None = None
        self.heard_at = clock()
        self.peer_bus: bool | None = None
        self.dropped = 0
        self.dialled = greeting is not None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when both hellos are through; cancelled when the connection ends before."""
        self._owner, self._clock, self._greeting, self._welcome = owner, clock, greeting, welcome
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._requests: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count(1)

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        transport = cast(asyncio.Transport, transport)  # uvloop's has all its methods and is no subclass
        self._transport = transport
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._welcome:
            transport.abort()
        elif self._greeting is not None:
            self.send(Kind.HELLO, payload=hello_payload(self._greeting))

    def data_received(self, data: bytes) -> None:
        """Bytes have come in."""
        self.heard_at = self._clock()
        try:
            if self.peer is None:
                for one in self._reader.feed(data):
                    self._take(one)
                data = b""
            for one in self._reader.feed(data):
                self._take(one)
        except WireError as error:
            log.warning("direct stream cut", reason=str(error), peer=self._name())
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  why a connection ended changes nothing
        """The connection is over: who waits for an answer hears it now."""
        self._transport = None
        if not self.ready.done():
            self.ready.cancel()
        for waiting in self._requests.values():
            if not waiting.done():
                waiting.set_exception(BusDisconnectedError("the direct connection ended"))
        self._requests.clear()
        self._owner.ended(self)

    # -- the lane's side

    @property
    def open(self) -> bool:
        """Whether both hellos are through and the connection stands."""
        return self.peer is not None and self._transport is not None and not self._transport.is_closing()

    def send(self, kind: Kind, code: int = 0, number: int = 0, payload: bytes = b"") -> bool:
        """Send one frame; False when it was dropped."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() + len(payload) > OUT_BYTES_MAX or len(payload) > FRAME_BYTES_MAX:
            self.dropped += 1
            return False
        transport.write(frame(kind, code, number, payload))
        return True

    async def request(self, code: int, payload: bytes, timeout_s: float) -> bytes:
        """Send a request and wait for its answer.

        Raises:
            BusTimeoutError: no answer within `timeout_s`.
            BusDisconnectedError: the connection ended, or is too full to ask anything.
        """
        number = next(self._numbers)
        if len(self._requests) >= REQUESTS_MAX or not self.send(Kind.REQUEST, code, number, payload):
            raise BusDisconnectedError("the direct connection is full")
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._requests[number] = waiting
        timer = asyncio.get_running_loop().call_later(timeout_s, _time_out, waiting)
        try:
            return await waiting
        finally:
            timer.cancel()
            self._requests.pop(number, None)

    def cut(self) -> None:
        """End the connection now; what is buffered is lost."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, came: Frame) -> None:
        if self.peer is None:
            hello = decode_hello(came)
            refusal = self._owner.greeted(self, hello)
            if refusal:
                raise WireError(refusal)
            self.peer = hello
            self._reader.limit = FRAME_BYTES_MAX
            if not self.ready.done():
                self.ready.set_result(None)
        elif came.kind is Kind.MESSAGE or came.kind is Kind.REQUEST:
            self._owner.came(self, came)
        elif came.kind is Kind.ANSWER:
            waiting = self._requests.get(came.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(came.payload)
        elif came.kind is Kind.PING:
            self.send(Kind.PONG, int(self._owner.bus_works()))
        elif came.kind is Kind.PONG:
            self.peer_bus = bool(came.code)
        else:
            raise WireError("a second hello")

    def _name(self) -> str:
        address = self._transport.get_extra_info("peername") if self._transport is not None else None
        return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else ""


def _time_out(waiting: asyncio.Future[bytes]) -> None:
    if not waiting.done():
        waiting.set_exception(BusTimeoutError("no answer on the direct connection"))
