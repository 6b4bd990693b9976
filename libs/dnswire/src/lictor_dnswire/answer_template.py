"""The fast way out: replies put together from records that were encoded once.

Every answer's owner is the question's name, which stands at byte 12 of each reply; so a record can be encoded once,
with the pointer 0xC00C as its owner, and reused for every client and every spelling of the question. Rotating or
shuffling an answer is choosing another order of templates. An SRV template carries its target's address records
without their owner; in the reply their owner is a pointer to the target inside the SRV record.

Truncation follows the rule of `message`: additional, then authority, then answers.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import msgspec

from lictor_dnswire.codes import HEADER_BYTES, MESSAGE_BYTES_MAX, UDP_BYTES_MIN, Rcode, RRClass
from lictor_dnswire.errors import EncodeError
from lictor_dnswire.header import TC, Header, reply_flags
from lictor_dnswire.message import Record, write_record
from lictor_dnswire.name import ROOT
from lictor_dnswire.rdata import SRV, Opt, Rdata
from lictor_dnswire.writer import POINTER_BASE, POINTER_REACH, Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lictor_dnswire.question import Question

_HEADER: Final = struct.Struct(">6H")
_POINTER: Final = struct.Struct(">H")
_QUESTION_POINTER: Final = _POINTER.pack(POINTER_BASE | HEADER_BYTES)
_ROOT_OWNER_BYTES: Final = 1
_SRV_TARGET_OFFSET: Final = 2 + 10 + 6
"""Where an SRV record's target starts: pointer, then type, class, TTL and length, then three numbers."""


class AnswerTemplate(msgspec.Struct, frozen=True, gc=False):
    """One answer, ready to be copied into replies.

    Attributes:
        record: the whole record, owned by the name that was asked for.
        target: the wire name of an SRV target with addresses, else empty.
        additional: records of the target without their owner name.
    """

    record: bytes
    target: bytes = b""
    additional: tuple[bytes, ...] = ()


def answer_template(rdata: Rdata, ttl: int, target_rdata: Sequence[Rdata] = ()) -> AnswerTemplate:
    """Encode an answer once.

    Args:
        rdata: the answer's data.
        ttl: in seconds, for the answer and its target's records.
        target_rdata: data of the records (A, AAAA) that an SRV's target has; they go to the additional section.

    Raises:
        EncodeError: a value has no wire form, or addresses are given for something other than an SRV.
    """
    if target_rdata and not isinstance(rdata, SRV):
        raise EncodeError("target_rdata: only an SRV has a target")
    record = _QUESTION_POINTER + _without_owner(rdata, ttl)
    if not isinstance(rdata, SRV) or not target_rdata:
        return AnswerTemplate(record)
    return AnswerTemplate(record, rdata.target.to_wire(), tuple(_without_owner(data, ttl) for data in target_rdata))


def record_bytes(record: Record) -> bytes:
    """A record with an owner of its own, uncompressed: for the authority and additional sections of many replies."""
    writer = Writer(compress=False)
    write_record(writer, record)
    return bytes(writer.data)


def encode_reply(
    question: Question,
    answers: Sequence[AnswerTemplate] = (),
    *,
    max_bytes: int,
    rcode: int = Rcode.NOERROR,
    authoritative: bool = True,
    recursion_available: bool = False,
    authority: Sequence[bytes] = (),
    additional: Sequence[bytes] = (),
    edns: Opt | None = None,
    mark_truncated: bool = True,
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
        additional: records from `record_bytes`, after those of the answers' targets.
        edns: our OPT record, given exactly when the client sent one.
        mark_truncated: whether answers that did not fit set TC. False hides the loss: the client then takes the
            shorter list for the whole one.

    Raises:
        EncodeError: `max_bytes` is too small for the question, or `rcode` above 15 has no OPT to carry it.
    """
    if not UDP_BYTES_MIN <= max_bytes <= MESSAGE_BYTES_MAX:
        raise EncodeError(f"max_bytes: {max_bytes} is not between {UDP_BYTES_MIN} and {MESSAGE_BYTES_MAX}")
    opt = _opt_bytes(edns, rcode)
    section = question.section()
    start = HEADER_BYTES + len(section)
    limit = max_bytes - len(opt)
    if start > limit:
        raise EncodeError(f"reply: question and OPT alone are larger than {max_bytes} bytes")

    flags = reply_flags(
        question.flags, rcode=rcode, authoritative=authoritative, recursion_available=recursion_available
    )
    parts = [template.record for template in answers]
    kept, size = _fitting(parts, start, limit)
    authorities = additionals = 0
    if kept < len(parts):
        del parts[kept:]
        if mark_truncated:
            flags |= TC
    else:
        authorities, size = _fitting(authority, size, limit)
        parts.extend(authority[:authorities])
        if authorities < len(authority):
            if not answers and mark_truncated:
                flags |= TC
        else:
            more = _target_groups(answers, start)
            more.extend((record, 1) for record in additional)
            for data, count in more:
                size += len(data)
                if size > limit:
                    break
                parts.append(data)
                additionals += count
    if opt:
        parts.append(opt)
        additionals += 1
    header = _HEADER.pack(question.message_id, flags, 1, kept, authorities, additionals)
    return b"".join((header, section, *parts))


def encode_error(header: Header, rcode: int) -> bytes:
    """A reply of a header alone: for messages whose question could not be read (`FormatError.header`)."""
    flags = reply_flags(header.flags(), rcode=rcode)
    return _HEADER.pack(header.message_id, flags, 0, 0, 0, 0)


def _without_owner(rdata: Rdata, ttl: int) -> bytes:
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


def _fitting(parts: Sequence[bytes], size: int, limit: int) -> tuple[int, int]:
    """How many of the parts fit behind `size` bytes, and the size with them."""
    for index, part in enumerate(parts):
        if size + len(part) > limit:
            return index, size
        size += len(part)
    return len(parts), size


def _target_groups(answers: Sequence[AnswerTemplate], start: int) -> list[tuple[bytes, int]]:
    """Per distinct target, its records as one piece (an RRset is not cut in two), and how many they are."""
    groups: list[tuple[bytes, int]] = []
    seen: set[bytes] = set()
    at = start
    for template in answers:
        if template.target and template.target not in seen:
            seen.add(template.target)
            place = at + _SRV_TARGET_OFFSET
            owner = _POINTER.pack(POINTER_BASE | place) if place <= POINTER_REACH else template.target
            groups.append((b"".join([owner + record for record in template.additional]), len(template.additional)))
        at += len(template.record)
    return groups
