"""The bytes of a direct lane, whole, cut and wrong."""

import random

import pytest

from lictor_bus.direct_wire import (
    HELLO_BYTES_MAX,
    FrameReader,
    Hello,
    Kind,
    WireError,
    decode_hello,
    encode,
    hello_payload,
)


def test_a_frame_is_fourteen_bytes_of_header_and_its_payload():
    assert encode(Kind.REQUEST, 1, 7, b"ab").hex(" ") == "00 00 00 02 03 01 00 00 00 00 00 00 00 07 61 62"


@pytest.mark.parametrize("seed", range(10))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(seed):
    dice = random.Random(seed)
    sent = [
        (dice.choice([Kind.MESSAGE, Kind.REQUEST, Kind.ANSWER, Kind.PING]), dice.randrange(3), dice.getrandbits(64),
         dice.randbytes(dice.randrange(400)))
        for _ in range(50)
    ]  # fmt: skip
    stream = b"".join(encode(*one) for one in sent)
    reader, came = FrameReader(), []
    while stream:
        size = dice.randrange(1, 900)
        came += reader.feed(stream[:size])
        stream = stream[size:]
    assert [tuple(one) for one in came] == sent


def test_a_frame_longer_than_the_limit_is_refused_by_its_header_alone():
    header = encode(Kind.MESSAGE, payload=b"x" * (HELLO_BYTES_MAX + 1))[:14]
    with pytest.raises(WireError, match="513 bytes"):
        FrameReader().feed(header)


def test_what_follows_a_hello_is_read_only_when_asked_for_and_under_the_limit_set_then():
    hello = Hello("c", 1, "run", 2)
    reader = FrameReader()
    stream = encode(Kind.HELLO, payload=hello_payload(hello)) + encode(Kind.MESSAGE, payload=b"x" * 1000)
    (first,) = reader.feed(stream)
    assert decode_hello(first) == hello
    reader.limit = 1000
    assert [one.payload for one in reader.feed(b"")] == [b"x" * 1000]


@pytest.mark.parametrize("data", [encode(Kind.PING), encode(Kind.HELLO, payload=b"\xc1"), encode(Kind.HELLO)])
def test_a_first_frame_that_is_no_hello_is_refused(data):
    (frame,) = FrameReader().feed(data)
    with pytest.raises(WireError):
        decode_hello(frame)


def test_an_unknown_kind_ends_the_stream():
    with pytest.raises(WireError, match="unknown kind 9"):
        FrameReader().feed(b"\0\0\0\0\x09" + bytes(9))
