"""Writing the parts of a message, with compressed names (RFC 1035, section 4.1.4).

A suffix is reused only when it was written before with the same spelling: pointing at another spelling would change
the case of a name that must be repeated as it was asked (RFC 4343, section 4.1). Only names that RFC 1035 itself
defines are compressed inside record data (RFC 3597, section 4); the caller says which.
"""

from __future__ import annotations

import struct
from typing import Final

from lictor_dnswire.errors import EncodeError
from lictor_dnswire.name import Name, check_labels

_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")
POINTER_BASE: Final = 0xC000
POINTER_REACH: Final = 0x3FFF
"""A pointer has 14 bits: what lies further into the message cannot be pointed at."""
STRING_BYTES_MAX: Final = 255


class Writer:
    """A growing message, and the places of the names in it."""

    __slots__ = ("_places", "compress", "data")

    def __init__(self, *, compress: bool = True) -> None:
        self.data = bytearray()
        self.compress = compress
        self._places: dict[tuple[bytes, ...], int] = {}

    def raw(self, part: bytes) -> None:
        """Append bytes as they are."""
        self.data += part

    def u8(self, value: int, what: str) -> None:
        """Append one byte; EncodeError if the value does not fit."""
        self._number(value, 8, what)
        self.data.append(value)

    def u16(self, value: int, what: str) -> None:
        """Append two bytes; EncodeError if the value does not fit."""
        self._number(value, 16, what)
        self.data += _U16.pack(value)

    def u32(self, value: int, what: str) -> None:
        """Append four bytes; EncodeError if the value does not fit."""
        self._number(value, 32, what)
        self.data += _U32.pack(value)

    def string(self, value: bytes, what: str) -> None:
        """Append a <character-string> of at most 255 bytes."""
        if len(value) > STRING_BYTES_MAX:
            raise EncodeError(f"{what}: a string has at most {STRING_BYTES_MAX} bytes, not {len(value)}")
        self.data.append(len(value))
        self.data += value

    def name(self, name: Name, *, compress: bool = True) -> None:
        """Append a name; with `compress`, its longest suffix that was written before becomes a pointer."""
        labels = name.labels
        check_labels(labels)
        for index in range(len(labels)):
            suffix = labels[index:]
            place = self._places.get(suffix)
            if place is not None and compress and self.compress:
                self.data += _U16.pack(POINTER_BASE | place)
                return
            if place is None and len(self.data) <= POINTER_REACH:
                self._places[suffix] = len(self.data)
            self.data.append(len(labels[index]))
            self.data += labels[index]
        self.data.append(0)

    def begin_length(self) -> int:
        """Leave room for a 16-bit length; pass the returned mark to `end_length`."""
        self.data += b"\0\0"
        return len(self.data)

    def end_length(self, mark: int, what: str) -> None:
        """Fill in how many bytes were written since the mark."""
        length = len(self.data) - mark
        self._number(length, 16, what)
        _U16.pack_into(self.data, mark - 2, length)

    def cut(self, length: int) -> None:
        """Take back everything from `length` on, and the names that were written there."""
        del self.data[length:]
        self._places = {suffix: place for suffix, place in self._places.items() if place < length}

    @staticmethod
    def _number(value: int, bits: int, what: str) -> None:
        if not 0 <= value < 1 << bits:
            raise EncodeError(f"{what}: {value} does not fit {bits} bits")
