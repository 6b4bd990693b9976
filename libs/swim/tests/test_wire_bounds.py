"""Whatever a peer sends, decoders answer with a value or a WireError, and stay within their bounds."""

import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lictor_swim.serf import decode_coordinate, decode_serf, decode_tags
from lictor_swim.serf.wire import decode_filter
from lictor_swim.wire import (
    EnvelopeError,
    Framing,
    Keyring,
    MessageType,
    Ping,
    PushPull,
    StreamAssembler,
    User,
    WireError,
    decode_message,
    encode_message,
    encode_stream_message,
    lzw,
    open_packet,
    open_stream,
    seal_packet,
    seal_stream,
)
from lictor_swim.wire.messages import Compressed, NodeState
from lictor_swim.wire.msgpack import Reader
from lictor_swim.wire.packet import DECOMPRESSED_BYTES_MAX, compress_message, make_compound, split_compound
from lictor_swim.wire.stream import STREAM_DECOMPRESSED_BYTES_MAX

KEY = bytes(range(16))
OTHER_KEY = bytes(range(1, 33))
FRAMINGS = [
    Framing(),
    Framing(compress=False),
    Framing(label=b"pool"),
    Framing(keyring=Keyring([KEY])),
    Framing(keyring=Keyring([KEY]), label=b"pool", compress=False),
]


def _tolerant(decode: Callable[[bytes], object], data: bytes) -> None:
    with suppress(WireError):
        decode(data)


@given(st.binary(max_size=300))
@example(b"\x07\xff")
@example(b"\x09\x82\xa4Algo\x00\xa3Buf\xdb\xff\xff\xff\xff")
@example(b"\x06\xdf\xff\xff\xff\xff")
@settings(max_examples=300, deadline=None)
def test_random_bytes_raise_nothing_but_wire_errors(data: bytes) -> None:
    for framing in FRAMINGS:
        _tolerant(partial(open_packet, framing=framing), data)
        _tolerant(partial(open_stream, framing=framing), data)
    for decode in (decode_message, decode_serf, decode_coordinate, decode_tags, decode_filter, split_compound):
        _tolerant(decode, data)
    _tolerant(lambda blob: StreamAssembler().feed(blob), data)
    _tolerant(lambda blob: Reader(blob).skip(), data)


MESSAGES = [
    encode_message(Ping(7, "target", b"\x7f\0\0\x01", 7946, "me")),
    encode_stream_message(PushPull((NodeState("a", b"\x7f\0\0\x01", 1, b"m", 3, 0, bytes(6)),), b"\x02\x80", True)),
]


@given(st.sampled_from(MESSAGES), st.integers(0, 100), st.binary(max_size=4), st.integers(0, 100))
@settings(max_examples=300, deadline=None)
def test_mutilated_messages_raise_nothing_but_wire_errors(message: bytes, at: int, patch: bytes, cut: int) -> None:
    mutilated = message[:at] + patch + message[at + len(patch) :]
    for kind in range(14):
        data = bytes((kind,)) + mutilated[1 : len(mutilated) - cut]
        _tolerant(decode_message, data)
        _tolerant(lambda blob: open_stream(blob, Framing()), data)
        _tolerant(decode_serf, data)
        _tolerant(lambda blob: StreamAssembler().feed(blob), data)


@given(st.binary(max_size=6000))
@settings(max_examples=100, deadline=None)
def test_lzw_restores_what_it_compressed(data: bytes) -> None:
    assert lzw.decompress(lzw.compress(data), len(data)) == data


@pytest.mark.parametrize(
    "data",
    [b"", b"a", b"aaaa", bytes(70_000), bytes(range(256)) * 300, zlib.compress(bytes(range(256)) * 40) * 40],
    ids=["empty", "one", "kwkwk", "zeros", "cycle", "dense"],
)
def test_lzw_survives_dictionary_resets(data: bytes) -> None:
    assert lzw.decompress(lzw.compress(data), len(data)) == data


def test_lzw_without_a_leading_clear_code_is_understood() -> None:
    packed = lzw.compress(b"x")
    bits = int.from_bytes(packed, "little") >> 9
    assert lzw.decompress(bits.to_bytes(len(packed), "little"), 1) == b"x"


