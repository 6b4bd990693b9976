"""The messages of memberlist and their bytes: one type byte, then a map of fields.

Field names, types and order follow memberlist's `net.go` (protocol versions 1 to 5). Addresses are kept as the bytes
that came in, because peers compare them byte for byte: `7f000001` and its IPv4-in-IPv6 form are different addresses.
Framing (compound, compression, checksum, encryption) is in `packet` and `stream`.
"""

from enum import IntEnum
from typing import Any

from msgspec import Struct

from lictor_swim.wire.errors import WireError
from lictor_swim.wire.msgpack import Reader
from lictor_swim.wire.schema import BOOL, BYTES, INT, OPTIONAL_BYTES, TEXT, U8, U16, U32, Field, StructCodec

META_BYTES_MAX = 512
"""Largest metadata of a node; memberlist refuses to start with more, and some peers refuse to merge it."""


class MessageType(IntEnum):
    """The first byte of every message."""

    PING = 0
    INDIRECT_PING = 1
    ACK = 2
    SUSPECT = 3
    ALIVE = 4
    DEAD = 5
    PUSH_PULL = 6
    COMPOUND = 7
    USER = 8
    COMPRESS = 9
    ENCRYPT = 10
    NACK = 11
    HAS_CRC = 12
    ERROR = 13
    HAS_LABEL = 244


class Ping(Struct, frozen=True, gc=False):
    """A direct probe. A node ignores one whose `node` is neither empty nor its own name.

    The answer goes to `source_address`:`source_port` when they are present, otherwise to where the packet came from.
    """

    sequence: int = 0
    node: str = ""
    source_address: bytes = b""
    source_port: int = 0
    source_node: str = ""


class IndirectPing(Struct, frozen=True, gc=False):
    """A request to probe `target`:`port` on behalf of the sender; `nack` asks for word when it does not answer."""

    sequence: int = 0
    target: bytes = b""
    port: int = 0
    node: str = ""
    nack: bool = False
    source_address: bytes = b""
    source_port: int = 0
    source_node: str = ""


class Ack(Struct, frozen=True, gc=False):
    """The answer to a probe; Serf's network coordinate travels as payload."""

    sequence: int = 0
    payload: bytes | None = None


class Nack(Struct, frozen=True, gc=False):
    """A relay's word that it is well but has not heard from the target (Lifeguard)."""

    sequence: int = 0


class Suspect(Struct, frozen=True, gc=False):
    """`accuser` could not reach `node` at that incarnation."""

    incarnation: int = 0
    node: str = ""
    accuser: str = ""


class Alive(Struct, frozen=True, gc=False):
    """`node` is alive at that incarnation, with this address, metadata and version vector (six bytes)."""

    incarnation: int = 0
    node: str = ""
    address: bytes = b""
    port: int = 0
    meta: bytes = b""
    versions: bytes = b""


class Dead(Struct, frozen=True, gc=False):
    """`accuser` declares `node` dead; when both are the same, the node left of its own will."""

    incarnation: int = 0
    node: str = ""
    accuser: str = ""


class User(Struct, frozen=True, gc=False):
    """An opaque message of the layer above (Serf): the payload follows the type byte directly."""

    payload: bytes = b""


class NodeState(Struct, frozen=True, gc=False):
    """One row of a push/pull exchange; `state` is 0 alive, 1 suspect, 2 dead, 3 left."""

    name: str = ""
    address: bytes = b""
    port: int = 0
    meta: bytes = b""
    incarnation: int = 0
    state: int = 0
    versions: bytes = b""


class PushPullHeader(Struct, frozen=True, gc=False):
    """Precedes `nodes` rows and `user_state_bytes` bytes of user state."""

    nodes: int = 0
    user_state_bytes: int = 0
    join: bool = False


class UserHeader(Struct, frozen=True, gc=False):
    """Precedes a user message on a stream."""

    message_bytes: int = 0


class Compressed(Struct, frozen=True, gc=False):
    """A compressed message; algorithm 0 (LZW) is the only one there is."""

    algorithm: int = 0
    buffer: bytes = b""


class ErrorReply(Struct, frozen=True, gc=False):
    """A peer's reason for refusing a stream."""

    error: str = ""


Message = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | User

_SOURCE = (
    Field("SourceAddr", "source_address", BYTES, omit_empty=True),
    Field("SourcePort", "source_port", U16, omit_empty=True),
    Field("SourceNode", "source_node", TEXT, omit_empty=True),
)
_ACCUSATION = (Field("Incarnation", "incarnation", U32), Field("Node", "node", TEXT), Field("From", "accuser", TEXT))

