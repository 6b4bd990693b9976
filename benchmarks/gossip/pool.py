"""One agent of ours that believes itself in a large pool, and what its peers would say to it. No sockets."""

import random

from lictor_swim import CONSUL_LAN, LAN, VERSIONS, Endpoint, Framing, OpenStream, SerfNode, address_bytes
from lictor_swim.serf import Coordinate, encode_coordinate, encode_tags
from lictor_swim.wire import Ack, Ping, PushPull, encode_message, encode_stream_message, seal_packet, seal_stream
from lictor_swim.wire.messages import Alive, NodeState

PORT = 8301
NONCE = bytes(12)
TAGS = {
    "role": "node", "dc": "dc1", "segment": "", "id": "1f0e2a77-1d0c-4f9a-8a55-6d3c1b0a9e77", "vsn": "2",
    "vsn_min": "2", "vsn_max": "3", "build": "1.8.7:", "acls": "0",
}  # fmt: skip
"""What an agent of Consul carries."""

META = encode_tags(TAGS)
COORDINATE = encode_coordinate(Coordinate((0.0001,) * 8, 0.3, 0.00001, 0.0002))


def peer(index: int) -> tuple[str, bytes]:
    """A member's name and address."""
    return f"node-{index:05}", bytes([10, 1 + index // 62_500, index // 250 % 250, index % 250 + 1])


def endpoint(index: int) -> Endpoint:
    """Where a member's packets come from."""
    return Endpoint("{}.{}.{}.{}".format(*peer(index)[1]), PORT)


def agent(size: int, framing: Framing) -> SerfNode:
    """A started agent that knows `size` - 1 others and has nothing left to say about them."""
    node = SerfNode(
        name="me", address=address_bytes("10.0.0.1"), port=PORT, tags=TAGS, swim=LAN, serf=CONSUL_LAN,
        framing=framing, dice=random.Random(1),
    )  # fmt: skip
    node.start(0.0)
    stream = node.join(endpoint(1), 0.0)
    node.stream_answered(stream, exchange(size, framing), 0.0)
    now = 0.0
    while any(measure.depth for measure in node.queues(now).values()):
        now += LAN.gossip_interval_s
        node.handle_timer(now)
        for effect in node.outgoing():
            if isinstance(effect, OpenStream):
                node.stream_answered(effect.stream_id, exchange(size, framing), now)
    node.outgoing()
    node.events()
    assert len(node.members) == size
    return node


def exchange(size: int, framing: Framing) -> bytes:
    """A peer's side of an exchange of state."""
    rows = tuple([NodeState(*_row(index)) for index in range(1, size)])
    return seal_stream(encode_stream_message(PushPull(rows, b"", False)), framing, nonce=NONCE)


def _row(index: int) -> tuple[str, bytes, int, bytes, int, int, bytes]:
    name, address = peer(index)
    return name, address, PORT, META, 1, 0, VERSIONS.encode()


def ping(sequence: int, index: int, framing: Framing) -> bytes:
    """A member's probe of the agent."""
    name, address = peer(index)
    return seal_packet([encode_message(Ping(sequence, "me", address, PORT, name))], framing, nonce=NONCE)


def ack(sequence: int, framing: Framing) -> bytes:
    """The answer to a probe by the agent."""
    return seal_packet([encode_message(Ack(sequence, COORDINATE))], framing, nonce=NONCE)


def news(index: int, incarnation: int, framing: Framing) -> bytes:
    """A packet of gossip: a member is alive under another incarnation."""
    name, address = peer(index)
    claim = Alive(incarnation, name, address, PORT, META, VERSIONS.encode())
    return seal_packet([encode_message(claim)], framing, nonce=NONCE, checksum=True)
