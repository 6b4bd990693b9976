"""The zone: sets of records by lookup, kept until a row that they were made of changes. Pure.

Records are encoded once per owner name and type; a reply copies them. What a set depends on is noted while it is
compiled: index rows of the state (`service.NAME`, `connect.NAME`: they move with every instance, check and node
concerned), nodes, prepared queries, what gateways serve, virtual addresses, coordinates; so a change drops exactly the
sets that it can have changed. Names that do not exist are not kept: a client that makes names up cannot fill memory.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from lictor_dns.owner_name import (
    AddressLookup,
    DomainLookup,
    Lookup,
    NodeLookup,
    QueryLookup,
    ReverseLookup,
    ServiceLookup,
    VirtualLookup,
)
from lictor_dns.zone.addresses import node_name
from lictor_dns.zone.apex import apex_set, soa_rdata
from lictor_dns.zone.compilation import Asked, Compilation
from lictor_dns.zone.instances import NODE_LABEL
from lictor_dns.zone.nodes import node_set
from lictor_dns.zone.prepared import query_set
from lictor_dns.zone.record_set import NOTHING, Dependency, RecordSet
from lictor_dns.zone.reverse import ReverseIndex
from lictor_dns.zone.services import service_set
from lictor_dns.zone.settings import ZoneSettings
from lictor_dns.zone.virtual import address_set, virtual_set
from lictor_dnswire import PTR, SOA, Name, Record, RRType, answer_template, compressed_soa, record_bytes
from lictor_dnswire.codes import HEADER_BYTES
from lictor_state import Change, Store, Table
from lictor_state.prepared_query_rows import PreparedQueryRow

SETS_MAX = 65_536
"""Compiled sets kept; beyond it all are dropped and compiled again as they are asked for."""

_BY_FIRST_KEY: Final = frozenset({Table.INDEXES, Table.NODES, Table.VIRTUAL_IPS, Table.COORDINATES})
_KEPT: Final = (ServiceLookup, NodeLookup, QueryLookup, VirtualLookup)
SetKey = tuple[Lookup, int, tuple[bytes, ...]]
"""A set's identity: lookup, type, and the domain's labels. It names the set to those who keep what they made of it."""


class Zone:
    """Answers lookups from a store; `load` and `reset` keep it true."""

    def __init__(self, settings: ZoneSettings, store: Callable[[], Store], dice: random.Random) -> None:
        self._settings, self._store, self._dice = settings, store, dice
        self._sets: dict[SetKey, RecordSet] = {}
        self._by_dependency: dict[Dependency, set[SetKey]] = {}
        self._reverse = ReverseIndex()
        self._soa: tuple[int, Name, SOA] | None = None
        self.on_drop: list[Callable[[SetKey | None], None]] = []
        """Hear of every set that is dropped; None: of all."""
        names = [Name.from_text(text).lower() for text in (settings.domain, settings.alt_domain) if text]
        self.domains = tuple(sorted(names, key=lambda name: len(name.labels), reverse=True))
        """Ours, the longest first, so that one may lie below the other."""
        self.domain = names[0]
        """The first of them: reverse lookups answer with names below it."""

    @property
    def index(self) -> int:
        """The index of the store: what is answered now is true up to it."""
        return self._store().index

    # -- keeping true

    def load(self, changes: Sequence[Change]) -> None:
        """Drop what these changes can have changed."""
        known = self._by_dependency
        for change in changes:
            table, first = change.table, change.key[0]
            if table in _BY_FIRST_KEY:
                if (table, first) in known:
                    self._drop((table, first))
            elif table is Table.GATEWAY_SERVICES:
                self._drop((table, change.key[1]))
            elif table is Table.PREPARED_QUERIES:
                self._query_changed(change)
        self._reverse.load(changes)

    def reset(self) -> None:
        """Another store: drop everything."""
        self._reverse.reset()
        self._drop_all()

    def _drop_all(self) -> None:
        self._sets.clear()
        self._by_dependency.clear()
        for listener in self.on_drop:
            listener(None)

    def _query_changed(self, change: Change) -> None:
        """Drop what the query was asked by, and every name that may stand for it now."""
        self._drop((Table.PREPARED_QUERIES, change.key[0]))
        row = change.row
        if not isinstance(row, PreparedQueryRow):
            return
        name = row.definition.name.lower()
        self._drop((Table.PREPARED_QUERIES, name))
        if row.definition.template.type:
            asked = [one for table, one in self._by_dependency if table is Table.PREPARED_QUERIES]
            for one in asked:
                if one.startswith(name):
                    self._drop((Table.PREPARED_QUERIES, one))

    def _drop(self, dependency: Dependency) -> None:
        keys = self._by_dependency.pop(dependency, None)
        if keys is None:
            return
        for key in keys:
            found = self._sets.pop(key)
            for other in found.dependencies:
                if other != dependency:
                    self._forget(other, key)
            for listener in self.on_drop:
                listener(key)

    def _forget(self, dependency: Dependency, key: SetKey) -> None:
        keys = self._by_dependency[dependency]
        keys.discard(key)
        if not keys:
            del self._by_dependency[dependency]

    # -- looking up

    def key(self, lookup: Lookup, asked: Asked) -> SetKey:
        """How `on_drop` names a set."""
        return lookup, asked.qtype, asked.domain.labels

    def find(self, lookup: Lookup, asked: Asked) -> RecordSet:
        """What a lookup has of the type asked for."""
        key = self.key(lookup, asked)
        kept = self._sets.get(key)
        if kept is not None:
            return kept
        work = Compilation(self._store(), self._settings, self.domains, self._dice, self._compile, lookup, asked)
        made = self._compile(work)
        made = replace(made, dependencies=tuple(work.read), kept=work.kept and made.kept and isinstance(lookup, _KEPT))
        if made.exists and made.kept:
            if len(self._sets) >= SETS_MAX:
                self._drop_all()
            self._sets[key] = made
            for dependency in made.dependencies:
                self._by_dependency.setdefault(dependency, set()).add(key)
        return made

    def soa_record(self, domain: Name, name_bytes: int) -> bytes:
        """The SOA of negative answers (RFC 2308).

        Args:
            domain: one of ours.
            name_bytes: the size of the name asked for, which lies below the domain; 0: it does not.
        """
        index = self.index
        made = self._soa
        if made is None or made[0] != index or made[1] is not domain:
            asked = Asked(RRType.SOA, domain)
            work = Compilation(
                self._store(), self._settings, self.domains, self._dice, self._compile, DomainLookup(), asked
            )
            made = self._soa = (index, domain, soa_rdata(work))
        minimum_s = self._settings.soa.minimum_s
        if not name_bytes:
            return record_bytes(Record(domain, minimum_s, made[2]))
        return compressed_soa(made[2], minimum_s, HEADER_BYTES + name_bytes - domain.wire_bytes())

    def _compile(self, work: Compilation) -> RecordSet:
        lookup = work.lookup
        if isinstance(lookup, ServiceLookup):
            return service_set(work, lookup)
        if isinstance(lookup, NodeLookup):
            return node_set(work, lookup)
        if isinstance(lookup, QueryLookup):
            return query_set(work, lookup)
        if isinstance(lookup, VirtualLookup):
            return virtual_set(work, lookup)
        if isinstance(lookup, AddressLookup):
            return address_set(work, lookup)
        if isinstance(lookup, ReverseLookup):
            return self._reverse_set(work, lookup)
        if isinstance(lookup, DomainLookup):
            return apex_set(work)
        return NOTHING

    def _reverse_set(self, work: Compilation, lookup: ReverseLookup) -> RecordSet:
        """The name of who has an address, for whatever type is asked, as in Consul."""
        if lookup.packed is None:
            return NOTHING
        suffix = Name((self._settings.datacenter.encode(), *self.domain.labels)).to_wire()
        node = self._reverse.node(work.store, lookup.packed)
        wire = node_name(node.node, NODE_LABEL + suffix) if node is not None else None
        if wire is None:
            service = self._reverse.service(work.store, lookup.packed)
            wire = node_name(service.name, b"\7service" + suffix) if service is not None else None
        if wire is None:
            return NOTHING
        soa_too = (self.soa_record(self.domain, 0),) if work.asked.qtype == RRType.SOA else ()
        return RecordSet((answer_template(PTR(Name.from_wire(wire)), 0),), authority=soa_too)
