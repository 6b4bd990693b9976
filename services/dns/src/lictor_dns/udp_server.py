"""DNS over UDP: sockets that are drained by the batch when the loop says that they are readable.

asyncio's datagram transport costs several calls and objects per packet, a thread or a process of its own gains nothing
over the loop (docs/adr/0016). One wake-up answers up to `BATCHES_PER_WAKE` batches, and then lets the loop look after
the view and TCP.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial

from lictor_dns.bound_sockets import bound
from lictor_dns.datagrams import BATCH, Datagrams, Peer
from lictor_dns.outcome import Outcome, Recurse, Recursion

BATCHES_PER_WAKE = 2
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""Queries that wait in the kernel while the loop does something else; beyond it the kernel drops them."""


def nothing_ready(_query: bytes) -> bytes | None:
    """For a server whose every query is to be answered anew."""
    return None


class UdpServer:
    """Answers datagrams; `open` once for each address."""

    def __init__(
        self,
        answer: Callable[[bytes, bytes], Outcome],
        recurse: Recursion,
        ready: Callable[[bytes], bytes | None] = nothing_ready,
    ) -> None:
        """Answer with what is `ready`, else with what becomes of a query and its client's address."""
        self._answer, self._recurse, self._ready = answer, recurse, ready
        self._open: list[tuple[socket.socket, Datagrams]] = []
        self._dropped_before = 0

    @property
    def port(self) -> int:
        """The port of the address that was opened first."""
        assert self._open, "open first"
        return int(self._open[0][0].getsockname()[1])

    @property
    def dropped(self) -> int:
        """Replies that the kernel did not take."""
        return self._dropped_before + sum(datagrams.dropped for _, datagrams in self._open)

    def open(self, host: str, port: int, *, shared: bool = False) -> None:
        """Bind an address and begin to answer; `shared`: other processes answer there too.

        Raises:
            OSError: the port is not free.
        """
        opened = bound(host, port, socket.SOCK_DGRAM, shared=shared)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        datagrams = Datagrams(opened)
        self._open.append((opened, datagrams))
        asyncio.get_running_loop().add_reader(opened, self._drain, datagrams, partial(self._one, datagrams))

    def close(self) -> None:
        """Stop answering."""
        self._dropped_before = self.dropped
        for opened, _ in self._open:
            asyncio.get_running_loop().remove_reader(opened)
            opened.close()
        self._open.clear()

    def _drain(self, datagrams: Datagrams, answer: Callable[[bytes, int], bytes | None]) -> None:
        for _ in range(BATCHES_PER_WAKE):
            if datagrams.exchange(self._ready, answer) < BATCH:
                return

    def _one(self, datagrams: Datagrams, query: bytes, slot: int) -> bytes | None:
        outcome = self._answer(query, datagrams.client(slot))
        if not isinstance(outcome, Recurse):
            return outcome
        self._recurse(outcome, partial(self._reply, datagrams, datagrams.peer(slot)))
        return None

    def _reply(self, datagrams: Datagrams, peer: Peer, reply: bytes | None) -> None:
        if reply is not None and self._open:
            datagrams.send(peer, reply)
