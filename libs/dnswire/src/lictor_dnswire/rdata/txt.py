"""TXT: one or more strings (RFC 1035, section 3.3.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from lictor_dnswire.codes import RRType
from lictor_dnswire.errors import EncodeError, FormatError
from lictor_dnswire.writer import STRING_BYTES_MAX, Writer

if TYPE_CHECKING:
    from lictor_dnswire.reader import Reader


class TXT(msgspec.Struct, frozen=True, gc=False):
    """Strings of at most 255 bytes each; at least one, which may be empty."""

    rtype: ClassVar[int] = RRType.TXT
    internet_only: ClassVar[bool] = False

    strings: tuple[bytes, ...]

    @classmethod
    def from_text(cls, text: str) -> TXT:
        """From text of any length, in UTF-8, cut into strings of 255 bytes."""
        data = text.encode()
        pieces = [data[at : at + STRING_BYTES_MAX] for at in range(0, len(data), STRING_BYTES_MAX)]
        return cls(tuple(pieces) or (b"",))

    @classmethod
    def read(cls, reader: Reader) -> TXT:
        """From the record data; FormatError if there is no string or one runs past the end."""
        if not reader.remaining():
            raise FormatError("TXT strings: at least one is due", offset=reader.offset)
        strings = []
        while reader.remaining():
            strings.append(reader.string("TXT string"))
        return cls(tuple(strings))

    def write(self, writer: Writer) -> None:
        """Append the record data; EncodeError if there is no string or one is too long."""
        if not self.strings:
            raise EncodeError("TXT strings: at least one is due")
        for string in self.strings:
            writer.string(string, "TXT string")