PING = StructCodec(Ping, Field("SeqNo", "sequence", U32), Field("Node", "node", TEXT), *_SOURCE)
INDIRECT_PING = StructCodec(
    IndirectPing,
    Field("SeqNo", "sequence", U32),
    Field("Target", "target", BYTES),
    Field("Port", "port", U16),
    Field("Node", "node", TEXT),
    Field("Nack", "nack", BOOL),
    *_SOURCE,
)
ACK = StructCodec(Ack, Field("SeqNo", "sequence", U32), Field("Payload", "payload", OPTIONAL_BYTES))
NACK = StructCodec(Nack, Field("SeqNo", "sequence", U32))
SUSPECT = StructCodec(Suspect, *_ACCUSATION)
DEAD = StructCodec(Dead, *_ACCUSATION)
ALIVE = StructCodec(
    Alive,
    Field("Incarnation", "incarnation", U32),
    Field("Node", "node", TEXT),
    Field("Addr", "address", BYTES),
    Field("Port", "port", U16),
    Field("Meta", "meta", BYTES),
    Field("Vsn", "versions", BYTES),
)
NODE_STATE = StructCodec(
    NodeState,
    Field("Name", "name", TEXT),
    Field("Addr", "address", BYTES),
    Field("Port", "port", U16),
    Field("Meta", "meta", BYTES),
    Field("Incarnation", "incarnation", U32),
    Field("State", "state", INT),
    Field("Vsn", "versions", BYTES),
)
PUSH_PULL_HEADER = StructCodec(
    PushPullHeader,
    Field("Nodes", "nodes", INT),
    Field("UserStateLen", "user_state_bytes", INT),
    Field("Join", "join", BOOL),
)
USER_HEADER = StructCodec(UserHeader, Field("UserMsgLen", "message_bytes", INT))
COMPRESSED = StructCodec(Compressed, Field("Algo", "algorithm", U8), Field("Buf", "buffer", BYTES))
ERROR_REPLY = StructCodec(ErrorReply, Field("Error", "error", TEXT))

_CODECS: dict[MessageType, StructCodec[Any]] = {
    MessageType.PING: PING,
    MessageType.INDIRECT_PING: INDIRECT_PING,
    MessageType.ACK: ACK,
    MessageType.SUSPECT: SUSPECT,
    MessageType.ALIVE: ALIVE,
    MessageType.DEAD: DEAD,
    MessageType.NACK: NACK,
    MessageType.ERROR: ERROR_REPLY,
    MessageType.COMPRESS: COMPRESSED,
}
_TYPES: dict[type, MessageType] = {
    Ping: MessageType.PING,
    IndirectPing: MessageType.INDIRECT_PING,
    Ack: MessageType.ACK,
    Suspect: MessageType.SUSPECT,
    Alive: MessageType.ALIVE,
    Dead: MessageType.DEAD,
    Nack: MessageType.NACK,
    ErrorReply: MessageType.ERROR,
    Compressed: MessageType.COMPRESS,
}
_PACKET_TYPES = frozenset(
    {
        MessageType.PING,
        MessageType.INDIRECT_PING,
        MessageType.ACK,
        MessageType.SUSPECT,
        MessageType.ALIVE,
        MessageType.DEAD,
        MessageType.NACK,
    }
)


def encode_message(message: Message | ErrorReply | Compressed) -> bytes:
    """The message with its type byte in front."""
    if isinstance(message, User):
        return bytes((MessageType.USER,)) + message.payload
    kind = _TYPES[type(message)]
    out = bytearray((kind,))
    _CODECS[kind].put(out, message)
    return bytes(out)


def decode_message(data: bytes) -> Message:
    """Read one message of a packet, type byte first; trailing bytes are ignored.

    Raises:
        WireError: empty, a type that packets do not carry, or a malformed body.
    """
    if not data:
        raise WireError("a message has at least its type byte")
    if data[0] == MessageType.USER:
        return User(data[1:])
    try:
        kind = MessageType(data[0])
    except ValueError:
        raise WireError(f"message type {data[0]} is unknown") from None
    if kind not in _PACKET_TYPES:
        raise WireError(f"message type {kind.name} does not travel alone in a packet")
    message: Message = _CODECS[kind].read(Reader(data, 1))
    return message
