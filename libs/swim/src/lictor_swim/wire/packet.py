"""Packet framing: from messages to one UDP payload and back.

Sending applies compound, compression, checksum, encryption, label, in this order; receiving undoes them from the
outside. Compound and compression may nest in each other; the checksum is only ever the outermost of the inner layers.
A packet with a broken tail yields the messages before the break, as memberlist's does.
"""

import zlib
from collections.abc import Sequence

from msgspec import Struct

from lictor_swim.wire import lzw
from lictor_swim.wire.errors import WireError
from lictor_swim.wire.keyring import OVERHEAD_BYTES, Keyring
from lictor_swim.wire.messages import COMPRESSED, Compressed, MessageType, encode_message

PACKET_BYTES_MAX = 65_536
"""Largest packet read from the network: the size of a UDP datagram."""

DECOMPRESSED_BYTES_MAX = 256 * 1024
"""All decompressed output of one packet together. Peers put at most one datagram's worth (64 KiB) in a packet."""

FRAMING_DEPTH_MAX = 4
"""Layers of compound and compression inside one packet; real ones have two."""

COMPOUND_PARTS_MAX = 255
"""The count is one byte."""

COMPOUND_HEADER_BYTES = 2
COMPOUND_PART_BYTES = 2
"""What a compound adds once, and for each of its parts."""

LABEL_BYTES_MAX = 255
_CRC_BYTES = 5
_LABEL_HEADER_BYTES = 2
_ALGORITHM_LZW = 0


class Framing(Struct, frozen=True):
    """What all packets and streams of a pool have in common.

    Attributes:
        keyring: keys when the pool is encrypted; None leaves everything in the clear.
        label: the pool's label, at most 255 bytes; empty means no label header.
        compress: compress what is sent (what comes in is understood either way).
        compress_from_bytes: a shorter packet goes as it is. LZW takes 0.2 µs for each byte here, a probe's answer has
            150 bytes and is mostly a coordinate, which does not get shorter.
        compress_to_bytes: a longer stream goes as it is: the loop that would compress it answers probes, and an
            exchange of a large pool's state would make it late.
        verify_incoming: refuse what is not encrypted although there are keys; off while a pool gets its first key.
        verify_outgoing: encrypt what is sent when there are keys; off until every member has the key.
    """

    keyring: Keyring | None = None
    label: bytes = b""
    compress: bool = True
    compress_from_bytes: int = 256
    compress_to_bytes: int = 16_384
    verify_incoming: bool = True
    verify_outgoing: bool = True

    def __post_init__(self) -> None:
        """Check the label's length."""
        if len(self.label) > LABEL_BYTES_MAX:
            raise ValueError(f"a label has at most {LABEL_BYTES_MAX} bytes, not {len(self.label)}")

    @property
    def sealing(self) -> Keyring | None:
        """The keys to encrypt with; None when what is sent stays in the clear."""
        return self.keyring if self.verify_outgoing else None

    @property
    def overhead_bytes(self) -> int:
        """What label and encryption add to a packet."""
        label = _LABEL_HEADER_BYTES + len(self.label) if self.label else 0
        return label + (OVERHEAD_BYTES if self.sealing else 0)


def seal_packet(messages: Sequence[bytes], framing: Framing, *, nonce: bytes = b"", checksum: bool = False) -> bytes:
    """Frame encoded messages as one UDP payload.

    Args:
        messages: 1 to 255 messages, each with its type byte.
        framing: the pool's keys, label and compression.
        nonce: 12 random bytes; needed only with a keyring.
        checksum: whether the receiver is known to understand the CRC layer (protocol 5 or newer).
    """
    packet = messages[0] if len(messages) == 1 else make_compound(messages)
    if framing.compress and len(packet) >= framing.compress_from_bytes:
        smaller = compress_message(packet)
        if len(smaller) < len(packet):
            packet = smaller
    if checksum:
        packet = bytes((MessageType.HAS_CRC,)) + zlib.crc32(packet).to_bytes(4, "big") + packet
    if framing.sealing is not None:
        packet = framing.sealing.seal(packet, nonce, framing.label)
    return add_label(packet, framing.label)


