"""Rows of an exchange of state: the short way of reading gives what the general one gives, and never less."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_swim.wire import Framing, PushPull, WireError, encode_stream_message
from lictor_swim.wire.errors import TruncatedError
from lictor_swim.wire.messages import NODE_STATE, NodeState
from lictor_swim.wire.msgpack import Reader
from lictor_swim.wire.rows import _read_usual, encode_row, read_row
from lictor_swim.wire.stream import decode_stream_message, open_stream, seal_stream

ROWS = st.builds(
    NodeState,
    st.text(max_size=40),
    st.binary(min_size=4, max_size=4) | st.binary(max_size=17),
    st.integers(0, 65535),
    st.binary(max_size=600),
    st.integers(0, (1 << 32) - 1),
    st.integers(-1, 130),
    st.binary(min_size=6, max_size=6) | st.binary(max_size=8),
)
USUAL = NodeState(
    "node-1", bytes([10, 0, 0, 1]), 8301, b"\xff\x81\xa4role\xa6consul" + bytes(60), 300, 0, bytes([1, 5, 2, 2, 5, 4])
)


@given(ROWS, st.binary(max_size=5))
def test_any_row_reads_back_as_it_was_and_what_follows_is_left(row: NodeState, behind: bytes) -> None:
    reader = Reader(encode_row(row) + behind)
    assert read_row(reader) == row
    assert reader.remaining == len(behind)


def test_the_usual_row_takes_the_short_way() -> None:
    assert _read_usual(Reader(encode_row(USUAL))) == USUAL


def test_a_row_that_is_cut_off_anywhere_is_truncated_either_way() -> None:
    data = encode_row(USUAL)
    for end in range(len(data)):
        with pytest.raises(TruncatedError):
            read_row(Reader(data[:end]))


def test_mutated_rows_read_the_same_as_without_the_short_way() -> None:
    dice, data = random.Random(1), encode_row(USUAL)
    for _ in range(5000):
        broken = bytearray(data)
        for _ in range(dice.randint(1, 3)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)

        def read(way: object, raw: bytes = bytes(broken)) -> object:
            reader = Reader(raw)
            try:
                row = read_row(reader) if way else NODE_STATE.read(reader)
            except WireError as error:
                return type(error)
            return row, reader.position

        assert read(True) == read(False)


def test_a_large_exchange_travels_uncompressed_and_a_small_one_compressed() -> None:
    small, large = (PushPull((USUAL,) * count, b"", False) for count in (3, 300))
    for exchange, compressed in ((small, True), (large, False)):
        message = encode_stream_message(exchange)
        sealed = seal_stream(message, Framing())
        assert (sealed != message) is compressed
        assert open_stream(sealed, Framing()) == decode_stream_message(message) == exchange
