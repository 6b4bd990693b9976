"""Reading the parts of a message from bytes that anyone may have sent (RFC 1035, section 3.3 and 4.1.4).

`Reader` checks every bound before it looks. The compression rule is stricter than the text of section 4.1.4 and the
same as its meaning, "a prior occurrence": a pointer must lead to a place behind the header and before the piece of
name that it stands in. Each jump therefore goes strictly back, and a loop cannot exist.
"""

from __future__ import annotations

import struct
from typing import Final

from lictor_dnswire.codes import HEADER_BYTES
from lictor_dnswire.errors import FormatError
from lictor_dnswire.name import NAME_BYTES_MAX, Name

_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")
_POINTER: Final = 0xC0
_POINTER_HIGH_BITS: Final = 0x3F
_JUMPS_MAX: Final = 128
"""A name has at most 127 labels, so more pointers than that serve only to keep the reader busy."""


class Reader:
    """A cursor over one message; `end` narrows it to one record's data while that is read."""

    __slots__ = ("data", "end", "offset")

    def __init__(self, data: bytes, offset: int = 0, end: int | None = None) -> None:
        self.data = data
        self.offset = offset
        self.end = len(data) if end is None else end

    def remaining(self) -> int:
        """Bytes left before the end."""
        return self.end - self.offset

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes; `what` names them in the error.

        Raises:
            FormatError: fewer bytes are left.
        """
        start = self.offset
        stop = start + count
        if stop > self.end:
            raise FormatError(f"{what}: {count} bytes are due, {self.end - start} are left", offset=start)
        self.offset = stop
        return self.data[start:stop]

    def u8(self, what: str) -> int:
        """The next byte as a number."""
        return self.take(1, what)[0]

    def u16(self, what: str) -> int:
        """The next two bytes as a number, most significant first."""
        value: int = _U16.unpack(self.take(2, what))[0]
        return value

    def u32(self, what: str) -> int:
        """The next four bytes as a number, most significant first."""
        value: int = _U32.unpack(self.take(4, what))[0]
        return value

    def name(self, what: str) -> Name:
        """The next domain name, following compression pointers.

        Raises:
            FormatError: it leaves the message, breaks a length limit, uses an unknown label type, or a pointer does
                not lead back to an earlier place behind the header.
        """
        data = self.data
        at = piece = self.offset
        end = self.end
        labels: list[bytes] = []
        length = 1
        jumps = 0
        while True:
            if at >= end:
                raise FormatError(f"{what}: the name runs past its end", offset=at)
            size = data[at]
            if size >= _POINTER:
                if at + 2 > end:
                    raise FormatError(f"{what}: a compression pointer has two bytes", offset=at)
                target = (size & _POINTER_HIGH_BITS) << 8 | data[at + 1]
                if not HEADER_BYTES <= target < piece:
                    raise FormatError(f"{what}: a compression pointer must lead back, not to {target}", offset=at)
                if not jumps:
                    self.offset = at + 2
                jumps += 1
                if jumps > _JUMPS_MAX:
                    raise FormatError(f"{what}: a name has at most {_JUMPS_MAX} compression pointers", offset=at)
                at = piece = target
                end = len(data)  # what it points at lies outside this record's data
                continue
            if size > _POINTER_HIGH_BITS:
                raise FormatError(f"{what}: label type {size >> 6:#04b} is not in use", offset=at)
            at += 1
            if size == 0:
                break
            length += size + 1
            if length > NAME_BYTES_MAX:
                raise FormatError(f"{what}: a name has at most {NAME_BYTES_MAX} bytes", offset=at)
            if at + size > end:
                raise FormatError(f"{what}: a label runs past its end", offset=at)
            labels.append(data[at : at + size])
            at += size
        if not jumps:
            self.offset = at
        return Name(tuple(labels))

    def string(self, what: str) -> bytes:
        """The next <character-string>: a length byte and that many bytes (RFC 1035, section 3.3)."""
        return self.take(self.u8(what), what)
