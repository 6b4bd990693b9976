"""The fast way into a query: header, the one question, and what EDNS says; nothing else is built.

Follows RFC 1035, section 4.1; RFC 9619 (a query has exactly one question) and RFC 6891. Records that a query carries
besides OPT (IXFR's SOA, a TSIG) are stepped over after their bounds were checked, and not interpreted.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from lictor_dnswire.codes import HEADER_BYTES, MESSAGE_BYTES_MAX, UDP_BYTES_MIN, Opcode, Rcode, RRType
from lictor_dnswire.errors import FormatError
from lictor_dnswire.header import QR, RD, header_of
from lictor_dnswire.message import check_opt_place
from lictor_dnswire.name import NAME_BYTES_MAX, Name
from lictor_dnswire.rdata import Opt
from lictor_dnswire.reader import Reader

_HEADER: Final = struct.Struct(">6H")
_TYPE_AND_CLASS: Final = struct.Struct(">HH")
_RECORD: Final = struct.Struct(">BHHIH")
_LABEL_BITS: Final = 0x3F
_OPCODE_BITS: Final = 0x7800
_PLAIN_OPT_BYTES: Final = 11


class Question(msgspec.Struct, frozen=True, gc=False):
    """What a query asks.

    Attributes:
        message_id: to be repeated in the reply.
        flags: the query's flags word, from which `reply_flags` makes the reply's.
        raw_name: the name in wire form as spelt by the client, for a reply that repeats its case.
        labels: the labels in lower case, without the root's.
        qtype: the type asked for. qclass: the class.
        edns: what the client's OPT record says, None without EDNS.
    """

    message_id: int
    flags: int
    raw_name: bytes
    labels: tuple[bytes, ...]
    qtype: int
    qclass: int
    edns: Opt | None = None

    @property
    def recursion_desired(self) -> bool:
        """RD."""
        return bool(self.flags & RD)

    @property
    def udp_bytes(self) -> int:
        """The largest reply that the client takes over UDP: 512 without EDNS (RFC 1035, section 4.2.1)."""
        return UDP_BYTES_MIN if self.edns is None else self.edns.udp_bytes()

    def section(self) -> bytes:
        """The question section of the reply: the same bytes as in the query."""
        return self.raw_name + _TYPE_AND_CLASS.pack(self.qtype, self.qclass)

    def name(self) -> Name:
        """The name as spelt by the client."""
        return Name.from_wire(self.raw_name)


def parse_question(data: bytes) -> Question:
    """Read a query as far as an answer needs it.

    Raises:
        FormatError: the message breaks a rule. `header` is None when no answer may be sent: the header is not
            complete, or the message is a response. `rcode` is NOTIMP for an opcode other than QUERY, else FORMERR.
    """
    if len(data) < HEADER_BYTES:
        raise FormatError(f"header: {HEADER_BYTES} bytes are due, {len(data)} are there", offset=0)
    message_id, flags, *counts = _HEADER.unpack_from(data)
    if flags & QR:
        raise FormatError("header: a query has QR clear", offset=2)
    try:
        return _read(data, message_id, flags, counts)
    except FormatError as error:
        error.header = header_of(message_id, flags)
        raise


def _read(data: bytes, message_id: int, flags: int, counts: list[int]) -> Question:
    questions, answers, authorities, additionals = counts
    if flags & _OPCODE_BITS:
        raise FormatError(f"header: only opcode {Opcode.QUERY:d} is answered", offset=2, rcode=Rcode.NOTIMP)
    if questions != 1:
        raise FormatError(f"header: a query has one question, not {questions}", offset=4)
    if len(data) > MESSAGE_BYTES_MAX:
        raise FormatError(f"message: at most {MESSAGE_BYTES_MAX} bytes", offset=MESSAGE_BYTES_MAX)
    labels, at = _labels(data)
    if at + _TYPE_AND_CLASS.size > len(data):
        raise FormatError("question: type and class are missing", offset=at)
    qtype, qclass = _TYPE_AND_CLASS.unpack_from(data, at)
    raw_name = data[HEADER_BYTES:at]
    at += _TYPE_AND_CLASS.size
    edns: Opt | None = None
    if answers or authorities or additionals:
        edns = _edns(data, at, answers + authorities, additionals)
    elif at != len(data):
        raise FormatError("message: bytes are left after the last record", offset=at)
    return Question(message_id, flags, raw_name, labels, qtype, qclass, edns)


def _labels(data: bytes) -> tuple[tuple[bytes, ...], int]:
    """The labels in lower case and the offset behind the name.

    The first name of a message has nothing before it that a pointer could lead to, so only plain labels are right.
    """
    at = HEADER_BYTES
    # Length bytes are at most 63, below "A": lowering the whole name at once leaves them as they are.
    lowered = data[: HEADER_BYTES + NAME_BYTES_MAX].lower()
    stop = len(lowered)
    labels: list[bytes] = []
    while at < stop:
        size = lowered[at]
        if size > _LABEL_BITS:
            raise FormatError("question name: only plain labels can stand here", offset=at)
        at += 1
        if not size:
            return tuple(labels), at
        labels.append(lowered[at : at + size])
        at += size
    if stop == HEADER_BYTES + NAME_BYTES_MAX:
        raise FormatError(f"question name: a name has at most {NAME_BYTES_MAX} bytes", offset=stop)
    raise FormatError("question name: the name runs past its end", offset=stop)


def _edns(data: bytes, at: int, before: int, additionals: int) -> Opt | None:
    """What the OPT record says; the usual shape, one bare OPT at the very end, is read without a `Reader`."""
    if not before and additionals == 1 and len(data) - at == _PLAIN_OPT_BYTES:
        root, rtype, payload_bytes, ttl, length = _RECORD.unpack_from(data, at)
        if not root and rtype == RRType.OPT and not length:
            return Opt(payload_bytes, ttl >> 24, ttl >> 16 & 0xFF, bool(ttl & 0x8000))
    reader = Reader(data, at)
    edns: Opt | None = None
    for index in range(before + additionals):
        start = reader.offset
        name = reader.name("record name")
        rtype, rclass, ttl = reader.u16("record type"), reader.u16("record class"), reader.u32("record ttl")
        length = reader.u16("record data length")
        reader.take(length, "record data")
        if rtype == RRType.OPT:
            allowed = index >= before
            check_opt_place(name_is_root=not name.labels, first=edns is None, allowed=allowed, offset=start)
            edns = Opt.from_fields(rclass, ttl, Reader(data, reader.offset - length, reader.offset))
    if reader.remaining():
        raise FormatError("message: bytes are left after the last record", offset=reader.offset)
    return edns
