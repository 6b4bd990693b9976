"""Host names instead of addresses: what stands behind them within the domain, and what recursors must say.

A name within the domain is resolved here, up to `LEVELS_MAX` names deep. What lies outside is `RecordSet.outside`.
"""

from dataclasses import dataclass
from typing import Final

from lictor_dns.owner_name import Foreign
from lictor_dns.zone.addresses import host
from lictor_dns.zone.compilation import Compilation
from lictor_dns.zone.record_set import RecordSet
from lictor_dnswire import (
    CNAME,
    MESSAGE_BYTES_MAX,
    Name,
    Question,
    Record,
    RRClass,
    RRType,
    answer_template,
    encode_reply,
    owned_template,
    parse_message,
)

_LEADING: Final = frozenset({int(RRType.A), int(RRType.AAAA), int(RRType.CNAME)})


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind a host name: records, how many of the last take turns, and a host that recursors know."""

    records: tuple[Record, ...] = ()
    turning: int = 0
    outside: Name | None = None


def leads_to_itself(work: Compilation, text: str) -> bool:
    """Whether a host name means what is being compiled: then the node's address stands in."""
    name = host(text)
    return name is not None and work.meaning(name) == work.lookup


def behind(work: Compilation, name: Name) -> Behind:
    """What stands behind a host name."""
    lookup = work.meaning(name)
    if isinstance(lookup, Foreign):
        return Behind(outside=name)
    if work.level < 1:
        return Behind()
    found = work.followed(lookup, RRType.ANY)
    question = Question(0, 0, name.to_wire(), (), RRType.ANY, RRClass.IN)
    reply = parse_message(encode_reply(question, found.templates, max_bytes=MESSAGE_BYTES_MAX))
    records = tuple(record for record in reply.answers if record.rtype in _LEADING)
    return Behind(records, min(found.turning, len(records)), found.outside)


def alias_set(work: Compilation, target: Name, ttl: int, *, ttl_behind: int | None, sampled: bool) -> RecordSet:
    """An alias and what stands behind it.

    Args:
        work: the compile.
        target: the host name.
        ttl: of the alias, in seconds.
        ttl_behind: of what stands behind it; None: as it is there.
        sampled: see `RecordSet`.
    """
    alias = CNAME(target)
    found = behind(work, target)
    records = [record for record in found.records if record.rdata != alias]  # a circle is not gone round twice
    templates = [
        owned_template(Record(record.name, record.ttl if ttl_behind is None else ttl_behind, record.rdata))
        for record in records
    ]
    return RecordSet(
        (answer_template(alias, ttl), *templates),
        sampled=sampled,
        alias=True,
        recompress=True,
        turning=min(found.turning, len(templates)),
        outside=found.outside,
        outside_ttl_s=ttl_behind,
    )
