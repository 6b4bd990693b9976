"""SRV: where a service is found (RFC 2782)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from lictor_dnswire.codes import RRType

if TYPE_CHECKING:
    from lictor_dnswire.name import Name
    from lictor_dnswire.reader import Reader
    from lictor_dnswire.writer import Writer


class SRV(msgspec.Struct, frozen=True, gc=False):
    """Priority (lower is asked first), weight within one priority, port and target host."""

    rtype: ClassVar[int] = RRType.SRV
    internet_only: ClassVar[bool] = True

    priority: int
    weight: int
    port: int
    target: Name

    @classmethod
    def read(cls, reader: Reader) -> SRV:
        """From the record data; a compressed target is understood, as RFC 3597, section 4 asks."""
        return cls(
            reader.u16("SRV priority"),
            reader.u16("SRV weight"),
            reader.u16("SRV port"),
            reader.name("SRV target"),
        )

    def write(self, writer: Writer) -> None:
        """Append the record data; the target is never compressed (RFC 2782, "Target")."""
        writer.u16(self.priority, "SRV priority")
        writer.u16(self.weight, "SRV weight")
        writer.u16(self.port, "SRV port")
        writer.name(self.target, compress=False)
