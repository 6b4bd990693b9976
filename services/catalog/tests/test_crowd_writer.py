"""Answers that leave by several threads arrive as those that the loop sends: whole, once, in order, or as an error."""

import asyncio
import contextlib
import os
import socket

import pytest
from api_fixture import story, until
from serving_fixture import Served, response

from lictor_catalog.crowd_writer import CrowdWriter

HELPERS = (0, 1, 3)
MANY = 200
SHARED = 70
"""Enough for helpers to take part."""


class Peer(asyncio.Protocol):
    """Our end of a connection."""

    def __init__(self) -> None:
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


async def pair() -> tuple[Peer, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    theirs.setblocking(False)
    _, peer = await asyncio.get_running_loop().create_connection(Peer, sock=ours)
    return peer, theirs


def end(crowd: CrowdWriter, pairs: list[tuple[Peer, socket.socket]]) -> None:
    for peer, theirs in pairs:
        peer.transport.close()
        theirs.close()
    crowd.close()


async def received(theirs: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        part = await asyncio.get_running_loop().sock_recv(theirs, 65536)
        assert part, "closed too early"
        found += part
    return found


@pytest.mark.parametrize("helpers", HELPERS)
def test_every_connection_gets_its_own_answer_whole(helpers: int) -> None:
    async def told() -> None:
        crowd = CrowdWriter(helpers)
        pairs = [await pair() for _ in range(MANY)]
        with crowd:
            assert crowd.gathering
            for number, (peer, _) in enumerate(pairs):
                crowd.add(peer.transport, b"%d" % number * 100)
        for number, (_, theirs) in enumerate(pairs):
            expected = b"%d" % number * 100
            assert theirs.recv(65536) == expected, "it has left when the block ends"
        end(crowd, pairs)

    asyncio.run(told())


@pytest.mark.parametrize("helpers", HELPERS)
def test_what_a_socket_does_not_take_at_once_follows_in_order(helpers: int) -> None:
    async def told() -> None:
        crowd = CrowdWriter(helpers)
        pairs = [await pair() for _ in range(SHARED)]
        long, last = bytes(range(256)) * 4096, b"the next answer"
        with crowd:
            for peer, _ in pairs:
                crowd.add(peer.transport, long)
        begun = [theirs.recv(65536) for _, theirs in pairs]  # there is room again, which is not the next answer's
        with crowd:
            for peer, _ in pairs:
                assert peer.transport.get_write_buffer_size() > 0
                crowd.add(peer.transport, last)
        for (_, theirs), first in zip(pairs, begun, strict=True):
            assert first + await received(theirs, len(long) + len(last) - len(first)) == long + last
        end(crowd, pairs)

    asyncio.run(told())


@story
async def test_an_answer_of_which_a_socket_takes_nothing_is_left_to_the_transport() -> None:
    crowd = CrowdWriter(0)
    peer, theirs = await pair()
    descriptor, before = peer.transport.get_extra_info("socket").fileno(), 0
    with contextlib.suppress(BlockingIOError):
        while True:
            before += os.write(descriptor, b"x")
    with crowd:
        crowd.add(peer.transport, b"answer")
    assert (await received(theirs, before + 6))[before:] == b"answer"
    end(crowd, [(peer, theirs)])


@pytest.mark.parametrize("helpers", HELPERS)
def test_a_connection_that_is_gone_ends_and_the_others_are_answered(helpers: int) -> None:
    async def told() -> None:
        crowd = CrowdWriter(helpers)
        pairs = [await pair() for _ in range(SHARED)]
        gone, closing = pairs[3], pairs[40]
        gone[1].close()
        closing[0].transport.close()
        with crowd:
            for peer, _ in pairs:
                crowd.add(peer.transport, b"answer")
        for peer, theirs in pairs:
            if (peer, theirs) not in (gone, closing):
                assert theirs.recv(100) == b"answer"
        await until(lambda: gone[0].lost and closing[0].lost, pause_s=0.001)
        end(crowd, pairs)

    asyncio.run(told())


@story
async def test_what_was_added_before_an_exception_leaves() -> None:
    crowd = CrowdWriter(1)
    peer, theirs = await pair()
    with contextlib.suppress(KeyError), crowd:
        crowd.add(peer.transport, b"answer")
        raise KeyError
    assert theirs.recv(100) == b"answer"
    assert not crowd.gathering
    end(crowd, [(peer, theirs)])


@story
async def test_hundreds_that_one_change_wakes_are_answered_and_go_on() -> None:
    async with Served() as served:
        by_crowd: list[bytes] = []
        crowd = served.catalog.crowd

        def add(transport: asyncio.WriteTransport, answer: bytes) -> None:
            by_crowd.append(answer)
            CrowdWriter.add(crowd, transport, answer)

        crowd.add = add  # type: ignore[method-assign]
        await served.catalog.put("kv/a", content=b"1")
        index = await served.catalog.index("kv/a")
        ask = f"GET /v1/kv/a?index={index} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        then = b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: x\r\n\r\n"
        opened = [await served.open() for _ in range(300)]
        for number, (_, writer) in enumerate(opened):
            writer.write(ask + then * (number % 3 == 0))  # some have asked for more already
        await until(lambda: served.catalog.api.queries.waiting == 300, pause_s=0.001)
        await served.catalog.put("kv/a", content=b"2")
        for number, (reader, writer) in enumerate(opened):
            head, body = await response(reader)
            assert head.startswith(b"HTTP/1.1 200")
            assert b'"Value":"Mg=="' in body
            if number % 3:
                writer.write(then)
            assert (await response(reader))[1] == b"2"
            writer.close()
        assert len(by_crowd) == 300
        assert len(set(by_crowd)) == 1, "encoded once for all"
