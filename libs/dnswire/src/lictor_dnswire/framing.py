"""Messages on a stream: each behind its length in 16 bits (RFC 1035, section 4.2.2; RFC 7766, section 8).

Pure: bytes go in as they arrive, whole messages come out. Time limits for idle or slow peers are the server's.
"""

from __future__ import annotations

import struct
from typing import Final

from lictor_dnswire.codes import MESSAGE_BYTES_MAX
from lictor_dnswire.errors import EncodeError

_LENGTH: Final = struct.Struct(">H")


def frame(message: bytes) -> bytes:
    """The message with its length before it, in one piece (RFC 7766, section 8: one write, one segment).

    Raises:
        EncodeError: the message is longer than 65535 bytes.
    """
    if len(message) > MESSAGE_BYTES_MAX:
        raise EncodeError(f"message: has {len(message)} bytes, a frame holds at most {MESSAGE_BYTES_MAX}")
    return _LENGTH.pack(len(message)) + message


class FrameReader:
    """Cuts a stream into messages.

    It never keeps more than one incomplete message (65537 bytes) between two calls.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; the messages that are now complete, in order."""
        data = self._rest + data
        messages = []
        at = 0
        while len(data) - at >= _LENGTH.size:
            stop = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
            if stop > len(data):
                break
            messages.append(data[at + _LENGTH.size : stop])
            at = stop
        self._rest = data[at:]
        return messages

    @property
    def waiting_bytes(self) -> int:
        """Bytes of an incomplete message; not 0 at the end of a stream means that the peer broke off."""
        return len(self._rest)
