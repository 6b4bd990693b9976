"""NS: the name of a server for the zone (RFC 1035, section 3.3.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from lictor_dnswire.codes import RRType

if TYPE_CHECKING:
    from lictor_dnswire.name import Name
    from lictor_dnswire.reader import Reader
    from lictor_dnswire.writer import Writer


class NS(msgspec.Struct, frozen=True, gc=False):
    """One name: the name of a server for the zone."""

    rtype: ClassVar[int] = RRType.NS
    internet_only: ClassVar[bool] = False

    nsdname: Name

    @classmethod
    def read(cls, reader: Reader) -> NS:
        """From the record data; FormatError if the name is malformed."""
        return cls(reader.name("NS nsdname"))

    def write(self, writer: Writer) -> None:
        """Append the record data; the name may be compressed, as RFC 1035 defines this type."""
        writer.name(self.nsdname)
