"""From a query's bytes to a reply's bytes (RFC 1035; EDNS: RFC 6891). Pure but for the dice it is given.

The hot path is one look-up in `ready_replies`, which keeps the replies to names from their first use until the zone
drops what they were made of. What does not depend on the view is decided first: malformed and foreign queries are
answered even before the view is complete; anything that could be untrue by then is SERVFAIL.
"""

import random
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from lictor_dns.client_query import ClientQuery, subnet_of
from lictor_dns.outcome import Outcome, Recurse
from lictor_dns.owner_name import (
    DomainLookup,
    Foreign,
    Lookup,
    QueryLookup,
    ReverseLookup,
    read_name,
    read_reverse_name,
)
from lictor_dns.passed_on import pass_on
from lictor_dns.ready_replies import ReadyReplies
from lictor_dns.replies import ReplySettings, completed, question_about, reply_of
from lictor_dns.zone import Asked, RecordSet, Zone
from lictor_dnswire import (
    FormatError,
    Name,
    Opt,
    Rcode,
    RRClass,
    RRType,
    encode_error,
    encode_reply,
    parse_question,
)

_TRANSFERS: Final = frozenset({int(RRType.AXFR), int(RRType.IXFR)})
_OF_THE_DOMAIN: Final = frozenset({int(RRType.SOA), int(RRType.NS)})
"""Types that are answered with the domain's own records, whatever name below it is asked."""

_CLASSES: Final = frozenset({int(RRClass.IN), int(RRClass.ANY)})


@dataclass(slots=True)
class Counts:
    """What has been answered anew, for metrics: replies by rcode."""

    by_rcode: dict[int, int] = field(default_factory=dict)


NEGATIVES_MAX, NEGATIVE_BYTES_MAX = 2_048, 2 * 1024 * 1024
"""Negative replies kept ready: the types that hot names lack, and the names that search lists make of them."""


