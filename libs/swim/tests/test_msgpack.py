"""The MessagePack dialect: what is written, what is accepted, and an independent reader's opinion."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_swim.serf.wire import EventSlot, SeenEvent, SerfState, UserEvent, decode_serf
from lictor_swim.wire import Ack, Alive, Ping, TruncatedError, WireError, decode_message, encode_message, msgpack
from lictor_swim.wire.msgpack import Reader


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "cc80"),
        (256, "cd0100"),
        (65536, "ce00010000"),
        (1 << 32, "cf0000000100000000"),
        (-1, "ff"),
        (-33, "d0df"),
        (-129, "d1ff7f"),
        (-32769, "d2ffff7fff"),
        (-(1 << 40), "d3ffffff0000000000"),
    ],
)
def test_integers_take_their_smallest_form(value: int, encoded: str) -> None:
    out = bytearray()
    msgpack.put_int(out, value)
    assert out.hex() == encoded
    assert Reader(bytes(out)).integer() == value


@pytest.mark.parametrize(("size", "header"), [(0, "a0"), (31, "bf"), (32, "da0020"), (65536, "db00010000")])
def test_text_and_bytes_use_the_raw_family_only(size: int, header: str) -> None:
    out = bytearray()
    msgpack.put_bytes(out, bytes(size))
    assert out.hex().startswith(header)
    assert Reader(bytes(out)).bytes_() == bytes(size)


@pytest.mark.parametrize("encoded", ["a161", "d90161", "da000161", "db0000000161"])
def test_text_is_accepted_in_every_raw_form(encoded: str) -> None:
    assert Reader(bytes.fromhex(encoded)).text() == "a"


@pytest.mark.parametrize("encoded", ["c40161", "c5000161", "c60000000161"])
def test_bin_is_accepted_for_bytes_and_refused_for_text(encoded: str) -> None:
    assert Reader(bytes.fromhex(encoded)).bytes_() == b"a"
    with pytest.raises(WireError):
        Reader(bytes.fromhex(encoded)).text()


@pytest.mark.parametrize("encoded", ["d100c8", "d2000000c8", "d300000000000000c8", "cd00c8"])
def test_signed_forms_of_newer_peers_are_accepted(encoded: str) -> None:
    assert Reader(bytes.fromhex(encoded)).unsigned(16) == 200


@pytest.mark.parametrize(
    ("read", "zero"),
    [
        (Reader.integer, 0),
        (Reader.boolean, False),
        (Reader.double, 0.0),
        (Reader.text, ""),
        (Reader.bytes_, b""),
        (Reader.optional_bytes, None),
        (Reader.array_length, None),
        (Reader.map_length, None),
    ],
)
def test_nil_is_the_zero_value_of_every_type(read: Callable[[Reader], Any], zero: Any) -> None:
    assert read(Reader(b"\xc0")) == zero


@pytest.mark.parametrize("encoded", ["01", "c3"])
def test_booleans_may_be_numbers(encoded: str) -> None:
    assert Reader(bytes.fromhex(encoded)).boolean() is True


@pytest.mark.parametrize(
    ("encoded", "bits"),
    [("ff", 32), ("cf0000000100000000", 32), ("cd0100", 8), ("d0ff", 16)],
)
def test_numbers_outside_their_field_are_refused(encoded: str, bits: int) -> None:
    with pytest.raises(WireError, match="unsigned"):
        Reader(bytes.fromhex(encoded)).unsigned(bits)


def test_a_fault_names_the_message_and_the_field() -> None:
    with pytest.raises(WireError, match=r"Ping\.SeqNo"):
        decode_message(b"\x00\x81\xa5SeqNo\xa1x")


def test_unknown_keys_are_skipped_and_missing_ones_keep_their_defaults() -> None:
    nested = b"\x82\xa1x\x93\x01\x81\xa1y\xcb" + bytes(8) + b"\xc4\x02ab" + b"\xa5SeqNo\x07"
    assert decode_message(b"\x00" + nested) == Ping(7)


def test_deeply_nested_unknown_values_are_skipped_without_recursion() -> None:
    assert decode_message(b"\x00\x81\xa1x" + b"\x91" * 50_000 + b"\xc0") == Ping()
    with pytest.raises(TruncatedError):
        decode_message(b"\x00\x81\xa1x" + b"\x91" * 50_000)


def test_optional_source_fields_are_left_out_when_empty() -> None:
    assert encode_message(Ping(1)) == b"\x00\x82\xa4Node\xa0\xa5SeqNo\x01"


def test_nil_and_empty_payloads_stay_apart() -> None:
    for payload in (None, b"", b"x"):
        assert decode_message(encode_message(Ack(1, payload))) == Ack(1, payload)


def test_names_that_are_not_utf8_survive() -> None:
    event = decode_serf(b"\x03\x81\xa4Name\xa2\xff\xfe")
    assert isinstance(event, UserEvent)
    assert event.name.encode("utf-8", "surrogateescape") == b"\xff\xfe"


@given(
    st.builds(
        Alive,
        st.integers(0, 2**32 - 1),
        st.text(max_size=40),
        st.binary(max_size=16),
        st.integers(0, 65535),
        st.binary(max_size=600),
        st.binary(max_size=8),
    )
)
def test_what_we_write_an_independent_reader_understands(alive: Alive) -> None:
    encoded = encode_message(alive)
    assert decode_message(encoded) == alive
    # The old spec's raw family decodes as text for a modern reader: only text that is UTF-8 can be compared.
    if alive.address.isascii() and alive.meta.isascii() and alive.versions.isascii():
        fields = msgspec.msgpack.decode(encoded[1:])
        assert list(fields) == sorted(fields)
        assert fields["Incarnation"] == alive.incarnation
        assert fields["Node"] == alive.node
        assert fields["Meta"].encode() == alive.meta


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (b"\x95\x07\xa4peer\xa4\x0a\0\0\x01\xcd\x1f\x0a\xa2me", Ping(7, "peer", b"\x0a\0\0\x01", 7946, "me")),
        (b"\x92\x07\xa4peer", Ping(7, "peer")),
        (b"\x90", Ping()),
        (b"\x97\x07\xa4peer\xa0\x00\xa2me\x81\xa1x\x01\xc3", Ping(7, "peer", b"", 0, "me")),
        (b"\xdc\x00\x01\x07", Ping(7)),
    ],
)
def test_a_struct_may_come_as_an_array_of_its_fields_in_their_order(encoded: bytes, expected: Ping) -> None:
    assert decode_message(b"\x00" + encoded) == expected


def test_structs_within_structs_may_be_arrays_too() -> None:
    events = b"\x91\x92\x05\x91\x92\xa6deploy\xa2v1"
    state = decode_serf(b"\x02\x96\x09\x81\xa1a\x03\x90\x06" + events + b"\x02")
    assert state == SerfState(9, {"a": 3}, (), 6, (EventSlot(5, (SeenEvent("deploy", b"v1"),)),), 2)


def test_a_fault_in_an_array_names_the_field() -> None:
    with pytest.raises(WireError, match=r"Ping\.Node"):
        decode_message(b"\x00\x92\x07\x05")
