"""Stream framing: one request and at most one answer on a TCP connection.

A stream holds one message: a push/pull exchange, a ping, its ack, a user message or an error. The whole message may be
inside one compress message, and that inside one encrypted block with its length in front. `StreamAssembler` tells when
a message has arrived whole, passing over every value once; `open_stream` undoes the layers.
"""

from msgspec import Struct

from lictor_swim.wire.errors import EnvelopeError, TruncatedError, WireError
from lictor_swim.wire.keyring import OVERHEAD_BYTES
from lictor_swim.wire.messages import (
    ACK,
    ERROR_REPLY,
    PING,
    PUSH_PULL_HEADER,
    USER_HEADER,
    Ack,
    ErrorReply,
    MessageType,
    NodeState,
    Ping,
    PushPullHeader,
    User,
    UserHeader,
    encode_message,
)
from lictor_swim.wire.msgpack import Reader
from lictor_swim.wire.packet import Framing, add_label, compress_message, decompress_message, strip_label
from lictor_swim.wire.rows import encode_row, pass_row, read_row

STREAM_BYTES_MAX = 4 * 1024 * 1024
"""Largest stream accepted. 10,000 members with Consul's tags take about 3 MiB before compression."""

STREAM_DECOMPRESSED_BYTES_MAX = 8 * 1024 * 1024
"""Largest message after decompression: a bomb stops here."""

STREAM_NODES_MAX = 65_536
"""Most rows in one push/pull exchange."""

_LENGTH_BYTES = 4
_ENCRYPTED_HEADER_BYTES = 1 + _LENGTH_BYTES


class PushPull(Struct, frozen=True):
    """A full exchange of state: all rows of the sender, and the state of the layer above it."""

    nodes: tuple[NodeState, ...] = ()
    user_state: bytes = b""
    join: bool = False


StreamMessage = PushPull | Ping | Ack | User | ErrorReply


def encode_stream_message(message: StreamMessage) -> bytes:
    """The message as it travels inside the stream's layers."""
    if isinstance(message, PushPull):
        out = bytearray((MessageType.PUSH_PULL,))
        PUSH_PULL_HEADER.put(out, PushPullHeader(len(message.nodes), len(message.user_state), message.join))
        out += b"".join([encode_row(node) for node in message.nodes])
        return bytes(out + message.user_state)
    if isinstance(message, User):
        header = USER_HEADER.encode(UserHeader(len(message.payload)))
        return bytes((MessageType.USER,)) + header + message.payload
    return encode_message(message)


def decode_stream_message(data: bytes) -> StreamMessage:
    """Read the message that was inside a stream's layers.

    Raises:
        WireError: an unknown type, a malformed body, or counts beyond the limits.
    """
    if not data:
        raise WireError("a message has at least its type byte")
    reader = Reader(data, 1)
    match data[0]:
        case MessageType.PUSH_PULL:
            header = _checked(PUSH_PULL_HEADER.read(reader))
            nodes = tuple([read_row(reader) for _ in range(header.nodes)])
            return PushPull(nodes, reader.take(header.user_state_bytes), header.join)
        case MessageType.USER:
            return User(reader.take(_checked_size(USER_HEADER.read(reader).message_bytes)))
        case MessageType.PING:
            return PING.read(reader)
        case MessageType.ACK:
            return ACK.read(reader)
        case MessageType.ERROR:
            return ERROR_REPLY.read(reader)
        case unknown:
            raise WireError(f"message type {unknown} does not travel on streams")


def _checked(header: PushPullHeader) -> PushPullHeader:
    if not 0 <= header.nodes <= STREAM_NODES_MAX:
        raise WireError(f"push/pull of {header.nodes} nodes is outside 0 to {STREAM_NODES_MAX}")
    _checked_size(header.user_state_bytes)
    return header


def _checked_size(size: int) -> int:
    if not 0 <= size <= STREAM_DECOMPRESSED_BYTES_MAX:
        raise WireError(f"user part of {size} bytes is outside 0 to {STREAM_DECOMPRESSED_BYTES_MAX}")
    return size


