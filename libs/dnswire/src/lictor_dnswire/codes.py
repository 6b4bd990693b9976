"""Code points of the DNS that this library or its users name (IANA "Domain Name System Parameters").

Fields on the wire are plain integers: a code that is not listed here is legal and passes through unchanged.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class RRType(IntEnum):
    """Types of records, and the question type ANY (RFC 1035, 2782, 3596, 6891)."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    OPT = 41
    TSIG = 250
    IXFR = 251
    AXFR = 252
    ANY = 255


class RRClass(IntEnum):
    """Classes (RFC 1035, section 3.2.4 and 3.2.5)."""

    IN = 1
    CH = 3
    ANY = 255


class Opcode(IntEnum):
    """Kinds of query (RFC 1035, section 4.1.1; RFC 1996; RFC 2136)."""

    QUERY = 0
    STATUS = 2
    NOTIFY = 4
    UPDATE = 5


class Rcode(IntEnum):
    """Response codes; above 15 only with EDNS (RFC 1035, section 4.1.1; RFC 6891, section 9)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


HEADER_BYTES: Final = 12
"""Every message starts with a header of this size (RFC 1035, section 4.1.1)."""

UDP_BYTES_MIN: Final = 512
"""A reply of this size always fits, with or without EDNS (RFC 1035, section 4.2.1; RFC 6891, section 6.2.3)."""

MESSAGE_BYTES_MAX: Final = 65535
"""The length prefix of TCP has 16 bits (RFC 1035, section 4.2.2)."""

TTL_MAX: Final = 2**31 - 1
"""A TTL has 31 bits; one with the top bit set counts as zero (RFC 2181, section 8)."""
