"""Whole DNS messages as values: parsed, built, and cut to size (RFC 1035, section 4; RFC 2181, section 9; RFC 6891).

This is the general path: recursion, tests and tools use it. A server that answers many queries takes `question` and
`answer_template` instead, which leave out what an answer does not need.

Truncation. `Message.encode(max_bytes)` gives up, in this order, what does not fit:

1. additional records, from the end, whole RRsets only; TC stays clear, as nothing was lost that was asked for;
2. authority records, from the end, whole RRsets only; TC is set when there is no answer beside them, because then they
   are the answer (the SOA of a negative one, the servers of a referral);
3. answers, from the end, record by record; TC is set, and nothing follows the last answer that fits.

The question and the OPT record always stay (RFC 6891, section 7). Whoever sees TC asks again over TCP.
"""

from __future__ import annotations

import struct
from itertools import groupby
from typing import TYPE_CHECKING, Final

import msgspec

from lictor_dnswire.codes import HEADER_BYTES, MESSAGE_BYTES_MAX, TTL_MAX, UDP_BYTES_MIN, RRClass, RRType
from lictor_dnswire.errors import EncodeError, FormatError
from lictor_dnswire.header import QR, TC, Header, header_of
from lictor_dnswire.name import ROOT, Name
from lictor_dnswire.rdata import Opt, Rdata, read_rdata
from lictor_dnswire.reader import Reader
from lictor_dnswire.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER: Final = struct.Struct(">6H")
_RCODE_BITS_IN_HEADER: Final = 4


class QuestionEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry of the question section: name, type and class asked for."""

    name: Name
    qtype: int
    qclass: int = RRClass.IN


class Record(msgspec.Struct, frozen=True, gc=False):
    """One resource record: owner name, TTL in seconds, data (which knows its type) and class."""

    name: Name
    ttl: int
    rdata: Rdata
    rclass: int = RRClass.IN

    @property
    def rtype(self) -> int:
        """The type's code."""
        return self.rdata.rtype


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message: header, four sections, and what the OPT record says (which is not among `additionals`)."""

    header: Header = Header()
    questions: tuple[QuestionEntry, ...] = ()
    answers: tuple[Record, ...] = ()
    authorities: tuple[Record, ...] = ()
    additionals: tuple[Record, ...] = ()
    edns: Opt | None = None

    def encode(self, max_bytes: int = MESSAGE_BYTES_MAX, *, compress: bool = True) -> bytes:
        """The wire form in at most `max_bytes` bytes, cut by the rule above.

        Raises:
            EncodeError: a field does not fit its place, a response code above 15 has no OPT record to carry it, or
                question and OPT alone are larger than `max_bytes`.
        """
        if not UDP_BYTES_MIN <= max_bytes <= MESSAGE_BYTES_MAX:
            raise EncodeError(f"max_bytes: {max_bytes} is not between {UDP_BYTES_MIN} and {MESSAGE_BYTES_MAX}")
        opt = self._opt_record()
        writer = Writer(compress=compress)
        writer.raw(bytes(HEADER_BYTES))
        for entry in self.questions:
            writer.name(entry.name)
            writer.u16(entry.qtype, "question qtype")
            writer.u16(entry.qclass, "question qclass")
        limit = max_bytes - len(opt)
        if len(writer.data) > limit:
            raise EncodeError(f"message: question and OPT alone are larger than {max_bytes} bytes")

        answers = _write_groups(writer, [(record,) for record in self.answers], limit)
        authorities = additionals = 0
        truncated = answers < len(self.answers)
        if not truncated:
            authorities = _write_groups(writer, _rrsets(self.authorities), limit)
            truncated = authorities < len(self.authorities) and not self.answers
            if authorities == len(self.authorities):
                additionals = _write_groups(writer, _rrsets(self.additionals), limit)
        writer.raw(opt)
        flags = self.header.flags() | (TC if truncated else 0)
        counts = (len(self.questions), answers, authorities, additionals + (1 if opt else 0))
        _HEADER.pack_into(writer.data, 0, self.header.message_id, flags, *counts)
        return bytes(writer.data)

    def _opt_record(self) -> bytes:
        extended = self.header.rcode >> _RCODE_BITS_IN_HEADER
        if self.edns is None:
            if extended:
                raise EncodeError(f"header.rcode: {self.header.rcode} needs an OPT record")
            return b""
        return msgspec.structs.replace(self.edns, extended_rcode=extended).to_wire()


def parse_message(data: bytes) -> Message:
    """Read a whole message; every byte must be accounted for.

    Raises:
        FormatError: any rule of the format is broken. It carries the header when that was readable and the message
            is not a response.
    """
    if len(data) < HEADER_BYTES:
        raise FormatError(f"header: {HEADER_BYTES} bytes are due, {len(data)} are there", offset=0)
    message_id, flags, *counts = _HEADER.unpack_from(data)
    try:
        return _read_message(data, message_id, flags, counts)
    except FormatError as error:
        if not flags & QR:
            error.header = header_of(message_id, flags)
        raise


def write_record(writer: Writer, record: Record) -> None:
    """Append one record; EncodeError names the field that does not fit."""
    if not 0 <= record.ttl <= TTL_MAX:
        raise EncodeError(f"record ttl: {record.ttl} is not between 0 and {TTL_MAX}")
    writer.name(record.name)
    writer.u16(record.rtype, "record type")
    writer.u16(record.rclass, "record class")
    writer.u32(record.ttl, "record ttl")
    mark = writer.begin_length()
    record.rdata.write(writer)
    writer.end_length(mark, "record data")


def _rrsets(records: Sequence[Record]) -> list[tuple[Record, ...]]:
    """Neighbours of one name, type and class; an RRset must not be cut in two (RFC 2181, section 9)."""
    return [tuple(group) for _, group in groupby(records, key=lambda r: (r.name, r.rtype, r.rclass))]


def _write_groups(writer: Writer, groups: Sequence[tuple[Record, ...]], limit: int) -> int:
    """Append groups while they fit whole; the number of records written."""
    written = 0
    for group in groups:
        mark = len(writer.data)
        for record in group:
            write_record(writer, record)
            if len(writer.data) > limit:
                writer.cut(mark)
                return written
        written += len(group)
    return written


def _read_message(data: bytes, message_id: int, flags: int, counts: Sequence[int]) -> Message:
    if len(data) > MESSAGE_BYTES_MAX:
        raise FormatError(f"message: at most {MESSAGE_BYTES_MAX} bytes", offset=MESSAGE_BYTES_MAX)
    reader = Reader(data, HEADER_BYTES)
    questions = tuple(
        QuestionEntry(reader.name("question name"), reader.u16("question qtype"), reader.u16("question qclass"))
        for _ in range(counts[0])
    )
    answers, _ = _read_section(reader, counts[1], "answer", edns_allowed=False)
    authorities, _ = _read_section(reader, counts[2], "authority", edns_allowed=False)
    additionals, edns = _read_section(reader, counts[3], "additional", edns_allowed=True)
    if reader.remaining():
        raise FormatError("message: bytes are left after the last record", offset=reader.offset)
    header = header_of(message_id, flags, extended_rcode=0 if edns is None else edns.extended_rcode)
    return Message(header, questions, answers, authorities, additionals, edns)


def _read_section(
    reader: Reader, count: int, what: str, *, edns_allowed: bool
) -> tuple[tuple[Record, ...], Opt | None]:
    records = []
    edns: Opt | None = None
    for _ in range(count):
        start = reader.offset
        name = reader.name(f"{what} name")
        rtype, rclass, ttl = reader.u16(f"{what} type"), reader.u16(f"{what} class"), reader.u32(f"{what} ttl")
        length = reader.u16(f"{what} data length")
        if length > reader.remaining():
            raise FormatError(f"{what} data: {length} bytes are due, {reader.remaining()} are left", offset=start)
        inner = Reader(reader.data, reader.offset, reader.offset + length)
        reader.offset = inner.end
        if rtype == RRType.OPT:
            check_opt_place(name_is_root=name == ROOT, first=edns is None, allowed=edns_allowed, offset=start)
            edns = Opt.from_fields(rclass, ttl, inner)
            continue
        rdata = read_rdata(rtype, rclass, inner)
        if inner.remaining():
            raise FormatError(f"{what} data: {inner.remaining()} bytes too many", offset=inner.offset)
        records.append(Record(name, ttl if ttl <= TTL_MAX else 0, rdata, rclass))
    return tuple(records), edns


def check_opt_place(*, name_is_root: bool, first: bool, allowed: bool, offset: int) -> None:
    """Raise unless an OPT record stands where RFC 6891, section 6.1.1 allows: once, in additional, at the root."""
    if not allowed:
        raise FormatError("OPT: belongs in the additional section", offset=offset)
    if not first:
        raise FormatError("OPT: at most one", offset=offset)
    if not name_is_root:
        raise FormatError("OPT: its owner is the root", offset=offset)
