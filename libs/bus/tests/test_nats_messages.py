"""Messages cut out of a connection's bytes: whatever the pieces they come in, nothing is lost, doubled or out of order."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.protocol.parser import Parser

from lictor_bus.nats_messages import LINE_BYTES_MAX, Found, MessageFinder

KNOWN = {1, 2, 30}


def message(sid, subject, data, reply=""):
    between = f"{reply} " if reply else ""
    return f"MSG {subject} {sid} {between}{len(data)}\r\n".encode() + data + b"\r\n"


LINES = [b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'Slow Consumer'\r\n", b'INFO {"a":1}\r\n']
payloads = st.binary(max_size=60) | st.sampled_from([b"", b"\r\n", b"MSG a 1 3\r\n", b"PING\r\n"])
frames = st.one_of(
    st.sampled_from(LINES),
    st.builds(message, st.sampled_from([1, 2, 30, 4, 55]), st.sampled_from(["a", "b.c"]), payloads, st.sampled_from(["", "r.1"])),
    st.builds(lambda data: b"HMSG a 1 12 %d\r\nNATS/1.0\r\n\r\n" % (12 + len(data)) + data + b"\r\n", payloads),
)  # fmt: skip


class ByNatsPy:
    """What nats-py's own parser makes of bytes."""

    def __init__(self):
        self.found = []
        self.others = []

    async def _process_msg(self, sid, subject, reply, data, headers):
        (self.found if sid in KNOWN and headers is None else self.others).append(Found(sid, subject, reply, data))

    async def _process_ping(self):
        self.others.append("ping")

    async def _process_pong(self):
        self.others.append("pong")

    async def _process_info(self, info):
        self.others.append(info)

    async def _process_err(self, error):
        self.others.append(error)


async def parsed(*chunks):
    client = ByNatsPy()
    parser = Parser(client)
    for chunk in chunks:
        await parser.parse(chunk)
    return client, bytes(parser.buf)


@given(st.lists(frames, max_size=12), st.lists(st.integers(0, 400), max_size=8))
def test_both_ways_together_give_what_nats_py_gives(sent, cuts):
    data = b"".join(sent)
    finder, found, rest = MessageFinder(KNOWN), [], []
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in itertools.pairwise(places):
        some, others = finder.feed(data[begin:end])
        found += some
        rest.append(others)
        assert asyncio.run(parsed(others))[1] == b"", "the long way gets whole lines and frames"
    whole, _ = asyncio.run(parsed(data))
    long_way, left = asyncio.run(parsed(*rest))
    assert (found, long_way.others, long_way.found, left) == (whole.found, whole.others, [], b"")


@pytest.mark.parametrize(
    "data", [b"MSG a 1\r\n", b"MSG a x 3\r\nabc\r\n", b"MSG a 1 many\r\n", b"HMSG a 1\r\n", b"x" * (LINE_BYTES_MAX + 1)]
)
def test_what_is_malformed_is_left_to_nats_py(data):
    found, rest = MessageFinder(KNOWN).feed(message(1, "a", b"good") + data + b"more")
    assert [one.data for one in found] == [b"good"]
    assert rest == data + b"more"


def test_a_large_message_in_many_pieces_comes_once():
    data = message(2, "a", bytes(900_000))
    finder, found = MessageFinder(KNOWN), []
    for at in range(0, len(data), 65_536):
        some, rest = finder.feed(data[at : at + 65_536])
        found += some
        assert rest == b""
    assert [len(one.data) for one in found] == [900_000]
