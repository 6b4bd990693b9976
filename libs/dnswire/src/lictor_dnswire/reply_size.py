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

from lictor_dnswire.codes import HEADER_BYTES
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
    before = sum(map(len, data))
    additional = _Additional(parts, chosen, before, plain=plain)
    rest = not lost and authorities == len(parts.authority)
    extras = rest and any(template.extra for template in chosen)
    additional.add_targets(extras=extras)
    if extras and additional.size > limit:
        rest = False
        additional = _Additional(parts, chosen, before, plain=plain)
        additional.add_targets(extras=False)
    if rest:
        for group in parts.additional:
            if not additional.add_group(group, limit):
                break
    return Fitting(data + additional.data, kept, authorities, additional.count, lost)


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


class _Additional:
    """The additional section as it grows, with the places of the names that its owners can point at."""

    def __init__(self, parts: Parts, answers: Sequence[AnswerTemplate], before: int, *, plain: bool) -> None:
        self._answers, self._start, self._at = answers, parts.start, parts.start + before
        self._name_bytes, self._plain = parts.name_bytes, plain
        self._places: dict[bytes, int] = {}
        self._seen: set[tuple[bytes, tuple[bytes, ...]]] = set()
        pointers = sum(template.record[0] >= _POINTER_BITS for template in answers) if plain else 0
        self.size = self._at + pointers * (parts.name_bytes - _POINTER_BYTES)
        """Of the whole message but for OPT, as it is counted."""
        self.data: list[bytes] = []
        self.count = 0

    def add_targets(self, *, extras: bool) -> None:
        """The records of each distinct target, and each distinct extra behind it."""
        at = self._start
        for template in self._answers:
            target = template.target
            if target and target not in self._places:
                self._places[target] = at + _SRV_TARGET_OFFSET
                self._add(target, template.additional)
            if extras:
                for group in template.extra:
                    self.add_group(group)
            at += len(template.record)

    def add_group(self, group: RecordGroup, limit: int | None = None) -> bool:
        """A group, unless it is there already; False, and not there, if it would exceed the limit."""
        key = (group.owner, group.records)
        if key in self._seen:
            return True
        if limit is not None and self.size + self._size_of(group.owner, group.records) > limit:
            return False
        self._seen.add(key)
        self._add(group.owner, group.records)
        return True

    def _size_of(self, owner: bytes, records: tuple[bytes, ...]) -> int:
        """What records take, counted as sizes count here."""
        size, count = sum(map(len, records)), len(records)
        if self._plain:
            return size + (len(owner) or self._name_bytes) * count
        if not owner or self._places.get(owner, POINTER_REACH + 1) <= POINTER_REACH:
            return size + _POINTER_BYTES * count
        further = _POINTER_BYTES if self._at <= POINTER_REACH else len(owner)
        return size + len(owner) + further * (count - 1)

    def _add(self, owner: bytes, records: tuple[bytes, ...]) -> None:
        self.size += self._size_of(owner, records)
        for record in records:
            place = self._places.get(owner, POINTER_REACH + 1) if owner else HEADER_BYTES
            if place <= POINTER_REACH:
                spelt = (POINTER_BASE | place).to_bytes(_POINTER_BYTES, "big")
            else:
                spelt = owner
                self._places[owner] = self._at
            self.data.append(spelt + record)
            self._at += len(spelt) + len(record)
        self.count += len(records)
