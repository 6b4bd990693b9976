"""CNAME: the canonical name behind an alias (RFC 1035, section 3.3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from lictor_dnswire.codes import RRType

if TYPE_CHECKING:
    from lictor_dnswire.name import Name
    from lictor_dnswire.reader import Reader
    from lictor_dnswire.writer import Writer


class CNAME(msgspec.Struct, frozen=True, gc=False):
    """One name: the canonical name behind an alias."""

    rtype: ClassVar[int] = RRType.CNAME
    internet_only: ClassVar[bool] = False

    canonical: Name

    @classmethod
    def read(cls, reader: Reader) -> CNAME:
        """From the record data; FormatError if the name is malformed."""
        return cls(reader.name("CNAME canonical"))

    def write(self, writer: Writer) -> None:
        """Append the record data; the name may be compressed, as RFC 1035 defines this type."""
        writer.name(self.canonical)
