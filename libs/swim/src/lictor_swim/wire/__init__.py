"""The bytes of memberlist: messages, packets, streams, compression and encryption."""

from lictor_swim.wire.errors import EnvelopeError, TruncatedError, WireError
from lictor_swim.wire.keyring import Keyring
from lictor_swim.wire.messages import (
    Ack,
    Alive,
    Compressed,
    Dead,
    ErrorReply,
    IndirectPing,
    Message,
    MessageType,
    Nack,
    NodeState,
    Ping,
    Suspect,
    User,
    decode_message,
    encode_message,
)
from lictor_swim.wire.packet import Framing, open_packet, seal_packet
from lictor_swim.wire.stream import (
    PushPull,
    StreamAssembler,
    StreamMessage,
    encode_stream_message,
    open_stream,
    seal_stream,
)

__all__ = [
    "Ack",
    "Alive",
    "Compressed",
    "Dead",
    "EnvelopeError",
    "ErrorReply",
    "Framing",
    "IndirectPing",
    "Keyring",
    "Message",
    "MessageType",
    "Nack",
    "NodeState",
    "Ping",
    "PushPull",
    "StreamAssembler",
    "StreamMessage",
    "Suspect",
    "TruncatedError",
    "User",
    "WireError",
    "decode_message",
    "encode_message",
    "encode_stream_message",
    "open_packet",
    "open_stream",
    "seal_packet",
    "seal_stream",
]
