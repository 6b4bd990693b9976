"""What a reply holds when not everything fits (Consul's DNS interface, "TTL, staleness, size"; RFC 2181, section 9).

1. Answers beyond a number given are left out.
2. Answers are left out from the end until the rest fits together with the addresses of its SRV targets: an instance
   that a client can reach at once is worth more than a longer list. One answer stays even where its addresses do not.
3. Authority and what else belongs to the additional section have what room is left: none of it when answers were left
   out; else authority record by record, then the extras of the answers all or none, then groups while they fit.

Sizes count with the compression that the reply has, or without any where the client is served a given number only, or
where names are spelt out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lictor_dnswire.writer import POINTER_BASE, POINTER_REACH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lictor_dnswire.answer_template import AnswerTemplate, RecordGroup

_SRV_TARGET_OFFSET: Final = 2 + 10 + 6
"""Where an SRV record's target starts: pointer, then type, class, TTL and length, then three numbers."""

_POINTER_BYTES: Final = 2
_POINTER_BITS: Final = POINTER_BASE >> 8


class Parts(NamedTuple):
    """What a reply would hold: `start` is the size of header and question, `name_bytes` that of the name asked for."""

    answers: Sequence[AnswerTemplate]
    authority: Sequence[bytes]
    additional: Sequence[RecordGroup]
    start: int
    name_bytes: int


class Fitting(NamedTuple):
    """What it holds: the bytes, the counts of the sections, and whether something that was asked for is missing."""

    data: list[bytes]
    answers: int
    authorities: int
    additionals: int
    lost: bool


def fitting_parts(parts: Parts, limit: int, answers_max: int, *, compress: bool) -> Fitting:
    """What of the parts fits into a message of `limit` bytes that has at most so many answers."""
    capped = answers_max < len(parts.answers)
    plain = capped or not compress
    chosen = parts.answers[:answers_max] if capped else parts.answers
    kept, size, with_targets = _fitting_answers(chosen, parts, limit, plain=plain)
    lost = kept < len(parts.answers)
    if kept < len(chosen):
        chosen = chosen[:kept]
    data = [template.record for template in chosen]
    authorities = 0
    if not lost:
        for record in parts.authority:
            if size + len(record) > limit:
                lost = not chosen  # then they are the answer: the SOA of a negative one
                break
            size += len(record)
            data.append(record)
            authorities += 1
    if not with_targets:
        return Fitting(data, kept, authorities, 0, lost)
    complete = not lost and authorities == len(parts.authority)
    extras = complete and size + _size_of_extras(chosen, parts.name_bytes, plain=plain) <= limit
    additionals = _add_targets(data, chosen, parts.start, extras=extras)
    if extras:
        size += _size_of_extras(chosen, parts.name_bytes, plain=plain)
        for group in parts.additional:
            size += _size_of_group(group, parts.name_bytes, plain=plain)
            if size > limit:
                break
            data.append(group.data)
            additionals += group.count
    return Fitting(data, kept, authorities, additionals, lost)


def _fitting_answers(
    answers: Sequence[AnswerTemplate], parts: Parts, limit: int, *, plain: bool
) -> tuple[int, int, bool]:
    """How many answers fit with their targets' addresses, the size with them, and whether the addresses are counted."""
    size = at = parts.start
    owner_bytes = parts.name_bytes - _POINTER_BYTES if plain else 0
    seen: set[bytes] = set()
    for index, template in enumerate(answers):
        record = template.record
        more = len(record)
        if owner_bytes and record[0] >= _POINTER_BITS:
            more += owner_bytes
        target = template.target
        if target and target not in seen:
            seen.add(target)
            pointed = not plain and at + _SRV_TARGET_OFFSET <= POINTER_REACH
            owner = _POINTER_BYTES if pointed else len(target)
            more += sum(map(len, template.additional)) + owner * len(template.additional)
        if size + more > limit:
            if not index and size + len(record) + owner_bytes <= limit:
                return 1, size + len(record) + owner_bytes, False
            return index, size, True
        size += more
        at += len(record)
    return len(answers), size, True


def _size_of_group(group: RecordGroup, name_bytes: int, *, plain: bool) -> int:
    return len(group.data) + (group.pointers * (name_bytes - _POINTER_BYTES) if plain else 0)


def _size_of_extras(answers: Sequence[AnswerTemplate], name_bytes: int, *, plain: bool) -> int:
    extras = {template.extra.data: template.extra for template in answers if template.extra is not None}
    return sum(_size_of_group(extra, name_bytes, plain=plain) for extra in extras.values()) if extras else 0


def _add_targets(data: list[bytes], answers: Sequence[AnswerTemplate], start: int, *, extras: bool) -> int:
    """Append the records of each distinct target, and each distinct extra behind it; how many records they are."""
    count = 0
    seen: set[bytes] = set()
    at = start
    for template in answers:
        target, extra = template.target, template.extra
        if target and target not in seen:
            seen.add(target)
            place = at + _SRV_TARGET_OFFSET
            owner = (POINTER_BASE | place).to_bytes(2, "big") if place <= POINTER_REACH else target
            data.extend([owner + record for record in template.additional])
            count += len(template.additional)
        if extras and extra is not None and extra.data not in seen:
            seen.add(extra.data)
            data.append(extra.data)
            count += extra.count
        at += len(template.record)
    return count
