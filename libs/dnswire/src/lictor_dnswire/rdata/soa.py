"""SOA: the start of a zone of authority (RFC 1035, section 3.3.13; negative TTL: RFC 2308, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from lictor_dnswire.codes import RRType

if TYPE_CHECKING:
    from lictor_dnswire.name import Name
    from lictor_dnswire.reader import Reader
    from lictor_dnswire.writer import Writer


class SOA(msgspec.Struct, frozen=True, gc=False):
    """Primary server, mailbox of the person in charge, serial number modulo 2**32, and four times in seconds."""

    rtype: ClassVar[int] = RRType.SOA
    internet_only: ClassVar[bool] = False

    mname: Name
    rname: Name
    serial: int
    refresh_s: int
    retry_s: int
    expire_s: int
    minimum_s: int

    @classmethod
    def read(cls, reader: Reader) -> SOA:
        """From the record data; FormatError if it is short or a name is malformed."""
        return cls(
            reader.name("SOA mname"),
            reader.name("SOA rname"),
            reader.u32("SOA serial"),
            reader.u32("SOA refresh"),
            reader.u32("SOA retry"),
            reader.u32("SOA expire"),
            reader.u32("SOA minimum"),
        )

    def write(self, writer: Writer) -> None:
        """Append the record data; EncodeError if a number does not fit 32 bits."""
        writer.name(self.mname)
        writer.name(self.rname)
        writer.u32(self.serial, "SOA serial")
        writer.u32(self.refresh_s, "SOA refresh_s")
        writer.u32(self.retry_s, "SOA retry_s")
        writer.u32(self.expire_s, "SOA expire_s")
        writer.u32(self.minimum_s, "SOA minimum_s")
