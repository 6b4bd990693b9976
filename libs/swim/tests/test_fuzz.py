"""Both decoders and a whole agent against broken input: mutated captures, random bytes, bombs, wrong keys.

Whatever comes in, the decoders raise WireError and nothing else, and allocate and work within bounds; an agent refuses
it with an event and goes on. The mutations reach behind encryption and compression: they are applied to the
innermost bytes, which are then framed again as they should be. Seeds are fixed; the failing bytes are printed.
"""

import random
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from lictor_swim import FAST, SERF_FAST, Endpoint, InputRefused, SerfNode, Status, address_bytes
from lictor_swim.serf.coordinates import decode_coordinate
from lictor_swim.serf.filters import matches_filters, matches_plain
from lictor_swim.serf.tags import decode_tags
from lictor_swim.serf.wire import Query, QueryResponse, decode_filter, decode_serf
from lictor_swim.wire import (
    Framing,
    Keyring,
    StreamAssembler,
    WireError,
    decode_message,
    encode_stream_message,
    lzw,
    open_packet,
    open_stream,
    seal_packet,
    seal_stream,
)
from lictor_swim.wire.messages import Ack, Alive, Compressed, User, encode_message
from lictor_swim.wire.packet import (
    DECOMPRESSED_BYTES_MAX,
    PACKET_BYTES_MAX,
    compress_message,
    decompress_message,
    make_compound,
)

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
PLAIN = Framing(compress=False)
SQUEEZED = Framing()
SEALED = Framing(keyring=Keyring([KEY]))
LABELLED = Framing(keyring=Keyring([KEY]), label=b"pool")
FRAMINGS = [PLAIN, SQUEEZED, SEALED, LABELLED]
NONCE = bytes(12)
STRANGER = Endpoint("10.7.7.7", 7946)
ROUNDS = 4000

SECONDS_MAX = 1.0
"""Of CPU for one packet of 64 KiB; the usual one takes a thousandth of it. Generous, so that a busy machine passes."""

PACKET_MEMORY_MAX = 12 * 1024 * 1024
"""What is decompressed, and a dictionary of 4,096 strings."""


def captured() -> list[bytes]:
    text = (Path(__file__).parent / "testdata" / "captured.txt").read_text()
    return [bytes.fromhex(line.split(" | ")[2]) for line in text.splitlines() if not line.startswith("#")]


def messages() -> list[bytes]:
    """The innermost messages of every captured packet."""
    found = []
    for data in captured():
        for framing in (PLAIN, SEALED):
            try:
                found.extend(open_packet(data, framing))
            except WireError:
                continue
    return found


def stream_messages() -> list[bytes]:
    """Every captured stream without its layers."""
    found = []
    for data in captured():
        for framing in (PLAIN, SEALED):
            try:
                found.append(encode_stream_message(open_stream(data, framing)))
            except WireError:
                continue
    return found


GREEDY = [
    b"\xdb\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xda\xff\xff",
    b"\xdc\xff\xff",
    b"\xc1",
]


def mutate(dice: random.Random, pool: list[bytes]) -> bytes:
    """One message of the pool, broken in one to four ways."""
    data = bytearray(dice.choice(pool))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(8):
            case 0 if data:
                data[at % len(data)] ^= 1 << dice.randrange(8)
            case 1:
                data[at:at] = dice.randbytes(dice.randint(1, 8))
            case 2:
                del data[at : at + dice.randint(1, 12)]
            case 3:
                del data[at:]
            case 4:
                data[at:at] = dice.choice(GREEDY)
            case 5:
                data[at : at + 4] = dice.choice(GREEDY)
            case 6:
                other = dice.choice(pool)
                data[at:] = other[dice.randrange(len(other) + 1) :]
            case _:
                data[at:at] = data[: dice.randrange(len(data) + 1)]
    return bytes(data[:PACKET_BYTES_MAX])


