"""The header of a DNS message and its flags (RFC 1035, section 4.1.1; AD and CD: RFC 4035, section 3).

Knows nothing of sections: their counts belong to the reader and the writer of whole messages.
"""

from __future__ import annotations

from typing import Final

import msgspec

from lictor_dnswire.codes import Opcode, Rcode
from lictor_dnswire.errors import EncodeError

QR: Final = 0x8000
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
AD: Final = 0x0020
CD: Final = 0x0010
_OPCODE_SHIFT: Final = 11
_OPCODE_MASK: Final = 0x7800
_RCODE_MASK: Final = 0x000F
_Z: Final = 0x0040
"""Reserved: must be zero in what we send, and is ignored in what others send."""


class Header(msgspec.Struct, frozen=True, gc=False):
    """One header.

    Attributes:
        message_id: 16 bits that pair a reply with its query.
        response: QR. opcode: 4 bits. authoritative: AA. truncated: TC. recursion_desired: RD.
        recursion_available: RA. authentic_data: AD. checking_disabled: CD.
        rcode: the whole response code; above 15 it needs an OPT record, which carries its upper bits.
    """

    message_id: int = 0
    response: bool = False
    opcode: int = Opcode.QUERY
    authoritative: bool = False
    truncated: bool = False
    recursion_desired: bool = False
    recursion_available: bool = False
    authentic_data: bool = False
    checking_disabled: bool = False
    rcode: int = Rcode.NOERROR

    def flags(self) -> int:
        """The second 16-bit word, with the low four bits of the response code.

        Raises:
            EncodeError: a number does not fit its field.
        """
        for field, value, bits in (
            ("message_id", self.message_id, 16),
            ("opcode", self.opcode, 4),
            ("rcode", self.rcode, 12),
        ):
            if not 0 <= value < 1 << bits:
                raise EncodeError(f"header.{field}: {value} does not fit {bits} bits")
        word = (self.opcode << _OPCODE_SHIFT) | (self.rcode & _RCODE_MASK)
        for is_set, bit in (
            (self.response, QR),
            (self.authoritative, AA),
            (self.truncated, TC),
            (self.recursion_desired, RD),
            (self.recursion_available, RA),
            (self.authentic_data, AD),
            (self.checking_disabled, CD),
        ):
            if is_set:
                word |= bit
        return word


def header_of(message_id: int, flags: int, *, extended_rcode: int = 0) -> Header:
    """The header that the first two words tell, with the OPT record's upper bits of the response code."""
    return Header(
        message_id=message_id,
        response=bool(flags & QR),
        opcode=(flags & _OPCODE_MASK) >> _OPCODE_SHIFT,
        authoritative=bool(flags & AA),
        truncated=bool(flags & TC),
        recursion_desired=bool(flags & RD),
        recursion_available=bool(flags & RA),
        authentic_data=bool(flags & AD),
        checking_disabled=bool(flags & CD),
        rcode=(extended_rcode << 4) | (flags & _RCODE_MASK),
    )


def reply_flags(
    query_flags: int,
    *,
    rcode: int = Rcode.NOERROR,
    authoritative: bool = False,
    recursion_available: bool = False,
    truncated: bool = False,
) -> int:
    """The flags word of a reply: QR set; opcode, RD and CD copied from the query (RFC 1035, 4.1.1; RFC 4035, 3.2.2)."""
    word = QR | (query_flags & (_OPCODE_MASK | RD | CD)) | (rcode & _RCODE_MASK)
    if authoritative:
        word |= AA
    if recursion_available:
        word |= RA
    if truncated:
        word |= TC
    return word
