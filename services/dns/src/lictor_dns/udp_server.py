"""DNS over UDP: a plain socket that is drained when the loop says that it is readable.

asyncio's datagram transport costs several calls and objects per packet; here one wake-up answers up to
`DATAGRAMS_PER_WAKE`, and then lets the loop look after the view and TCP.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial

import structlog

from lictor_dns.client_address import packed_address
from lictor_dns.outcome import Outcome, Recurse, Recursion

DATAGRAMS_PER_WAKE = 64
QUERY_BYTES_MAX = 65_535
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""Queries that wait in the kernel while the loop does something else; beyond it the kernel drops them."""

log = structlog.get_logger()


class UdpServer:
    """Answers datagrams on one socket."""

    def __init__(self, answer: Callable[[bytes, bytes], Outcome], recurse: Recursion) -> None:
        self._answer, self._recurse = answer, recurse
        self._socket: socket.socket | None = None
        self.dropped = 0

    @property
    def port(self) -> int:
        """The bound port."""
        assert self._socket is not None, "open first"
        return int(self._socket.getsockname()[1])

    def open(self, host: str, port: int) -> None:
        """Bind and begin to answer.

        Raises:
            OSError: the port is not free.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            opened.bind((host, port))
        except OSError:
            opened.close()
            raise
        self._socket = opened
        asyncio.get_running_loop().add_reader(opened, self._drain)

    def close(self) -> None:
        """Stop answering."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _drain(self) -> None:
        opened, answer = self._socket, self._answer
        assert opened is not None, "the reader is removed before the socket is closed"
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                data, peer = opened.recvfrom(QUERY_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier reply; it concerns nobody here
            outcome = answer(data, packed_address(peer[0]))
            if isinstance(outcome, Recurse):
                self._recurse(outcome, partial(self._send, peer))
            else:
                self._send(peer, outcome)

    def _send(self, peer: tuple[object, ...], reply: bytes | None) -> None:
        if reply is None or self._socket is None:
            return
        try:
            self._socket.sendto(reply, peer)
        except OSError:
            self.dropped += 1  # the send buffer is full or the peer unreachable: UDP clients ask again