def read_packet(data: bytes, framing: Framing) -> None:
    """Everything that a node reads of a packet, down to filters, tags and coordinates."""
    for message in open_packet(data, framing):
        try:
            decoded = decode_message(message)
            if isinstance(decoded, Alive):
                decode_tags(decoded.meta)
            elif isinstance(decoded, Ack) and decoded.payload:
                decode_coordinate(decoded.payload)
            elif isinstance(decoded, User):
                read_serf(decoded.payload)
        except WireError:
            continue


def read_serf(payload: bytes) -> None:
    message = decode_serf(payload)
    if isinstance(message, Query):
        matches_filters(message.filters, "me", {"role": "db"}, matches_plain)
        for one in message.filters or ():
            decode_filter(one)
        if message.payload:
            decode_serf(message.payload)
    if isinstance(message, QueryResponse) and message.payload:
        decode_serf(message.payload)


def attempt(read: Callable[[bytes, Framing], None], data: bytes, framing: Framing) -> None:
    try:
        read(data, framing)
    except WireError:
        pass
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} for {data.hex()}") from error


def unpack(data: bytes, _: Framing) -> None:
    lzw.decompress(data, 10_000)


def read_stream(data: bytes, framing: Framing) -> None:
    open_stream(data, framing)
    whole = StreamAssembler().feed(data)
    if whole is not None:
        open_stream(whole, framing)


@pytest.mark.parametrize("framing", FRAMINGS, ids=["plain", "compressed", "encrypted", "labelled"])
def test_mutated_packets_raise_nothing_but_wire_errors(framing: Framing) -> None:
    dice, pool = random.Random(1), messages()
    for _ in range(ROUNDS):
        parts = [mutate(dice, pool) for _ in range(dice.choice([1, 1, 3]))]
        parts = [part[:60_000] for part in parts]
        attempt(read_packet, seal_packet(parts, framing, nonce=NONCE, checksum=dice.random() < 0.5), framing)


