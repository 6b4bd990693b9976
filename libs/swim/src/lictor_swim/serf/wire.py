"""The messages of Serf and their bytes; each travels as the payload of a memberlist user message.

Field names, types and order follow Serf's `messages.go` (protocol versions 2 to 5). A message that is passed on keeps
the bytes that came in, so nothing here is needed to relay what a newer peer says.
"""

from enum import IntEnum
from typing import Any

from msgspec import Struct

from lictor_swim.wire.errors import WireError
from lictor_swim.wire.msgpack import Reader
from lictor_swim.wire.schema import (
    BOOL,
    BYTES,
    INT,
    OPTIONAL_BYTES,
    TEXT,
    U8,
    U16,
    U32,
    U64,
    Field,
    StructCodec,
    list_of,
    map_of,
)

FLAG_ACK = 1
"""Query flag: the asker wants an ack. On a response: this is the ack."""

FLAG_NO_BROADCAST = 2
"""Query flag: handle and answer, but do not pass on."""


class SerfType(IntEnum):
    """The first byte of every Serf message."""

    LEAVE = 0
    JOIN = 1
    PUSH_PULL = 2
    USER_EVENT = 3
    QUERY = 4
    QUERY_RESPONSE = 5
    CONFLICT_RESPONSE = 6
    KEY_REQUEST = 7
    KEY_RESPONSE = 8
    RELAY = 9


class FilterType(IntEnum):
    """The first byte of a query's filter."""

    NODE = 0
    TAG = 1


class LeaveIntent(Struct, frozen=True, gc=False):
    """`node` leaves, or is made to; `prune` also erases it from every list."""

    ltime: int = 0
    node: str = ""
    prune: bool = False


class JoinIntent(Struct, frozen=True, gc=False):
    """`node` joined."""

    ltime: int = 0
    node: str = ""


class SeenEvent(Struct, frozen=True, gc=False):
    """A user event without its time, as kept in the ring of recent events."""

    name: str = ""
    payload: bytes | None = None


class EventSlot(Struct, frozen=True):
    """The user events of one Lamport time."""

    ltime: int = 0
    events: tuple[SeenEvent, ...] = ()


class SerfState(Struct, frozen=True):
    """The user state of a push/pull exchange: clocks, status times, who left, and recent user events."""

    ltime: int = 0
    status_ltimes: dict[str, int] = {}
    left_members: tuple[str, ...] = ()
    event_ltime: int = 0
    events: tuple[EventSlot | None, ...] = ()
    query_ltime: int = 0


class UserEvent(Struct, frozen=True, gc=False):
    """A user event; `coalesce` lets an agent deliver only the newest of one name."""

    ltime: int = 0
    name: str = ""
    payload: bytes | None = None
    coalesce: bool = False


class Query(Struct, frozen=True, gc=False):
    """A question to the pool; answers go to `address`:`port`. `timeout_ns` is in nanoseconds."""

    ltime: int = 0
    id: int = 0
    address: bytes = b""
    port: int = 0
    source_node: str = ""
    filters: tuple[bytes, ...] | None = None
    flags: int = 0
    relay_factor: int = 0
    timeout_ns: int = 0
    name: str = ""
    payload: bytes | None = None


class QueryResponse(Struct, frozen=True, gc=False):
    """An answer to a query, or with `FLAG_ACK` word that it arrived."""

    ltime: int = 0
    id: int = 0
    responder: str = ""
    flags: int = 0
    payload: bytes | None = None


class ConflictResponse(Struct, frozen=True, gc=False):
    """A member as the responder knows it: the vote in a name conflict."""

    name: str = ""
    address: bytes = b""
    port: int = 0
    tags: dict[str, str] = {}
    status: int = 0
    protocol_min: int = 0
    protocol_max: int = 0
    protocol_current: int = 0
    delegate_min: int = 0
    delegate_max: int = 0
    delegate_current: int = 0


class KeyRequest(Struct, frozen=True, gc=False):
    """The payload of a key rotation query; empty when keys are only listed."""

    key: bytes = b""


class KeyResponse(Struct, frozen=True, gc=False):
    """The answer to a key rotation query; keys are in base64."""

    result: bool = False
    message: str = ""
    keys: tuple[str, ...] | None = None
    primary_key: str = ""


class RelayAddress(Struct, frozen=True, gc=False):
    """Where a relayed message goes."""

    address: bytes = b""
    port: int = 0
    zone: str = ""


class RelayHeader(Struct, frozen=True, gc=False):
    """Precedes a message that is to be passed to one node."""

    destination: RelayAddress = RelayAddress()
    destination_node: str = ""


class Relay(Struct, frozen=True, gc=False):
    """A message for another node: `inner` is the complete Serf message, type byte included."""

    header: RelayHeader = RelayHeader()
    inner: bytes = b""


class TagFilter(Struct, frozen=True, gc=False):
    """Matches members whose tag matches an unanchored regular expression; a missing tag is empty."""

    tag: str = ""
    expression: str = ""


SerfMessage = (
    LeaveIntent
    | JoinIntent
    | SerfState
    | UserEvent
    | Query
    | QueryResponse
    | ConflictResponse
    | KeyRequest
    | KeyResponse
    | Relay
)

_LTIME = Field("LTime", "ltime", U64)
_NODE = Field("Node", "node", TEXT)
_NAME = Field("Name", "name", TEXT)
_PAYLOAD = Field("Payload", "payload", OPTIONAL_BYTES)
_ID = Field("ID", "id", U32)
_FLAGS = Field("Flags", "flags", U32)