class Responder:
    """Answers queries from a zone; `complete` False (no complete view yet) makes every answer of it SERVFAIL."""

    def __init__(self, settings: ReplySettings, zone: Zone, datacenter: str, dice: random.Random) -> None:
        self._settings, self._zone, self._dice = settings, zone, dice
        self._datacenter = datacenter.encode()
        self.complete = False
        self.counts = Counts()
        self.ready = ReadyReplies()
        self.negatives = ReadyReplies(NEGATIVES_MAX, NEGATIVE_BYTES_MAX)
        """Negative replies: their SOA has the index of the store, so all of them are true as long as that stands."""
        self._negatives_index = 0
        zone.on_drop.append(self.ready.drop)

    def forget(self) -> None:
        """Make every reply anew: those kept ready are sent without a look at `complete`."""
        self.ready.drop(None)
        self.negatives.drop(None)

    @property
    def found_ready(self) -> int:
        """Replies that had been made before."""
        return self.ready.found + self.negatives.found

    def ready_reply(self, data: bytes) -> bytes | None:
        """A reply to a datagram that was made before, and is still true."""
        ready = self.ready.find(data)
        if ready is None and self._negatives_index == self._zone.index:
            return self.negatives.find(data)
        return ready

    def answer_udp(self, data: bytes, client: bytes) -> Outcome:
        """What becomes of a datagram from a client, whose address is 4 or 16 bytes."""
        ready = self.ready_reply(data)
        return self._answer(data, client, udp=True) if ready is None else ready

    def answer_tcp(self, data: bytes, client: bytes) -> Outcome:
        """What becomes of a message on a stream from a client, whose address is 4 or 16 bytes."""
        return self._answer(data, client, udp=False)

    def _answer(self, data: bytes, client: bytes, *, udp: bool) -> Outcome:
        try:
            question = parse_question(data)
        except FormatError as error:
            if error.header is None:
                return None
            self._count(error.rcode)
            return encode_error(error.header, error.rcode)
        try:
            query = ClientQuery(data, question, client, udp, subnet_of(question))
        except FormatError:
            return self._refuse(ClientQuery(data, question, client, udp, None), Rcode.FORMERR)
        if question.edns is not None and question.edns.version:
            return self._refuse(query, Rcode.BADVERS)
        lookup, domain = self._meaning(query)
        if isinstance(lookup, Foreign):
            if self._recurses(query) and question.qtype not in _TRANSFERS:
                return pass_on(question, query.max_bytes, query.opt(), self._count)
            return self._refuse(query, Rcode.NOTIMP if question.qtype in _TRANSFERS else Rcode.REFUSED)
        if question.qtype in _TRANSFERS:
            return self._refuse(query, Rcode.NOTIMP, authoritative=True)
        if not self.complete:
            return self._refuse(query, Rcode.SERVFAIL)
        if question.qclass not in _CLASSES:
            return self._refuse(query, Rcode.REFUSED)
        return self._from_zone(query, lookup, domain)

    def _recurses(self, query: ClientQuery) -> bool:
        """Whether recursors are asked for this client."""
        settings = self._settings
        return settings.recursion and query.question.recursion_desired and query.client in settings.recursion_for

    def _meaning(self, query: ClientQuery) -> tuple[Lookup, Name]:
        """What the name asks for, and the domain of ours that it lies below."""
        question = query.question
        for domain in self._zone.domains:
            lookup = read_name(question.labels, domain.labels, self._datacenter, srv=question.qtype == RRType.SRV)
            if not isinstance(lookup, Foreign):
                return (DomainLookup() if question.qtype in _OF_THE_DOMAIN else lookup), domain
        return read_reverse_name(question.labels) or Foreign(), self._zone.domain

    def _from_zone(self, query: ClientQuery, lookup: Lookup, domain: Name) -> Outcome:
        question = query.question
        by_client = isinstance(lookup, QueryLookup)
        asked = Asked(question.qtype, domain, query.source if by_client else "")
        found = self._zone.find(lookup, asked)
        recursion = self._recurses(query)
        if not found.exists:
            if recursion and isinstance(lookup, ReverseLookup):
                return pass_on(question, query.max_bytes, query.opt(), self._count)
            return self._negative(query, lookup, found, Rcode.NXDOMAIN, domain)
        if not found.templates:
            return self._negative(query, lookup, found, Rcode.NOERROR, domain)
        opt = query.opt(for_subnet_only=by_client)
        self._count(Rcode.NOERROR)
        first = self._dice.randrange(found.turns)
        if recursion and found.outside is not None:
            way, turn = found.at(first)
            return self._with_recursors(query, way, turn, opt)
        # What recursors complete for one client is not kept for another without them.
        if not query.udp or not found.kept or (self._settings.recursion and found.outside is not None):
            return reply_of(query, found, self._settings, rcode=Rcode.NOERROR, turn=first, opt=opt)
        make = partial(_turned, query, found, self._settings, opt)
        return self.ready.keep(query.data, (self._zone.key(lookup, asked),), found.turns, first, make)

    def _with_recursors(self, query: ClientQuery, found: RecordSet, turn: int, opt: Opt | None) -> Outcome:
        """An answer that leads to a host outside the domain, with what recursors say about it."""
        question, settings = query.question, self._settings

        def finish(upstream: bytes | None) -> bytes:
            whole = completed(found, upstream, edns=question.edns is not None)
            return reply_of(query, whole, settings, rcode=Rcode.NOERROR, turn=turn, opt=opt)

        if found.outside is None:
            return finish(None)
        return Recurse(question_about(found.outside, question.qtype), finish)

    def _negative(self, query: ClientQuery, lookup: Lookup, found: RecordSet, rcode: int, domain: Name) -> bytes:
        """NXDOMAIN for a name that has nothing, NODATA for a type that it lacks (RFC 2308)."""
        self._count(rcode)
        ours = not isinstance(lookup, ReverseLookup) and self._settings.compress
        name_bytes = len(query.question.raw_name) if ours else 0
        authority = (self._zone.soa_record(domain, name_bytes),) if found.soa else ()
        reply = reply_of(query, found, self._settings, rcode=rcode, authority=authority, opt=query.opt())
        # What recursors complete for one client is not kept for another without them.
        if not query.udp or not found.kept or (self._settings.recursion and found.outside is not None):
            return reply
        if self._negatives_index != self._zone.index:
            self._negatives_index = self._zone.index
            self.negatives.drop(None)
        return self.negatives.keep(query.data, (), 1, 0, lambda _: reply)

    def _refuse(self, query: ClientQuery, rcode: int, *, authoritative: bool = False) -> bytes:
        self._count(rcode)
        return encode_reply(
            query.question,
            max_bytes=query.max_bytes,
            rcode=rcode,
            authoritative=authoritative,
            recursion_available=self._settings.recursion,
            edns=query.opt(),
        )

    def _count(self, rcode: int) -> None:
        self.counts.by_rcode[rcode] = self.counts.by_rcode.get(rcode, 0) + 1


def _turned(query: ClientQuery, found: RecordSet, settings: ReplySettings, opt: Opt | None, turn: int) -> bytes:
    return reply_of(query, found, settings, rcode=Rcode.NOERROR, turn=turn, opt=opt)
