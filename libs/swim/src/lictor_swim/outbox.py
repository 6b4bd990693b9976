"""Effects: what a node wants its driver to do, and how its messages become packets and streams.

Every packet that has room takes queued updates along (SWIM §4.1, piggybacking).
"""

from collections.abc import Callable

from msgspec import Struct

from lictor_swim.addresses import Endpoint
from lictor_swim.dice import Dice
from lictor_swim.wire.keyring import NONCE_BYTES
from lictor_swim.wire.messages import Message, encode_message
from lictor_swim.wire.packet import COMPOUND_HEADER_BYTES, COMPOUND_PART_BYTES, Framing, seal_packet
from lictor_swim.wire.stream import StreamMessage, encode_stream_message, seal_stream

BroadcastSource = Callable[[int, int], list[bytes]]
"""Takes the overhead per update and the budget, in bytes; gives updates for one packet."""


class Datagram(Struct, frozen=True, gc=False):
    """Send this UDP payload from the gossip port."""

    destination: Endpoint
    data: bytes


class OpenStream(Struct, frozen=True, gc=False):
    """Connect, write `data`, read one message, and report it (or the failure) under `stream_id` before `deadline`."""

    stream_id: int
    destination: Endpoint
    data: bytes
    deadline: float


Effect = Datagram | OpenStream


class Outbox:
    """Collects effects.

    Args:
        framing: the pool's keys, label and compression.
        packet_bytes: budget of one packet before compression.
        dice: source of nonces and nothing else.
        broadcasts: where updates to piggyback come from.
    """

    def __init__(self, framing: Framing, packet_bytes: int, dice: Dice, broadcasts: BroadcastSource) -> None:
        self.framing = framing
        self._packet_bytes = packet_bytes
        self._dice = dice
        self._broadcasts = broadcasts
        self._effects: list[Effect] = []
        self._next_stream_id = 1

    def drain(self) -> list[Effect]:
        """What has collected since the last call."""
        effects, self._effects = self._effects, []
        return effects

    def send(self, destination: Endpoint, message: Message) -> None:
        """Send a message with as many updates as fit beside it."""
        encoded = encode_message(message)
        room = self._room() - COMPOUND_PART_BYTES - len(encoded)
        self.send_encoded(destination, [encoded, *self._broadcasts(COMPOUND_PART_BYTES, room)])

    def gossip(self, destination: Endpoint, *, checksum: bool) -> bool:
        """Send one packet of updates; whether there were any."""
        updates = self._broadcasts(COMPOUND_PART_BYTES, self._room())
        if updates:
            self.send_encoded(destination, updates, checksum=checksum)
        return bool(updates)

    def send_encoded(self, destination: Endpoint, messages: list[bytes], *, checksum: bool = False) -> None:
        """Send exactly these messages in one packet."""
        data = seal_packet(messages, self.framing, nonce=self._nonce(), checksum=checksum)
        self._effects.append(Datagram(destination, data))

    def open_stream(self, destination: Endpoint, message: StreamMessage, deadline: float) -> int:
        """Start a stream; its id."""
        stream_id = self._next_stream_id
        self._next_stream_id += 1
        self._effects.append(OpenStream(stream_id, destination, self.seal(message), deadline))
        return stream_id

    def seal(self, message: StreamMessage) -> bytes:
        """All bytes of one direction of a stream."""
        return seal_stream(encode_stream_message(message), self.framing, nonce=self._nonce())

    def _room(self) -> int:
        return self._packet_bytes - COMPOUND_HEADER_BYTES - self.framing.overhead_bytes

    def _nonce(self) -> bytes:
        return self._dice.randbytes(NONCE_BYTES) if self.framing.sealing is not None else b""
