"""The fast way out: replies put together from records that were encoded once.

Nearly every answer's owner is the question's name, which stands at byte 12 of each reply; so a record can be encoded
once, with the pointer 0xC00C as its owner, and reused for every client and every spelling of the question. Rotating or
shuffling an answer is choosing another order of templates. An SRV template carries its target's address records
without their owner; in the reply their owner is a pointer to the target inside the SRV record.

What a reply holds when not everything fits is `reply_size`'s work.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import msgspec

from lictor_dnswire.codes import HEADER_BYTES, MESSAGE_BYTES_MAX, TTL_MAX, UDP_BYTES_MIN, Rcode, RRClass
from lictor_dnswire.errors import EncodeError
from lictor_dnswire.header import TC, Header, reply_flags
from lictor_dnswire.message import Record, parse_message, write_record
from lictor_dnswire.name import ROOT, Name
from lictor_dnswire.rdata import AAAA, SOA, SRV, A, Opt, Rdata
from lictor_dnswire.reply_size import Parts, fitting_parts
from lictor_dnswire.writer import POINTER_BASE, Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lictor_dnswire.question import Question

_HEADER: Final = struct.Struct(">6H")
_FIXED: Final = struct.Struct(">HHIH")
_SRV_NUMBERS: Final = struct.Struct(">HHIHHHH")
_SRV_NUMBERS_BYTES: Final = 6
_SOA_NUMBERS: Final = struct.Struct(">5I")
_ROOT_OWNER_BYTES: Final = 1
_SRV_TARGET_AT: Final = 2 + _SRV_NUMBERS.size
"""Where the target of an SRV record begins: behind the pointer to its owner and the numbers."""
QUESTION_POINTER: Final = (POINTER_BASE | HEADER_BYTES).to_bytes(2, "big")
"""As an owner: the name that was asked for, where it stands in every reply."""


class RecordGroup(msgspec.Struct, frozen=True, gc=False):
    """Records of one name that a reply has all or none of: an RRset of the additional section (RFC 2181, section 9).

    Attributes:
        owner: the wire name; empty for the name that was asked for.
        records: each without its owner.
    """

    owner: bytes
    records: tuple[bytes, ...]


class AnswerTemplate(msgspec.Struct, frozen=True, gc=False):
    """One answer, ready to be copied into replies.

    Attributes:
        record: the whole record, usually owned by the name that was asked for.
        additional: records of an SRV's target without their owner name.
        extra: what else is told about this answer while everything fits.
    """

    record: bytes
    additional: tuple[bytes, ...] = ()
    extra: tuple[RecordGroup, ...] = ()

    @property
    def target(self) -> bytes:
        """The wire name of an SRV target with addresses, else empty."""
        return self.record[_SRV_TARGET_AT:] if self.additional else b""


def answer_template(
    rdata: Rdata, ttl: int, target_rdata: Sequence[Rdata] = (), *, extra: tuple[RecordGroup, ...] = ()
) -> AnswerTemplate:
    """Encode an answer once.

    Args:
        rdata: the answer's data.
        ttl: in seconds, for the answer and its target's records.
        target_rdata: data of the records (A, AAAA) that an SRV's target has; they go to the additional section.
        extra: what goes to the additional section behind them while everything fits.

    Raises:
        EncodeError: a value has no wire form, or addresses are given for something other than an SRV.
    """
    if target_rdata and not isinstance(rdata, SRV):
        raise EncodeError("target_rdata: only an SRV has a target")
    record = QUESTION_POINTER + _without_owner(rdata, ttl)
    if not isinstance(rdata, SRV) or not target_rdata:
        return AnswerTemplate(record, extra=extra)
    return AnswerTemplate(record, tuple(_without_owner(data, ttl) for data in target_rdata), extra)


def srv_template(
    numbers: tuple[int, int, int],
    target: bytes,
    ttl: int,
    target_rdata: Sequence[Rdata] = (),
    *,
    extra: tuple[RecordGroup, ...] = (),
) -> AnswerTemplate:
    """An SRV answer whose target is in wire form already: many names share a suffix that need not be made again.

    Args:
        numbers: priority, weight and port.
        target: the whole name, with its closing zero; not checked.
        ttl: as in `answer_template`, like the rest.
        target_rdata: as there.
        extra: as there.

    Raises:
        EncodeError: a number does not fit its field.
    """
    try:
        fixed = _SRV_NUMBERS.pack(SRV.rtype, RRClass.IN, ttl, _SRV_NUMBERS_BYTES + len(target), *numbers)
    except struct.error as error:
        raise EncodeError(f"SRV: a number does not fit its field: ttl {ttl}, {numbers}") from error
    record = QUESTION_POINTER + fixed + target
    if not target_rdata:
        return AnswerTemplate(record, extra=extra)
    return AnswerTemplate(record, tuple(_without_owner(data, ttl) for data in target_rdata), extra)


def owned_template(record: Record) -> AnswerTemplate:
    """An answer with an owner of its own: what an alias leads to, or what a zone has at its top."""
    return AnswerTemplate(record_bytes(record))


def record_bytes(record: Record) -> bytes:
    """A record with an owner of its own, uncompressed: for the authority and additional sections of many replies."""
    writer = Writer(compress=False)
    write_record(writer, record)
    return bytes(writer.data)


def record_group(owner: Name | None, rdata: Sequence[Rdata], ttl: int) -> RecordGroup:
    """Records of one name, to be kept whole; None is the name that was asked for."""
    wire = b"" if owner is None else owner.to_wire()
    return RecordGroup(wire, tuple(_without_owner(one, ttl) for one in rdata))


def compressed_soa(soa: SOA, ttl: int, place: int) -> bytes:
    """The SOA of negative replies, whose names all end in the domain that the name asked for ends in.

    Args:
        soa: its names have one label before the domain.
        ttl: in seconds.
        place: where the domain stands in the reply.
    """
    pointer = (POINTER_BASE | place).to_bytes(2, "big")
    names = b"".join([bytes((len(name.labels[0]),)) + name.labels[0] + pointer for name in (soa.mname, soa.rname)])
    times = (soa.serial, soa.refresh_s, soa.retry_s, soa.expire_s, soa.minimum_s)
    fixed = _FIXED.pack(soa.rtype, RRClass.IN, ttl, len(names) + _SOA_NUMBERS.size)
    return pointer + fixed + names + _SOA_NUMBERS.pack(*times)


def encode_reply(
    question: Question,
    answers: Sequence[AnswerTemplate] = (),
    *,
    max_bytes: int,
    rcode: int = Rcode.NOERROR,
    authoritative: bool = True,
    recursion_available: bool = False,
    authority: Sequence[bytes] = (),
    additional: Sequence[RecordGroup] = (),
    edns: Opt | None = None,
    answers_max: int | None = None,
    mark_truncated: bool = True,
    compress: bool = True,
    recompress: bool = False,
) -> bytes:
    """The reply to a question, in at most `max_bytes` bytes.

    Args:
        question: whose id, name (as spelt), type, class, opcode, RD and CD are repeated.
        answers: in the order in which they shall stand.
        max_bytes: 512 or more; `question.udp_bytes` (within the server's own limit) for UDP, 65535 for TCP.
        rcode: the whole response code; above 15 it needs `edns`.
        authoritative: AA.
        recursion_available: RA.
        authority: records from `record_bytes`; each one is kept or dropped alone.
        additional: groups of records, after those of the answers' targets.
        edns: our OPT record, given exactly when the client sent one.
        answers_max: more answers than these are left out. Then sizes count without compression: whoever is served so
            few may not understand much.
        mark_truncated: whether answers that were left out set TC. False hides the loss: the client then takes the
            shorter list for the whole one.
        compress: False spells out every name.
        recompress: names of templates with owners of their own are compressed against each other; it takes much longer.

    Raises:
        EncodeError: `max_bytes` is too small for the question, or `rcode` above 15 has no OPT to carry it.
    """
    if not UDP_BYTES_MIN <= max_bytes <= MESSAGE_BYTES_MAX:
        raise EncodeError(f"max_bytes: {max_bytes} is not between {UDP_BYTES_MIN} and {MESSAGE_BYTES_MAX}")
    opt = _opt_bytes(edns, rcode)
    section = question.section()
    start = HEADER_BYTES + len(section)
    if start > max_bytes - len(opt):
        raise EncodeError(f"reply: question and OPT alone are larger than {max_bytes} bytes")
    parts = fitting_parts(
        Parts(answers, authority, additional, start, len(question.raw_name)),
        max_bytes - len(opt),
        len(answers) if answers_max is None else answers_max,
        compress=compress,
    )
    flags = reply_flags(
        question.flags, rcode=rcode, authoritative=authoritative, recursion_available=recursion_available
    )
    if parts.lost and mark_truncated:
        flags |= TC
    counts = (parts.answers, parts.authorities, parts.additionals + bool(opt))
    reply = b"".join((_HEADER.pack(question.message_id, flags, 1, *counts), section, *parts.data, opt))
    return reply if compress and not recompress else parse_message(reply).encode(max_bytes, compress=compress)


def encode_error(header: Header, rcode: int) -> bytes:
    """A reply of a header alone: for messages whose question could not be read (`FormatError.header`)."""
    flags = reply_flags(header.flags(), rcode=rcode)
    return _HEADER.pack(header.message_id, flags, 0, 0, 0, 0)


def _without_owner(rdata: Rdata, ttl: int) -> bytes:
    if type(rdata) is A or type(rdata) is AAAA:  # most of what is ever answered, so without a writer
        if not 0 <= ttl <= TTL_MAX:
            raise EncodeError(f"record ttl: {ttl} is not between 0 and {TTL_MAX}")
        return _FIXED.pack(rdata.rtype, RRClass.IN, ttl, len(rdata.address)) + rdata.address
    writer = Writer(compress=False)
    write_record(writer, Record(ROOT, ttl, rdata, RRClass.IN))
    return bytes(writer.data[_ROOT_OWNER_BYTES:])


def _opt_bytes(edns: Opt | None, rcode: int) -> bytes:
    extended = rcode >> 4
    if edns is None:
        if extended:
            raise EncodeError(f"rcode: {rcode} needs an OPT record")
        return b""
    if extended != edns.extended_rcode:
        edns = msgspec.structs.replace(edns, extended_rcode=extended)
    return edns.to_wire()