@pytest.mark.parametrize("framing", FRAMINGS, ids=["plain", "compressed", "encrypted", "labelled"])
def test_mutated_streams_raise_nothing_but_wire_errors(framing: Framing) -> None:
    dice, pool = random.Random(2), stream_messages()
    for _ in range(ROUNDS // 4):
        attempt(read_stream, seal_stream(mutate(dice, pool), framing, nonce=NONCE), framing)


def test_mutated_frames_raise_nothing_but_wire_errors() -> None:
    """The outer layers themselves: what was captured, broken as it is."""
    dice, pool = random.Random(3), captured()
    for _ in range(ROUNDS):
        data = mutate(dice, pool)
        for framing in FRAMINGS:
            attempt(read_packet, data, framing)
            attempt(read_stream, data, framing)


def test_random_bytes_behind_every_type_byte_raise_nothing_but_wire_errors() -> None:
    dice = random.Random(4)
    for _ in range(ROUNDS):
        body = bytes([dice.randrange(16), dice.randrange(12)]) + dice.randbytes(dice.randrange(80))
        for data in (body, b"\x08" + body[1:], compress_message(body)):
            attempt(read_packet, data, PLAIN)
            attempt(read_stream, data, PLAIN)


def test_lzw_of_random_bytes_and_cut_off_data_raises_nothing_but_wire_errors() -> None:
    dice = random.Random(6)
    for _ in range(ROUNDS):
        data = dice.randbytes(dice.randrange(60))
        if dice.random() < 0.5:
            data = lzw.compress(data)[: dice.randrange(70)]
        attempt(unpack, data, PLAIN)


def nested() -> bytes:
    data = compress_message(bytes(30_000))
    for _ in range(8):
        data = compress_message(data)
    return data


def crowded() -> bytes:
    small = compress_message(bytes(60_000))
    return make_compound([small] * min(255, 60_000 // len(small)))


BOMBS: dict[str, Callable[[], bytes]] = {
    "one compressed message of zeros": lambda: compress_message(bytes(10 * DECOMPRESSED_BYTES_MAX)),
    "many compressed messages in one compound": crowded,
    "compression within compression": nested,
    "a compound of compounds": lambda: make_compound([make_compound([b"\x07\xff"] * 200)] * 80),
    "a tail of codes that add nothing": lambda: encode_message(Compressed(0, bytes([0, 1] * 30_000))),
    "random codes": lambda: encode_message(Compressed(0, random.Random(5).randbytes(60_000))),
    "an array that announces four billion": lambda: b"\x08\x02\x81\xa6Events\xdd\xff\xff\xff\xff",
    "a map deep within maps": lambda: b"\x00\x81\xa1x" + b"\x81\xa1x" * 20_000,
    "a name of 60 KiB": lambda: b"\x03\x81\xa4Node\xda\xea\x60" + bytes(60_000),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_is_refused_in_bounded_time_and_memory(what: str) -> None:
    data = BOMBS[what]()
    assert len(data) <= PACKET_BYTES_MAX
    began = time.process_time()
    attempt(read_packet, data, PLAIN)
    assert time.process_time() - began < SECONDS_MAX
    tracemalloc.start()
    attempt(read_packet, data, PLAIN)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < PACKET_MEMORY_MAX


def test_a_stream_bomb_is_refused_in_bounded_memory() -> None:
    limit = 1024 * 1024
    bomb = compress_message(bytes(2 * limit))
    tracemalloc.start()
    with pytest.raises(WireError, match="larger than"):
        decompress_message(bomb, limit)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < limit + 16 * 1024 * 1024  # and a dictionary of 4,096 strings


def started(framing: Framing) -> SerfNode:
    agent = SerfNode(
        name="me", address=address_bytes("10.0.0.1"), port=7946, tags={"role": "db"}, swim=FAST, serf=SERF_FAST,
        framing=framing, dice=random.Random(7),
    )  # fmt: skip
    agent.start(0.0)
    return agent


@pytest.mark.parametrize("framing", [PLAIN, SEALED], ids=["plain", "encrypted"])
def test_an_agent_lives_through_hours_of_broken_input(framing: Framing) -> None:
    dice, pool, streams = random.Random(8), messages(), stream_messages()
    agent, now, refused = started(framing), 0.0, 0
    for step in range(ROUNDS):
        now += 0.05
        if step % 8:
            parts = [mutate(dice, pool)[:30_000] for _ in range(dice.choice([1, 2]))]
            agent.receive_datagram(seal_packet(parts, framing, nonce=NONCE), STRANGER, now)
        else:
            agent.receive_stream(seal_stream(mutate(dice, streams), framing, nonce=NONCE), STRANGER, now)
        agent.handle_timer(now)
        agent.outgoing()
        refused += sum(isinstance(event, InputRefused) for event in agent.events())
    assert refused > ROUNDS / 4
    assert agent.own.status is Status.ALIVE
    assert agent.keyring is framing.keyring  # no mutated key query of a stranger got through
    # Still a member like any other: it answers a probe.
    agent.receive_datagram(seal_packet([b"\x00\x81\xa5SeqNo\x05"], framing, nonce=NONCE), STRANGER, now)
    assert agent.outgoing()


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        (Framing(keyring=Keyring([OTHER_KEY])), "No installed keys"),
        (Framing(keyring=Keyring([KEY]), label=b"x"), "label"),
        (PLAIN, ""),
    ],
)
def test_packets_and_streams_under_a_wrong_key_are_refused_and_counted(sender: Framing, reason: str) -> None:
    agent = started(SEALED)
    agent.events()
    message = encode_message(Alive(1, "intruder", bytes([10, 7, 7, 7]), 7946, b"", b"\x01\x05\x02\x02\x05\x05"))
    agent.receive_datagram(seal_packet([message], sender, nonce=NONCE), STRANGER, 1.0)
    reply = agent.receive_stream(seal_stream(b"\x06\x80", sender, nonce=NONCE), STRANGER, 1.0)
    refusals = [event for event in agent.events() if isinstance(event, InputRefused)]
    assert len(refusals) == 2
    assert all(reason in event.reason for event in refusals)
    assert [member.name for member in agent.members] == ["me"]
    assert reply is not None  # told why, under our own key: peers show it to their operator
