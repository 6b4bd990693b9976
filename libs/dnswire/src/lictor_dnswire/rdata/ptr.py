"""PTR: a name that this one points at (RFC 1035, section 3.3.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from lictor_dnswire.codes import RRType

if TYPE_CHECKING:
    from lictor_dnswire.name import Name
    from lictor_dnswire.reader import Reader
    from lictor_dnswire.writer import Writer


class PTR(msgspec.Struct, frozen=True, gc=False):
    """One name: a name that this one points at."""

    rtype: ClassVar[int] = RRType.PTR
    internet_only: ClassVar[bool] = False

    target: Name

    @classmethod
    def read(cls, reader: Reader) -> PTR:
        """From the record data; FormatError if the name is malformed."""
        return cls(reader.name("PTR target"))

    def write(self, writer: Writer) -> None:
        """Append the record data; the name may be compressed, as RFC 1035 defines this type."""
        writer.name(self.target)
