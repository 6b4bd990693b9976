"""Anything may arrive at an open port: the member counts it, holds on to nothing, and is as well as before."""

import asyncio
import random
import resource
import socket
import zlib

import pytest
from serf_agents import until

from lictor_gossip import tcp_endpoint
from lictor_gossip.refusals import Refusals
from lictor_swim import Framing, InputRefused, Keyring, Status
from lictor_swim.wire import (
    Ack,
    Alive,
    Ping,
    encode_message,
    encode_stream_message,
    open_stream,
    seal_packet,
    seal_stream,
)
from lictor_swim.wire.lzw import compress

KEY = bytes(range(16))
PACKETS = 800
STREAMS = 150


def mutated(dice, data):
    """A valid message with a few bytes changed, cut off, repeated or put in."""
    made = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(made) + 1)
        match dice.randrange(4):
            case 0 if made:
                made[at % len(made)] = dice.randrange(256)
            case 1:
                del made[at:]
            case 2:
                made[at:at] = dice.randbytes(dice.randint(1, 9))
            case _:
                made += made[:at]
    return bytes(made[:60_000])


def seeds(framing):
    """Messages that a peer would send."""
    alive = encode_message(
        Alive(
            incarnation=5,
            node="other",
            address=b"\x7f\x00\x00\x63",
            port=1,
            meta=b"\xff\x80",
            versions=bytes((1, 5, 2, 2, 5, 4)),
        )
    )
    ping = encode_message(Ping(1, "n0"))
    event = b"\x08\x03\x84\xa2CC\xc2\xa5LTime\x01\xa4Name\xa6deploy\xa7Payload\xc0"
    nonce = bytes(12)
    return [
        seal_packet([ping], framing, nonce=nonce),
        seal_packet([alive, ping, event], framing, nonce=nonce, checksum=True),
        ping,
        alive,
        event,
        b"\x07\xff" + b"\xff\xff" * 255,  # a compound of 255 parts that are not there
        b"\x09\x82\xa4Algo\x00\xa3Buf\xdb\xff\xff\xff\xff",
        b"\x0c" + zlib.crc32(ping).to_bytes(4, "big") + ping,
        b"\xf4\x05label" + ping,
    ]


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_packets_of_any_kind_are_counted_and_do_no_harm(driver, endpoint, key):
    async def story():
        framing = Framing(keyring=Keyring([key]) if key else None, compress=False)
        refusals, dice, bind = Refusals(), random.Random(7), endpoint(0)

        def on_event(event):
            if isinstance(event, InputRefused):
                refusals.refused(event)

        one = driver(0, bind, keyring=framing.keyring, on_event=on_event)
        async with one:
            valid = seeds(framing)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for number in range(PACKETS):
                    data = (
                        dice.randbytes(dice.randint(1, 1400)) if number % 3 == 0 else mutated(dice, dice.choice(valid))
                    )
                    sender.sendto(data, bind)
                    if number % 50 == 0:
                        await asyncio.sleep(0)
                bomb = compress(bytes(40_000_000))[:60_000]
                sender.sendto(b"\x09\x82\xa4Algo\x00\xa3Buf\xda" + len(bomb).to_bytes(2, "big") + bomb, bind)
            await asyncio.sleep(0.2)
            assert sum(refusals.counts.values()) > PACKETS // 4
            assert len(one.members()) < 40  # a mutated name is a member, as long as its message is whole
            assert one.own.status is Status.ALIVE
            await _is_well(bind, framing)

    asyncio.run(story())


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_streams_of_any_kind_are_counted_bounded_and_do_no_harm(driver, endpoint, key, monkeypatch):
    monkeypatch.setattr(tcp_endpoint, "STREAMS_MAX", 16)

    async def story():
        framing = Framing(keyring=Keyring([key]) if key else None, compress=False)
        dice, bind = random.Random(11), endpoint(0)
        valid = [
            seal_stream(encode_stream_message(Ping(1, "n0")), framing, nonce=bytes(12)),
            b"\x06\x83\xa4Join\xc3\xa5Nodes\xce\x7f\xff\xff\xff\xacUserStateLen\xce\x7f\xff\xff\xff",
            b"\x0a\xff\xff\xff\xff" + bytes(100),
            b"\x09\x82\xa4Algo\x00\xa3Buf\xdb\x00\xff\xff\xff" + bytes(1000),
        ]
        async with driver(0, bind, keyring=framing.keyring, stream_timeout_s=0.5) as one:

            async def one_stream(number):
                try:
                    reader, writer = await asyncio.open_connection(*bind)
                    writer.write(dice.randbytes(200) if number % 4 == 0 else mutated(dice, dice.choice(valid)))
                    if number % 5:
                        writer.write_eof()
                    await asyncio.wait_for(reader.read(100_000), 3)
                    writer.close()
                except OSError:
                    pass

            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for start in range(0, STREAMS, 30):
                await asyncio.gather(*(one_stream(number) for number in range(start, start + 30)))
            await until(lambda: not one._tcp._served, "every stream has ended")
            assert one.streams_refused > STREAMS // 4
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
            await _is_well(bind, framing)

    asyncio.run(story())


async def _is_well(bind, framing):
    reader, writer = await asyncio.open_connection(*bind)
    writer.write(seal_stream(encode_stream_message(Ping(9, "n0")), framing, nonce=bytes(12)))
    assert open_stream(await asyncio.wait_for(reader.read(), 5), framing) == Ack(9, None)
    writer.close()
