"""From a query's bytes to a reply's bytes (RFC 1035; EDNS: RFC 6891). Pure but for the dice it is given.

The hot path is one look-up in `ready_replies`, which keeps the replies to services and nodes from their first use until
the zone drops what they were made of.
"""

import random
from dataclasses import dataclass, field

from lictor_dns.outcome import Outcome
from lictor_dns.owner_name import (
    AddressLookup,
    DomainLookup,
    Foreign,
    Lookup,
    NodeLookup,
    ServiceLookup,
    Unknown,
    read_name,
)
from lictor_dns.passed_on import pass_on
from lictor_dns.ready_replies import ReadyReplies
from lictor_dns.zone import NOTHING, RecordSet, Zone
from lictor_dnswire import (
    MESSAGE_BYTES_MAX,
    UDP_BYTES_MIN,
    FormatError,
    Opt,
    Question,
    Rcode,
    RRClass,
    RRType,
    encode_error,
    encode_reply,
    parse_question,
)

UDP_BYTES_MAX = 65_467
"""The largest UDP reply, as Consul's: 65,535 less headers and a margin."""

TCP_ANSWERS_MAX = 4_096


@dataclass(frozen=True, slots=True)
class ResponderSettings:
    """What replies depend on beside the zone."""

    domain: tuple[bytes, ...]
    datacenter: bytes
    udp_answer_limit: int = 3
    a_record_limit: int = 0
    recursion: bool = False


@dataclass(slots=True)
class Counts:
    """What has been answered, for metrics: replies by rcode, and how many came from the ready ones."""

    ready: int = 0
    by_rcode: dict[int, int] = field(default_factory=dict)


class Responder:
    """Answers queries from a zone; `complete` False (no complete view yet) makes every answer SERVFAIL."""

    def __init__(self, settings: ResponderSettings, zone: Zone, dice: random.Random) -> None:
        self._settings, self._zone, self._dice = settings, zone, dice
        self.complete = False
        self.counts = Counts()
        self.ready = ReadyReplies()
        zone.on_drop.append(self.ready.drop)

    def answer_udp(self, data: bytes, client: bytes) -> Outcome:
        """What becomes of a datagram from a client, whose address is 4 or 16 bytes."""
        ready = self.ready.find(data)
        if ready is None:
            return self._answer(data, client, udp=True)
        self.counts.ready += 1
        return ready

    def answer_tcp(self, data: bytes, client: bytes) -> Outcome:
        """What becomes of a message on a stream from a client, whose address is 4 or 16 bytes."""
        return self._answer(data, client, udp=False)

    def _answer(self, data: bytes, _client: bytes, *, udp: bool) -> Outcome:
        try:
            question = parse_question(data)
        except FormatError as error:
            if error.header is None:
                return None
            self._count(error.rcode)
            return encode_error(error.header, error.rcode)
        edns = Opt(payload_bytes=UDP_BYTES_MAX) if question.edns is not None else None
        max_bytes = min(question.udp_bytes, UDP_BYTES_MAX) if udp else MESSAGE_BYTES_MAX
        if question.edns is not None and question.edns.version:
            return self._refuse(question, Rcode.BADVERS, max_bytes, edns)
        if question.qtype in {RRType.AXFR, RRType.IXFR}:
            return self._refuse(question, Rcode.NOTIMP, max_bytes, edns)
        lookup = read_name(question.labels, self._settings.domain, self._settings.datacenter)
        if isinstance(lookup, Foreign) and self._settings.recursion and question.recursion_desired:
            return pass_on(question, max_bytes, edns, self._count)
        if not self.complete:
            return self._refuse(question, Rcode.SERVFAIL, max_bytes, edns)
        if isinstance(lookup, Foreign) or question.qclass not in {RRClass.IN, RRClass.ANY}:
            return self._refuse(question, Rcode.REFUSED, max_bytes, edns)
        found = self._find(lookup, question.qtype)
        if not found.templates:
            return self._negative(question, found, max_bytes, edns)
        return self._positive(data, question, lookup, found, max_bytes, edns, udp=udp)

    def _find(self, lookup: Lookup, qtype: int) -> RecordSet:
        if isinstance(lookup, ServiceLookup | NodeLookup):
            return self._zone.find(lookup, qtype)
        if isinstance(lookup, AddressLookup):
            return self._zone.address(lookup, qtype)
        if isinstance(lookup, DomainLookup):
            return self._zone.domain(lookup, qtype)
        assert isinstance(lookup, Unknown)
        return NOTHING

    def _positive(
        self,
        data: bytes,
        question: Question,
        lookup: Lookup,
        found: RecordSet,
        max_bytes: int,
        edns: Opt | None,
        *,
        udp: bool,
    ) -> bytes:
        self._count(Rcode.NOERROR)
        every = found.templates
        limit = len(every)
        if udp and max_bytes == UDP_BYTES_MIN:
            limit = min(limit, self._settings.udp_answer_limit)
        if found.addresses and self._settings.a_record_limit:
            limit = min(limit, self._settings.a_record_limit)
        limit = min(limit, TCP_ANSWERS_MAX)

        def reply(rotation: int) -> bytes:
            start = rotation % len(every)
            turned = (every[start:] + every[:start])[:limit]
            return encode_reply(
                question,
                turned,
                max_bytes=max_bytes,
                recursion_available=self._settings.recursion,
                edns=edns,
                additional=found.additional,
            )

        first = self._dice.randrange(len(every))
        if not udp or not isinstance(lookup, ServiceLookup | NodeLookup):
            return reply(first)
        return self.ready.keep(data, (self._zone.dependency(lookup),), len(every), first, reply)

    def _negative(self, question: Question, found: RecordSet, max_bytes: int, edns: Opt | None) -> bytes:
        """NXDOMAIN for a name that has nothing, NODATA for a type that it lacks (RFC 2308)."""
        rcode = Rcode.NOERROR if found.exists else Rcode.NXDOMAIN
        self._count(rcode)
        authority = [self._zone.soa_record()] if found.soa else []
        return encode_reply(
            question,
            max_bytes=max_bytes,
            rcode=rcode,
            recursion_available=self._settings.recursion,
            authority=authority,
            additional=found.additional,
            edns=edns,
        )

    def _refuse(self, question: Question, rcode: int, max_bytes: int, edns: Opt | None) -> bytes:
        self._count(rcode)
        available = self._settings.recursion
        return encode_reply(
            question, max_bytes=max_bytes, rcode=rcode, authoritative=False, recursion_available=available, edns=edns
        )

    def _count(self, rcode: int) -> None:
        self.counts.by_rcode[rcode] = self.counts.by_rcode.get(rcode, 0) + 1