_SEEN_EVENT = StructCodec(SeenEvent, _NAME, _PAYLOAD)
_EVENT_SLOT = StructCodec(EventSlot, _LTIME, Field("Events", "events", list_of(_SEEN_EVENT.kind())))
_RELAY_ADDRESS = StructCodec(
    RelayAddress, Field("IP", "address", BYTES), Field("Port", "port", INT), Field("Zone", "zone", TEXT)
)
_RELAY_HEADER = StructCodec(
    RelayHeader,
    Field("DestAddr", "destination", _RELAY_ADDRESS.kind()),
    Field("DestName", "destination_node", TEXT),
)
TAG_FILTER = StructCodec(TagFilter, Field("Tag", "tag", TEXT), Field("Expr", "expression", TEXT))

_CODECS: dict[SerfType, StructCodec[Any]] = {
    SerfType.LEAVE: StructCodec(LeaveIntent, _LTIME, _NODE, Field("Prune", "prune", BOOL)),
    SerfType.JOIN: StructCodec(JoinIntent, _LTIME, _NODE),
    SerfType.PUSH_PULL: StructCodec(
        SerfState,
        _LTIME,
        Field("StatusLTimes", "status_ltimes", map_of(U64)),
        Field("LeftMembers", "left_members", list_of(TEXT)),
        Field("EventLTime", "event_ltime", U64),
        Field("Events", "events", list_of(_EVENT_SLOT.optional_kind())),
        Field("QueryLTime", "query_ltime", U64),
    ),
    SerfType.USER_EVENT: StructCodec(UserEvent, _LTIME, _NAME, _PAYLOAD, Field("CC", "coalesce", BOOL)),
    SerfType.QUERY: StructCodec(
        Query,
        _LTIME,
        _ID,
        Field("Addr", "address", BYTES),
        Field("Port", "port", U16),
        Field("SourceNode", "source_node", TEXT),
        Field("Filters", "filters", list_of(BYTES, optional=True)),
        _FLAGS,
        Field("RelayFactor", "relay_factor", U8),
        Field("Timeout", "timeout_ns", INT),
        _NAME,
        _PAYLOAD,
    ),
    SerfType.QUERY_RESPONSE: StructCodec(
        QueryResponse, _LTIME, _ID, Field("From", "responder", TEXT), _FLAGS, _PAYLOAD
    ),
    SerfType.CONFLICT_RESPONSE: StructCodec(
        ConflictResponse,
        _NAME,
        Field("Addr", "address", BYTES),
        Field("Port", "port", U16),
        Field("Tags", "tags", map_of(TEXT)),
        Field("Status", "status", INT),
        Field("ProtocolMin", "protocol_min", U8),
        Field("ProtocolMax", "protocol_max", U8),
        Field("ProtocolCur", "protocol_current", U8),
        Field("DelegateMin", "delegate_min", U8),
        Field("DelegateMax", "delegate_max", U8),
        Field("DelegateCur", "delegate_current", U8),
    ),
    SerfType.KEY_REQUEST: StructCodec(KeyRequest, Field("Key", "key", BYTES)),
    SerfType.KEY_RESPONSE: StructCodec(
        KeyResponse,
        Field("Result", "result", BOOL),
        Field("Message", "message", TEXT),
        Field("Keys", "keys", list_of(TEXT, optional=True)),
        Field("PrimaryKey", "primary_key", TEXT),
    ),
}
_TYPES: dict[type, SerfType] = {
    LeaveIntent: SerfType.LEAVE,
    JoinIntent: SerfType.JOIN,
    SerfState: SerfType.PUSH_PULL,
    UserEvent: SerfType.USER_EVENT,
    Query: SerfType.QUERY,
    QueryResponse: SerfType.QUERY_RESPONSE,
    ConflictResponse: SerfType.CONFLICT_RESPONSE,
    KeyRequest: SerfType.KEY_REQUEST,
    KeyResponse: SerfType.KEY_RESPONSE,
}


def encode_serf(message: SerfMessage) -> bytes:
    """The message with its Serf type byte in front."""
    if isinstance(message, Relay):
        return bytes((SerfType.RELAY,)) + _RELAY_HEADER.encode(message.header) + message.inner
    kind = _TYPES[type(message)]
    out = bytearray((kind,))
    _CODECS[kind].put(out, message)
    return bytes(out)


def decode_serf(data: bytes) -> SerfMessage:
    """Read one Serf message, type byte first.

    Raises:
        WireError: empty, an unknown type, or a malformed body.
    """
    if not data:
        raise WireError("a Serf message has at least its type byte")
    reader = Reader(data, 1)
    if data[0] == SerfType.RELAY:
        header = _RELAY_HEADER.read(reader)
        return Relay(header, reader.take(reader.remaining))
    try:
        kind = SerfType(data[0])
    except ValueError:
        raise WireError(f"Serf message type {data[0]} is unknown") from None
    message: SerfMessage = _CODECS[kind].read(reader)
    return message


def encode_node_filter(names: tuple[str, ...]) -> bytes:
    """A filter that matches the named members only."""
    out = bytearray((FilterType.NODE,))
    list_of(TEXT).put(out, names)
    return bytes(out)


def encode_tag_filter(tag_filter: TagFilter) -> bytes:
    """A filter on one tag."""
    return bytes((FilterType.TAG,)) + TAG_FILTER.encode(tag_filter)


def decode_filter(data: bytes) -> tuple[str, ...] | TagFilter:
    """Read one filter of a query: the names that match, or the tag expression.

    Raises:
        WireError: empty, an unknown kind, or a malformed body.
    """
    if not data:
        raise WireError("a filter has at least its type byte")
    reader = Reader(data, 1)
    if data[0] == FilterType.NODE:
        names: tuple[str, ...] = list_of(TEXT).read(reader)
        return names
    if data[0] == FilterType.TAG:
        return TAG_FILTER.read(reader)
    raise WireError(f"query filter type {data[0]} is unknown")
