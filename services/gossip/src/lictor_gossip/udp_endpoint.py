"""The gossip port's UDP half: one socket that receives every packet and sends every packet.

Peers answer to the address that a packet came from, so sending from another socket would lose the answers. Packets may
be lost by design: what the kernel does not take is dropped and counted, never queued without bound.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from lictor_swim import Endpoint

RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024
"""Asked of the kernel, and halved until it agrees: a burst of gossip must not push out the acks behind it."""

_RECEIVE_BUFFER_BYTES_MIN = 64 * 1024


class UdpEndpoint(asyncio.DatagramProtocol):
    """One bound socket.

    Args:
        receive: called with each packet and its source.
    """

    def __init__(self, receive: Callable[[bytes, Endpoint], None]) -> None:
        self.packets_dropped = 0
        self._receive = receive
        self._transport: asyncio.DatagramTransport | None = None
        self._is_full = False

    async def open(self, bind: Endpoint) -> None:
        """Bind the socket; `bind.host` is an IP address.

        Raises:
            OSError: the address is not there or in use.
        """
        bound = _bind(bind)
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=bound)
        except OSError:
            bound.close()
            raise
        self._transport = transport

    def send(self, data: bytes, destination: Endpoint) -> None:
        """Send one packet, or drop it when the kernel does not take it."""
        transport = self._transport
        if transport is None or self._is_full:
            self.packets_dropped += 1
            return
        try:
            transport.sendto(data, destination)
        except (OSError, ValueError):
            # An address of the other IP family, or one that cannot be sent to: a peer announced it, not we.
            self.packets_dropped += 1

    def close(self) -> None:
        """Close the socket; nothing is received afterwards."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """The event loop has a packet for us."""
        if self._transport is not None:
            self._receive(data, Endpoint(addr[0], addr[1]))

    def pause_writing(self) -> None:
        """The event loop holds as many unsent packets as it should (64 KiB): gossip that waits longer is repeated."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The kernel takes packets again."""
        self._is_full = False

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002  (the protocol's shape)
        """The kernel reports a packet that could not be delivered: a dead peer's port, mostly. The prober will know."""
        self.packets_dropped += 1


def _bind(endpoint: Endpoint) -> socket.socket:
    """A bound socket with a large receive buffer. We bind it ourselves: uvloop leaks a transport that fails to bind."""
    unbound = socket.socket(socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        unbound.setblocking(False)
        _enlarge_receive_buffer(unbound)
        unbound.bind(endpoint)
    except OSError:
        unbound.close()
        raise
    return unbound


def _enlarge_receive_buffer(unbound: socket.socket) -> None:
    wanted = RECEIVE_BUFFER_BYTES
    while wanted >= _RECEIVE_BUFFER_BYTES_MIN:
        with contextlib.suppress(OSError):
            unbound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
            return
        wanted //= 2