@pytest.mark.parametrize("data", [b"", b"\x00", lzw.compress(b"hello")[:-2], b"\xff\xff\xff"])
def test_lzw_that_ends_early_or_names_unknown_entries_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        lzw.decompress(data, 100)


def test_a_decompression_bomb_is_refused_within_bounded_memory() -> None:
    bomb = compress_message(bytes(8 * DECOMPRESSED_BYTES_MAX))
    assert len(bomb) < 65_536
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match="larger than"):
            open_packet(bomb, Framing())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The output up to its limit, and at most one dictionary of 4096 strings.
    assert peak < 10 * 1024 * 1024


def test_bombs_in_one_compound_share_one_budget() -> None:
    bomb = compress_message(b"\x08" + bytes(DECOMPRESSED_BYTES_MAX * 2 // 3))
    assert len(open_packet(make_compound([bomb] * 20), Framing())) == 1


def test_a_bomb_on_a_stream_is_refused_as_an_envelope_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    assert STREAM_DECOMPRESSED_BYTES_MAX < 10 * 1024 * 1024
    monkeypatch.setattr("lictor_swim.wire.stream.STREAM_DECOMPRESSED_BYTES_MAX", 10_000)
    with pytest.raises(EnvelopeError, match="larger than"):
        open_stream(compress_message(bytes(10_001)), Framing())


def test_layers_cannot_be_nested_without_end() -> None:
    packet = encode_message(Ping(1))
    for _ in range(10):
        packet = make_compound([packet])
    with pytest.raises(WireError):
        open_packet(packet, Framing())


def test_a_count_larger_than_the_packet_allocates_nothing() -> None:
    with pytest.raises(WireError):
        decode_serf(b"\x04\x81\xa7Filters\xdd\x7f\xff\xff\xff")


def test_a_compound_that_is_cut_off_yields_the_parts_before_the_cut() -> None:
    first, second = encode_message(Ping(1)), encode_message(Ping(2))
    packet = make_compound([first, second])
    assert open_packet(packet[:-1], Framing()) == [first]
    with pytest.raises(WireError):
        open_packet(packet[:4], Framing())


def test_a_wrong_checksum_drops_the_packet() -> None:
    packet = bytearray(seal_packet([encode_message(Ping(1))], Framing(compress=False), checksum=True))
    assert open_packet(bytes(packet), Framing())
    packet[-1] ^= 1
    with pytest.raises(WireError, match="checksum"):
        open_packet(bytes(packet), Framing())


@pytest.mark.parametrize("framing", FRAMINGS, ids=["plain", "bare", "label", "keys", "keys and label"])
@given(payloads=st.lists(st.binary(max_size=80), min_size=1, max_size=5), checksum=st.booleans())
@settings(max_examples=30, deadline=None)
def test_packets_open_as_they_were_sealed(framing: Framing, payloads: list[bytes], checksum: bool) -> None:
    messages = [encode_message(User(payload)) for payload in payloads]
    packet = seal_packet(messages, framing, nonce=bytes(12), checksum=checksum)
    assert open_packet(packet, framing) == messages


@pytest.mark.parametrize("framing", FRAMINGS, ids=["plain", "bare", "label", "keys", "keys and label"])
@given(
    names=st.lists(st.text(max_size=10), max_size=5),
    state=st.binary(max_size=400),
    join=st.booleans(),
    step=st.integers(1, 90),
)
@settings(max_examples=30, deadline=None)
def test_streams_assemble_from_any_pieces(
    framing: Framing, names: list[str], state: bytes, join: bool, step: int
) -> None:
    # Rows of the usual form (the port takes two bytes) and of another one.
    ports = [7946 if index % 2 else 1 for index in range(len(names))]
    rows = [
        NodeState(name, b"\x0a\0\0\x01", port, b"", 1, 0, bytes(6)) for name, port in zip(names, ports, strict=True)
    ]
    message = PushPull(tuple(rows), state, join)
    data = seal_stream(encode_stream_message(message), framing, nonce=bytes(12))
    assembler = StreamAssembler()
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    whole = [assembler.feed(piece) for piece in pieces]
    assert whole[:-1] == [None] * (len(pieces) - 1)
    assert whole[-1] == data
    assert open_stream(data, framing) == message


def test_a_stream_beyond_the_limit_is_refused_before_it_arrives() -> None:
    with pytest.raises(WireError, match="announces"):
        StreamAssembler(limit=1000).feed(b"\x0a\x7f\xff\xff\xff")
    with pytest.raises(WireError, match="larger"):
        StreamAssembler(limit=10).feed(bytes(11))
    with pytest.raises(WireError, match="nodes"):
        StreamAssembler().feed(b"\x06\x81\xa5Nodes\xce\x7f\xff\xff\xff")


def test_keys_rotate_without_losing_packets() -> None:
    old, new = Framing(keyring=Keyring([KEY])), Framing(keyring=Keyring([OTHER_KEY, KEY]))
    message = [encode_message(Ping(1))]
    assert open_packet(seal_packet(message, old, nonce=bytes(12)), new) == message
    with pytest.raises(WireError, match="No installed keys"):
        open_packet(seal_packet(message, new, nonce=bytes(12)), old)


def test_padded_blocks_of_old_peers_are_opened() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  (builds what we never send)

    nonce, plain = bytes(12), encode_message(Ping(1))
    padding = 16 - len(plain) % 16
    sealed = AESGCM(KEY).encrypt(nonce, plain + bytes([padding]) * padding, b"")
    assert open_packet(b"\x00" + nonce + sealed, FRAMINGS[3]) == [plain]


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"", "empty"),
        (b"\x02" + bytes(60), "Unsupported encryption version"),
        (b"\x01" + bytes(27), "too small"),
        (b"\x00" + bytes(43), "too small"),
        (b"\x01" + bytes(40), "No installed keys"),
    ],
)
def test_blocks_that_cannot_be_opened_say_why(block: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        Keyring([KEY]).open(block)


@pytest.mark.parametrize("keys", [[], [b"short"], [KEY] * 41])
def test_a_keyring_refuses_unusable_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        Keyring(keys)


def test_plain_and_encrypted_peers_tell_each_other_so() -> None:
    ping = encode_message(Ping(1))
    with pytest.raises(EnvelopeError, match="Encryption is configured but remote state is not encrypted"):
        open_stream(seal_stream(ping, Framing()), FRAMINGS[3])
    with pytest.raises(EnvelopeError, match="Remote state is encrypted and encryption is not configured"):
        open_stream(seal_stream(ping, FRAMINGS[3], nonce=bytes(12)), Framing())
    with pytest.raises(EnvelopeError, match="Cannot decompress unknown algorithm 1"):
        open_stream(encode_message(Compressed(1, b"")), Framing())


def test_labels_keep_pools_apart() -> None:
    packet = seal_packet([encode_message(Ping(1))], Framing(label=b"one"))
    for label in (b"", b"two"):
        with pytest.raises(WireError):
            open_packet(packet, Framing(label=label))
    with pytest.raises(WireError):
        open_packet(seal_packet([encode_message(Ping(1))], Framing()), Framing(label=b"one"))


@pytest.mark.parametrize("kind", [MessageType.PUSH_PULL, MessageType.ENCRYPT, MessageType.ERROR, 99, 244])
def test_packets_do_not_carry_what_belongs_on_streams(kind: int) -> None:
    with pytest.raises(WireError):
        decode_message(bytes((kind, 0x80)))


def test_a_pool_comes_to_its_first_key_step_by_step_without_losing_a_packet() -> None:
    plain = Framing()
    ring = Keyring([KEY])
    # First every member gets the key and sends in the clear, then all encrypt, then nothing else is accepted.
    steps = [
        Framing(keyring=ring, verify_incoming=False, verify_outgoing=False),
        Framing(keyring=ring, verify_incoming=False),
        Framing(keyring=ring),
    ]
    stages = [plain, *steps]
    message = encode_message(Ping(5, "peer"))
    for before, after in pairwise(stages):
        for sender, receiver in ((before, after), (after, before), (after, after)):
            assert open_packet(seal_packet([message], sender, nonce=bytes(12)), receiver) == [message]
            assert open_stream(seal_stream(message, sender, nonce=bytes(12)), receiver) == Ping(5, "peer")
    with pytest.raises(WireError):
        open_packet(seal_packet([message], plain), steps[2])
    assert steps[0].overhead_bytes == 0
    assert steps[1].overhead_bytes > 0
