"""A pool that is being encrypted: members with keys that still take, or still send, what is in the clear."""

import itertools

import pytest

from lictor_swim import Framing, Keyring, WireError
from lictor_swim.wire import (
    Ack,
    Ping,
    decode_message,
    encode_message,
    encode_stream_message,
    open_packet,
    open_stream,
    seal_packet,
    seal_stream,
)

KEYS = Keyring([bytes(range(16))])
NONCE = bytes(12)
STAGES = [
    Framing(),
    Framing(keyring=KEYS, verify_incoming=False, verify_outgoing=False),
    Framing(keyring=KEYS, verify_incoming=False),
    Framing(keyring=KEYS),
]
"""A pool is encrypted in these steps, one after the other; members of neighbouring steps understand each other."""


@pytest.mark.parametrize(("one", "other"), [*itertools.pairwise(STAGES), *zip(STAGES, STAGES, strict=True)])
def test_members_of_neighbouring_steps_understand_each_other(one: Framing, other: Framing) -> None:
    for sender, receiver in ((one, other), (other, one)):
        packet = seal_packet([encode_message(Ping(1, "x"))], sender, nonce=NONCE, checksum=True)
        assert open_packet(packet, receiver) == [encode_message(Ping(1, "x"))]
        stream = seal_stream(encode_stream_message(Ack(7, None)), sender, nonce=NONCE)
        assert open_stream(stream, receiver) == Ack(7, None)


@pytest.mark.parametrize(("sender", "receiver"), [(STAGES[0], STAGES[3]), (STAGES[1], STAGES[3])])
def test_who_verifies_refuses_what_is_in_the_clear(sender: Framing, receiver: Framing) -> None:
    with pytest.raises(WireError):
        open_packet(seal_packet([encode_message(Ping(1, "x"))], sender, nonce=NONCE), receiver)
    with pytest.raises(WireError, match="remote state is not encrypted"):
        open_stream(seal_stream(encode_stream_message(Ack(7, None)), sender, nonce=NONCE), receiver)


def test_a_foreign_key_is_refused_by_those_who_do_not_verify_as_well() -> None:
    foreign = Framing(keyring=Keyring([bytes(range(1, 17))]))
    (garbage,) = open_packet(seal_packet([encode_message(Ping(1, "x"))], foreign, nonce=NONCE), STAGES[2])
    with pytest.raises(WireError):
        decode_message(garbage)
    with pytest.raises(WireError, match="No installed keys could decrypt"):
        open_stream(seal_stream(encode_stream_message(Ack(7, None)), foreign, nonce=NONCE), STAGES[2])
