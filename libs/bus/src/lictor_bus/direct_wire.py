"""The bytes of a direct lane: length-prefixed frames on a TCP stream. Pure.

A frame is a header of 14 bytes (payload length, kind, code, number, all big-endian) and a payload, which for messages,
requests and answers is exactly what would be a NATS message's. The dialler's first frame is its hello, and the answer
to it is the acceptor's; nothing else is read before.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

import msgspec

FRAME_BYTES_MAX = 1024 * 1024
"""As NATS' own limit, so that whatever travels on one lane may travel on the other. Longer: the stream is closed."""

HELLO_BYTES_MAX = 512
"""All that a stranger may make us hold."""

_HEADER = struct.Struct("!IBBQ")
_encoder = msgspec.msgpack.Encoder()


class Kind(IntEnum):
    """What a frame is; numbers are never given to another."""

    HELLO = 1
    MESSAGE = 2  # code: the verb
    REQUEST = 3  # code: the verb; number: the request
    ANSWER = 4  # number: the request
    PING = 5
    PONG = 6  # code: whether the sender's NATS connection works


class Frame(NamedTuple):
    """One frame that came in."""

    kind: Kind
    code: int
    number: int
    payload: bytes


class Hello(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Who speaks: `member` is 0 for a client. The dialler names in `wanted` whom it believes to have reached."""

    cluster: str
    member: int
    run_id: str
    wanted: int = 0


_hellos = msgspec.msgpack.Decoder(Hello)


class WireError(ValueError):
    """The stream does not hold frames; it cannot be read any further."""


def encode(kind: Kind, code: int = 0, number: int = 0, payload: bytes = b"") -> bytes:
    """One frame."""
    return _HEADER.pack(len(payload), kind, code, number) + payload


def hello_payload(hello: Hello) -> bytes:
    """A hello as a frame's payload."""
    return _encoder.encode(hello)


def decode_hello(frame: Frame) -> Hello:
    """The hello in a stream's first frame.

    Raises:
        WireError: it is none.
    """
    if frame.kind is not Kind.HELLO:
        raise WireError(f"the first frame is no hello but {frame.kind.name}")
    try:
        return _hellos.decode(frame.payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"hello: {error}") from error


class FrameReader:
    """Cuts a stream into frames; holds at most one unfinished frame. `limit` bounds its payload and may be raised."""

    def __init__(self, limit: int = HELLO_BYTES_MAX) -> None:
        self.limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take in bytes; the frames that are complete now.

        Raises:
            WireError: a frame is too long or of no known kind.
        """
        if self._rest:
            data = self._rest + data
        frames: list[Frame] = []
        at, end = 0, len(data)
        while end - at >= _HEADER.size:
            length, kind, code, number = _HEADER.unpack_from(data, at)
            if length > self.limit:
                raise WireError(f"a frame of {length} bytes, {self.limit} are allowed")
            begin = at + _HEADER.size
            if end - begin < length:
                break
            at = begin + length
            frames.append(Frame(_kind(kind), code, number, data[begin:at]))
            if kind == Kind.HELLO:
                break  # what follows is read under the limit that the hello earns
        self._rest = data[at:]
        return frames


_KINDS = {int(kind): kind for kind in Kind}


def _kind(number: int) -> Kind:
    kind = _KINDS.get(number)
    if kind is None:
        raise WireError(f"a frame of unknown kind {number}")
    return kind
