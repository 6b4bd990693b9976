"""Datagrams that the core of one process handles in a second of CPU, and how long an exchange of state takes."""

import time
from typing import NamedTuple

from benchmarks.gossip.pool import agent, endpoint, exchange, news, ping
from lictor_swim import Framing, Keyring, StreamAssembler

POOL = 1000
PIECE_BYTES = 65_536
FRAMINGS = {"plain": Framing(), "encrypted": Framing(keyring=Keyring([bytes(range(32))]))}


class Rate(NamedTuple):
    """One row: what was handled, under which framing, how many a second of CPU."""

    what: str
    framing: str
    per_second: float


class Exchange(NamedTuple):
    """One row: answering a peer's exchange of state, decoding and merging included."""

    members: int
    framing: str
    kib: int
    milliseconds: float


def rates(count: int) -> list[Rate]:
    """Probes answered, and claims that are known already: nearly all that a calm member hears."""
    found = []
    for label, framing in FRAMINGS.items():
        node = agent(POOL, framing)
        probes = [ping(index, 1 + index % (POOL - 1), framing) for index in range(1000)]
        claims = [news(1 + index % (POOL - 1), 1, framing) for index in range(1000)]
        for what, packets in (("probe answered", probes), ("claim that is known already", claims)):
            now = 1000.0
            began = time.process_time()
            for index in range(count):
                node.receive_datagram(packets[index % 1000], endpoint(1), now)
                node.outgoing()
                node.events()
                node.next_deadline()
            found.append(Rate(what, label, count / (time.process_time() - began)))
    return found


def assembled(data: bytes) -> bytes:
    """The request as its pieces come off a socket."""
    assembler = StreamAssembler()
    whole = [assembler.feed(data[at : at + PIECE_BYTES]) for at in range(0, len(data), PIECE_BYTES)][-1]
    assert whole is not None
    return whole


def exchanges(sizes: tuple[int, ...], repeats: int) -> list[Exchange]:
    """How long the event loop stands still while a peer's exchange of state is answered."""
    found = []
    for size in sizes:
        for label, framing in FRAMINGS.items():
            node, request = agent(size, framing), exchange(size, framing)
            node.receive_stream(request, endpoint(1), 1000.0)
            began = time.process_time()
            for _ in range(repeats):
                node.receive_stream(assembled(request), endpoint(1), 1000.0)
                node.events()
            spent = (time.process_time() - began) / repeats
            found.append(Exchange(size, label, len(request) // 1024, spent * 1000))
    return found
