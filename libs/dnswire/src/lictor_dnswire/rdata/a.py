"""A: an IPv4 address (RFC 1035, section 3.4.1)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from lictor_dnswire.codes import RRType
from lictor_dnswire.errors import EncodeError

if TYPE_CHECKING:
    from lictor_dnswire.reader import Reader
    from lictor_dnswire.writer import Writer

_ADDRESS_BYTES: Final = 4


class A(msgspec.Struct, frozen=True, gc=False):
    """An IPv4 address as its four bytes."""

    rtype: ClassVar[int] = RRType.A
    internet_only: ClassVar[bool] = True

    address: bytes

    @classmethod
    def from_text(cls, text: str) -> A:
        """From dotted decimal; ValueError from `ipaddress` when it is not an IPv4 address."""
        return cls(ipaddress.IPv4Address(text).packed)

    def to_text(self) -> str:
        """In dotted decimal."""
        return str(ipaddress.IPv4Address(self.address))

    @classmethod
    def read(cls, reader: Reader) -> A:
        """From the record data; FormatError unless four bytes are there."""
        return cls(reader.take(_ADDRESS_BYTES, "A address"))

    def write(self, writer: Writer) -> None:
        """Append the record data; EncodeError unless the address has four bytes."""
        if len(self.address) != _ADDRESS_BYTES:
            raise EncodeError(f"A address: has {_ADDRESS_BYTES} bytes, not {len(self.address)}")
        writer.raw(self.address)
