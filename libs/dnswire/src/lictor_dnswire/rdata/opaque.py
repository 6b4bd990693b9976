"""Data of a type that this library does not know, kept as bytes (RFC 3597, section 3).

Such data may be copied only for types defined after RFC 1035: an older type (MX, for one) may hold a compressed
name, and a pointer means nothing in another message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from lictor_dnswire.reader import Reader
    from lictor_dnswire.writer import Writer


class Opaque(msgspec.Struct, frozen=True, gc=False):
    """The type's number and the data as sent."""

    rtype: int
    data: bytes

    @classmethod
    def read_as(cls, rtype: int, reader: Reader) -> Opaque:
        """All that is left of the record."""
        return cls(rtype, reader.take(reader.remaining(), "record data"))

    def write(self, writer: Writer) -> None:
        """Append the record data unchanged."""
        writer.raw(self.data)
