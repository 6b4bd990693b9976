"""AAAA: an IPv6 address (RFC 3596, section 2.2)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from lictor_dnswire.codes import RRType
from lictor_dnswire.errors import EncodeError

if TYPE_CHECKING:
    from lictor_dnswire.reader import Reader
    from lictor_dnswire.writer import Writer

_ADDRESS_BYTES: Final = 16


class AAAA(msgspec.Struct, frozen=True, gc=False):
    """An IPv6 address as its sixteen bytes."""

    rtype: ClassVar[int] = RRType.AAAA
    internet_only: ClassVar[bool] = True

    address: bytes

    @classmethod
    def from_text(cls, text: str) -> AAAA:
        """From colon form; ValueError from `ipaddress` when it is not an IPv6 address."""
        return cls(ipaddress.IPv6Address(text).packed)

    def to_text(self) -> str:
        """In colon form."""
        return str(ipaddress.IPv6Address(self.address))

    @classmethod
    def read(cls, reader: Reader) -> AAAA:
        """From the record data; FormatError unless sixteen bytes are there."""
        return cls(reader.take(_ADDRESS_BYTES, "AAAA address"))

    def write(self, writer: Writer) -> None:
        """Append the record data; EncodeError unless the address has sixteen bytes."""
        if len(self.address) != _ADDRESS_BYTES:
            raise EncodeError(f"AAAA address: has {_ADDRESS_BYTES} bytes, not {len(self.address)}")
        writer.raw(self.address)