def open_packet(data: bytes, framing: Framing) -> list[bytes]:
    """The messages of one UDP payload, each with its type byte, in the order of the packet.

    Raises:
        WireError: the label differs, decryption or the checksum fails, or a layer is malformed and nothing before it
            can be used.
    """
    if len(data) > PACKET_BYTES_MAX:
        raise WireError(f"packet of {len(data)} bytes is larger than {PACKET_BYTES_MAX}")
    data = strip_label(data, framing.label)
    if framing.keyring is not None:
        data = _decrypt(data, framing.keyring, framing)
    if len(data) >= _CRC_BYTES and data[0] == MessageType.HAS_CRC:
        expected = int.from_bytes(data[1:_CRC_BYTES], "big")
        data = data[_CRC_BYTES:]
        if zlib.crc32(data) != expected:
            raise WireError("packet checksum does not match")
    messages: list[bytes] = []
    _unfold(data, messages, budget=[DECOMPRESSED_BYTES_MAX], depth=0)
    if not messages:
        raise WireError("packet holds no message")
    return messages


def _decrypt(data: bytes, keyring: Keyring, framing: Framing) -> bytes:
    try:
        return keyring.open(data, framing.label)
    except WireError:
        if framing.verify_incoming:
            raise
        return data  # not encrypted, as long as the pool is on its way to its first key


def _unfold(data: bytes, messages: list[bytes], budget: list[int], depth: int) -> None:
    """Append the messages in `data`; `budget[0]` is how much more may be decompressed for this packet."""
    if depth > FRAMING_DEPTH_MAX:
        raise WireError(f"packet has more than {FRAMING_DEPTH_MAX} layers")
    if not data:
        raise WireError("a message has at least its type byte")
    if data[0] == MessageType.COMPRESS:
        plain = decompress_message(data, budget[0])
        budget[0] -= len(plain)
        _unfold(plain, messages, budget, depth + 1)
    elif data[0] == MessageType.COMPOUND:
        for part in split_compound(data):
            try:
                _unfold(part, messages, budget, depth + 1)
            except WireError:
                # One bad part does not spoil its neighbours: they are independent messages.
                continue
    else:
        messages.append(data)


def make_compound(messages: Sequence[bytes]) -> bytes:
    """Join up to 255 messages into one compound message."""
    assert 1 <= len(messages) <= COMPOUND_PARTS_MAX, f"{len(messages)} messages do not fit one compound"
    lengths = b"".join(len(message).to_bytes(2, "big") for message in messages)
    return bytes((MessageType.COMPOUND, len(messages))) + lengths + b"".join(messages)


def split_compound(data: bytes) -> list[bytes]:
    """The parts of a compound message; parts that the packet cuts off are left out.

    Raises:
        WireError: the table of lengths itself is cut off.
    """
    if len(data) < COMPOUND_HEADER_BYTES:
        raise WireError("compound message has no count")
    count = data[1]
    start = COMPOUND_HEADER_BYTES + COMPOUND_PART_BYTES * count
    if len(data) < start:
        raise WireError(f"compound message of {count} parts ends inside its table of lengths")
    parts = []
    for index in range(count):
        at = COMPOUND_HEADER_BYTES + COMPOUND_PART_BYTES * index
        end = start + int.from_bytes(data[at : at + COMPOUND_PART_BYTES], "big")
        if end > len(data):
            break
        parts.append(data[start:end])
        start = end
    return parts


def compress_message(message: bytes) -> bytes:
    """The message inside a compress message."""
    return encode_message(Compressed(_ALGORITHM_LZW, lzw.compress(message)))


def decompress_message(data: bytes, limit: int) -> bytes:
    """The message inside a compress message (type byte included in `data`), at most `limit` bytes."""
    compressed = COMPRESSED.decode(data[1:])
    if compressed.algorithm != _ALGORITHM_LZW:
        raise WireError(f"Cannot decompress unknown algorithm {compressed.algorithm}")
    return lzw.decompress(compressed.buffer, limit)


def add_label(data: bytes, label: bytes) -> bytes:
    """Put the label header in front; without a label, nothing."""
    if not label:
        return data
    return bytes((MessageType.HAS_LABEL, len(label))) + label + data


def strip_label(data: bytes, label: bytes) -> bytes:
    """Remove the label header, which must carry `label`; without a label there must be no header.

    Raises:
        WireError: the header is malformed or names another pool.
    """
    if not data or data[0] != MessageType.HAS_LABEL:
        if label:
            raise WireError("packet has no label but this pool has one")
        return data
    end = _LABEL_HEADER_BYTES + (data[1] if len(data) > 1 else 0)
    if end == _LABEL_HEADER_BYTES or end > len(data):
        raise WireError("label header is empty or cut off")
    if data[_LABEL_HEADER_BYTES:end] != label:
        raise WireError("packet carries the label of another pool")
    return data[end:]
