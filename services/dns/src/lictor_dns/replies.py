"""A record set as a reply: which answers, how many, in which order, with what beside them. Pure.

Limits follow Consul's DNS interface, "TTL, staleness, size": few answers over UDP without EDNS, `a_record_limit` for
addresses, 4,096 answers over TCP and 1,024 of them if they are SRV, five records behind an alias without EDNS. Of the
instances of a service any are a good answer, so leaving some out sets TC only where that is wished; of anything else
(a node's texts) TC says that something is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from lictor_dns.client_networks import PRIVATE, Networks
from lictor_dns.client_query import ClientQuery
from lictor_dns.zone import RecordSet
from lictor_dnswire import (
    AnswerTemplate,
    FormatError,
    Header,
    Message,
    Name,
    Opt,
    QuestionEntry,
    Record,
    RecordGroup,
    RRType,
    encode_reply,
    owned_template,
    parse_message,
    record_group,
)
from lictor_state.queries.usable import AnswerLimits

TCP_SRV_MAX: Final = 1_024
BEHIND_ALIAS_MAX: Final = 5
"""Records behind an alias for clients without EDNS."""

RECURSOR_PAYLOAD_BYTES: Final = 4_096
_LEADING: Final = frozenset({int(RRType.A), int(RRType.AAAA), int(RRType.CNAME)})


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """How replies are put together.

    Attributes:
        limits: how many answers.
        enable_truncate: TC tells that instances were left out.
        compress: names are compressed.
        recursion: RA; there are recursors.
        recursion_for: the clients who may have them asked.
    """

    limits: AnswerLimits = field(default_factory=AnswerLimits)
    enable_truncate: bool = False
    compress: bool = True
    recursion: bool = False
    recursion_for: Networks = field(default_factory=lambda: Networks.from_text(PRIVATE))


def reply_of(
    query: ClientQuery,
    found: RecordSet,
    settings: ReplySettings,
    *,
    rcode: int,
    turn: int = 0,
    authority: Sequence[bytes] = (),
    opt: Opt | None,
) -> bytes:
    """The reply that a set makes.

    Args:
        query: the client's.
        found: what the name has.
        settings: the responder's.
        rcode: the response code.
        turn: which of the answers comes first.
        authority: beside the set's own.
        opt: our OPT record.
    """
    found, turn = found.at(turn)
    answers = found.turned(turn)
    limits, count = settings.limits, len(answers)
    some = limits.of(count, addresses=found.addresses, plain_udp=False)
    if not query.udp and query.question.qtype == RRType.SRV:
        some = min(some, TCP_SRV_MAX)
    if found.alias and query.question.edns is None:
        some = min(some, 1 + BEHIND_ALIAS_MAX)
    few = limits.of(some, addresses=found.addresses, plain_udp=found.sampled and query.is_plain_udp)
    return encode_reply(
        query.question,
        answers if some == count else answers[:some],
        max_bytes=query.max_bytes,
        rcode=rcode,
        recursion_available=settings.recursion,
        authority=(*found.authority, *authority),
        additional=found.additional,
        edns=opt,
        answers_max=few,
        mark_truncated=settings.enable_truncate or not found.sampled,
        compress=settings.compress,
        recompress=found.recompress,
    )


def question_about(host: Name, qtype: int) -> bytes:
    """What recursors are asked about a host outside the domain: the addresses that the client wants, or IPv4's."""
    entry = QuestionEntry(host, qtype if qtype == RRType.AAAA else RRType.A)
    return Message(Header(recursion_desired=True), (entry,), edns=Opt(RECURSOR_PAYLOAD_BYTES)).encode()


def completed(found: RecordSet, upstream: bytes | None, *, edns: bool) -> RecordSet:
    """The set with what recursors say about the host that it leads to; unchanged if they say nothing."""
    records = _records(upstream, found.outside_ttl_s)
    if not edns:
        records = records[:BEHIND_ALIAS_MAX]
    if not records:
        return found
    templates: tuple[AnswerTemplate, ...] = found.templates
    additional: tuple[RecordGroup, ...] = found.additional
    if found.in_additional:
        by_name = groupby(records, key=lambda record: record.name)
        groups = ((owner, list(group)) for owner, group in by_name)
        additional = (
            *additional,
            *(record_group(owner, [one.rdata for one in group], group[0].ttl) for owner, group in groups),
        )
    else:
        templates = (*templates, *map(owned_template, records))
    return RecordSet(
        templates,
        soa=found.soa,
        sampled=found.sampled,
        alias=found.alias,
        recompress=True,
        additional=additional,
        authority=found.authority,
    )


def _records(upstream: bytes | None, ttl: int | None) -> list[Record]:
    if upstream is None:
        return []
    try:
        answers = parse_message(upstream).answers
    except FormatError:  # a recursor's fault, and the alias itself is still true
        return []
    return [
        Record(record.name, record.ttl if ttl is None else ttl, record.rdata)
        for record in answers
        if record.rtype in _LEADING
    ]