def seal_stream(message: bytes, framing: Framing, *, nonce: bytes = b"") -> bytes:
    """All bytes of one direction of a stream for an encoded message."""
    if framing.compress and len(message) <= framing.compress_to_bytes:
        message = compress_message(message)
    if framing.sealing is not None:
        size = len(message) + OVERHEAD_BYTES
        header = bytes((MessageType.ENCRYPT,)) + size.to_bytes(_LENGTH_BYTES, "big")
        message = header + framing.sealing.seal(message, nonce, header + framing.label)
    return add_label(message, framing.label)


def open_stream(data: bytes, framing: Framing) -> StreamMessage:
    """The message of one direction of a stream.

    Raises:
        EnvelopeError: label, encryption or compression do not fit: to be answered with an error message.
        WireError: the message inside is malformed: the stream is closed without an answer.
    """
    try:
        data = strip_label(data, framing.label)
        data = _decrypt(data, framing)
        if data and data[0] == MessageType.COMPRESS:
            data = decompress_message(data, STREAM_DECOMPRESSED_BYTES_MAX)
    except WireError as error:
        raise EnvelopeError(str(error)) from None
    return decode_stream_message(data)


def _decrypt(data: bytes, framing: Framing) -> bytes:
    encrypted = bool(data) and data[0] == MessageType.ENCRYPT
    if framing.keyring is None:
        if encrypted:
            raise WireError("Remote state is encrypted and encryption is not configured")
        return data
    if not encrypted and not framing.verify_incoming:
        return data
    if not encrypted:
        raise WireError("Encryption is configured but remote state is not encrypted")
    header, block = data[:_ENCRYPTED_HEADER_BYTES], data[_ENCRYPTED_HEADER_BYTES:]
    return framing.keyring.open(block, header + framing.label)


class StreamAssembler:
    """Collects the bytes of one direction of a stream until its message is whole.

    Feed what arrives; `complete` is the whole message, or None while bytes are missing. Progress is kept between
    calls, so a sender who drips bytes costs no more work than one who sends them at once.

    Args:
        limit: most bytes accepted.
    """

    __slots__ = ("_buffer", "_limit", "_payload_bytes", "_position", "_rows", "_values_left")

    def __init__(self, limit: int = STREAM_BYTES_MAX) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._position = 0
        self._values_left = -1
        self._payload_bytes = 0
        self._rows = False

    def feed(self, data: bytes) -> bytes | None:
        """Add bytes; the whole message when it is there.

        Raises:
            WireError: more bytes than the limit, an unknown type, or a header that cannot be read.
        """
        if len(self._buffer) + len(data) > self._limit:
            raise WireError(f"stream is larger than {self._limit} bytes")
        self._buffer += data
        try:
            end = self._end()
        except TruncatedError:
            return None
        if end > self._limit:
            raise WireError(f"stream announces {end} bytes, more than {self._limit}")
        return bytes(self._buffer[:end]) if end <= len(self._buffer) else None

    def _end(self) -> int:
        """Where the message ends; raises TruncatedError while that cannot be told."""
        if self._values_left < 0:
            self._begin()
        while self._values_left:
            reader = Reader(self._buffer, self._position)
            # A row is one value like any other, wherever it stands.
            self._values_left += -1 if self._rows and pass_row(reader) else reader.step() - 1
            self._position = reader.position
        return self._position + self._payload_bytes

    def _begin(self) -> None:
        """Read what precedes the values that are skipped one by one."""
        reader = Reader(self._buffer)
        kind = reader.take(1)[0]
        if kind == MessageType.HAS_LABEL:
            reader.take(reader.take(1)[0])
            kind = reader.take(1)[0]
        if kind == MessageType.ENCRYPT:
            self._payload_bytes = int.from_bytes(reader.take(_LENGTH_BYTES), "big")
            values = 0
        elif kind == MessageType.PUSH_PULL:
            header = _checked(PUSH_PULL_HEADER.read(reader))
            values, self._payload_bytes, self._rows = header.nodes, header.user_state_bytes, True
        elif kind == MessageType.USER:
            values, self._payload_bytes = 0, _checked_size(USER_HEADER.read(reader).message_bytes)
        elif kind in (MessageType.COMPRESS, MessageType.PING, MessageType.ACK, MessageType.ERROR):
            values = 1
        else:
            raise WireError(f"message type {kind} does not travel on streams")
        self._position, self._values_left = reader.position, values
