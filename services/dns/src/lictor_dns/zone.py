"""The zone: what each owner name has, compiled from the view and kept until a row that it depends on changes. Pure.

Records are encoded once per owner name and type; a reply copies them. What a set depends on is one index row of the
state (`service.NAME`, `connect.NAME`: they move with every instance, check and node concerned) or a node's row, so a
change drops exactly the sets that it can have changed. Names that do not exist are not kept: a client that makes names
up cannot fill memory.
"""

import ipaddress
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lictor_dns.owner_name import AddressLookup, DomainLookup, NodeLookup, ServiceLookup
from lictor_dnswire import (
    AAAA,
    CNAME,
    NS,
    SOA,
    SRV,
    TXT,
    A,
    AnswerTemplate,
    Name,
    NameTextError,
    Rdata,
    Record,
    RRType,
    answer_template,
    record_bytes,
)
from lictor_state import Change, Store, Table
from lictor_state.queries import health
from lictor_state.queries.answer import Instance
from lictor_state.rows import NodeRow

SETS_MAX = 65_536
"""Compiled sets kept; beyond it all are dropped and compiled again as they are asked for."""

SERVICE_CONSUL = "consul"
NAME_SERVERS_MAX = 3
IPV4_BYTES = 4
SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S, SOA_MINIMUM_S = 3600, 600, 86_400, 0

Dependency = tuple[Table, str]


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """What the compiled records depend on beside the rows."""

    domain: str = "consul"
    datacenter: str = "dc1"
    node_ttl_s: int = 0
    service_ttl_s: int = 0
    only_passing: bool = True


@dataclass(frozen=True, slots=True)
class RecordSet:
    """What a name has of one type; not `exists`: nothing of any type. `soa` goes with an empty answer."""

    templates: tuple[AnswerTemplate, ...] = ()
    exists: bool = True
    soa: bool = True
    addresses: bool = False
    additional: tuple[bytes, ...] = ()


NOTHING = RecordSet(exists=False)
KeptLookup = ServiceLookup | NodeLookup


class Zone:
    """Answers lookups from a store; `load` and `reset` keep it true."""

    def __init__(self, settings: ZoneSettings, store: Callable[[], Store], dice: random.Random) -> None:
        self._settings, self._store, self._dice = settings, store, dice
        self._sets: dict[tuple[KeptLookup, int], RecordSet] = {}
        self._by_dependency: dict[Dependency, set[tuple[KeptLookup, int]]] = {}
        self.on_drop: list[Callable[[Dependency | None], None]] = []
        self._domain = Name.from_text(settings.domain + ".")

    # -- keeping true

    def load(self, changes: Sequence[Change]) -> None:
        """Drop what these changes can have changed."""
        for change in changes:
            if change.table in {Table.INDEXES, Table.NODES}:
                self._drop((change.table, change.key[0]))

    def reset(self) -> None:
        """Another store: drop everything."""
        self._sets.clear()
        self._by_dependency.clear()
        for listener in self.on_drop:
            listener(None)

    def _drop(self, dependency: Dependency) -> None:
        for key in self._by_dependency.pop(dependency, ()):
            self._sets.pop(key, None)
        for listener in self.on_drop:
            listener(dependency)

    # -- looking up

    def dependency(self, lookup: KeptLookup) -> Dependency:
        """The row whose change makes a lookup's sets untrue."""
        if isinstance(lookup, NodeLookup):
            return Table.NODES, lookup.name.lower()
        prefix = "connect." if lookup.connect else "service."
        return Table.INDEXES, prefix + lookup.name.lower()

    def find(self, lookup: KeptLookup, qtype: int) -> RecordSet:
        """What a service or a node has of a type."""
        key = (lookup, qtype)
        kept = self._sets.get(key)
        if kept is not None:
            return kept
        made = self._node(lookup, qtype) if isinstance(lookup, NodeLookup) else self._service(lookup, qtype)
        if made.exists:
            if len(self._sets) >= SETS_MAX:
                self.reset()
            self._sets[key] = made
            self._by_dependency.setdefault(self.dependency(lookup), set()).add(key)
        return made

    def address(self, lookup: AddressLookup, qtype: int) -> RecordSet:
        """An address that the name itself tells; of another type than asked for, it goes to the additional section."""
        rdata = _address_rdata(lookup.packed)
        if qtype in {rdata.rtype, RRType.ANY}:
            return RecordSet((answer_template(rdata, self._settings.node_ttl_s),))
        owner = Name((lookup.packed.hex().encode(), b"addr", *self._suffix()))
        return RecordSet(soa=False, additional=(record_bytes(Record(owner, self._settings.node_ttl_s, rdata)),))

    def domain(self, _lookup: DomainLookup, qtype: int) -> RecordSet:
        """The domain's own records: SOA and NS."""
        templates: list[AnswerTemplate] = []
        additional: list[bytes] = []
        if qtype in {RRType.SOA, RRType.ANY}:
            templates.append(answer_template(self._soa(), SOA_MINIMUM_S))
        if qtype in {RRType.NS, RRType.ANY}:
            for instance in health.service(self._store(), SERVICE_CONSUL).value[:NAME_SERVERS_MAX]:
                target = self._node_name(instance.node)
                if target is None:
                    continue
                templates.append(answer_template(NS(target), self._settings.node_ttl_s))
                additional += [
                    record_bytes(Record(target, self._settings.node_ttl_s, rdata))
                    for rdata in _rdata_of(instance.node.address)
                    if not isinstance(rdata, CNAME)
                ]
        return RecordSet(tuple(templates), additional=tuple(additional))

    def soa_record(self) -> bytes:
        """The SOA of negative answers (RFC 2308); its serial is the store index modulo 2**32."""
        return record_bytes(Record(self._domain, SOA_MINIMUM_S, self._soa()))

    def _soa(self) -> SOA:
        mname = Name((b"ns", *self._domain.labels))
        rname = Name((b"hostmaster", *self._domain.labels))
        serial = self._store().index % 2**32
        return SOA(mname, rname, serial, SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S, SOA_MINIMUM_S)

    # -- compiling

    def _service(self, lookup: ServiceLookup, qtype: int) -> RecordSet:
        query = health.connect if lookup.connect else health.service
        tags = (lookup.tag,) if lookup.tag else ()
        found = [one for one in query(self._store(), lookup.name, tags).value if self._usable(one)]
        if not found:
            return NOTHING
        self._dice.shuffle(found)
        if qtype == RRType.SRV:
            return RecordSet(self._srv(found))
        wanted = _families(qtype)
        hosts: dict[str, None] = {}
        templates: dict[bytes, AnswerTemplate] = {}
        for one in found:
            for rdata in _rdata_of(one.service.address or one.node.address):
                if isinstance(rdata, CNAME):
                    hosts[one.service.address or one.node.address] = None
                elif rdata.rtype in wanted:
                    templates[rdata.address] = answer_template(rdata, self._settings.service_ttl_s)
        if not templates and hosts and wanted:
            # A host name stands in only where no instance has an address, and then only one may (RFC 1034, CNAME).
            (alias,) = _rdata_of(next(iter(hosts)))
            return RecordSet((answer_template(alias, self._settings.service_ttl_s),))
        return RecordSet(tuple(templates.values()), addresses=True)

    def _usable(self, instance: Instance) -> bool:
        if self._settings.only_passing:
            return all(check.status == "passing" for check in instance.checks)
        return all(check.status != "critical" for check in instance.checks)

    def _srv(self, found: list[Instance]) -> tuple[AnswerTemplate, ...]:
        made: dict[tuple[str, str, int], AnswerTemplate] = {}
        for one in found:
            address = one.service.address
            key = (one.node.node if not address else "", address, one.service.port)
            if key in made:
                continue
            target = self._srv_target(one)
            if target is None:
                continue
            warning = any(check.status == "warning" for check in one.checks)
            weights = one.service.weights
            weight = weights.warning if warning else weights.passing
            rdata = SRV(1, weight, one.service.port, target)
            glue = [data for data in _rdata_of(address or one.node.address) if not isinstance(data, CNAME)]
            made[key] = answer_template(rdata, self._settings.service_ttl_s, glue)
        return tuple(made.values())

    def _srv_target(self, one: Instance) -> Name | None:
        """The node's name, or the address written into a name, or the host name that the service gave."""
        if not one.service.address:
            return self._node_name(one.node)
        packed = _packed(one.service.address)
        if packed is not None:
            return Name((packed.hex().encode(), b"addr", *self._suffix()))
        return _host(one.service.address)

    def _node(self, lookup: NodeLookup, qtype: int) -> RecordSet:
        node = self._store().node(lookup.name)
        if node is None:
            return NOTHING
        ttl = self._settings.node_ttl_s
        wanted = _families(qtype)
        templates = [
            answer_template(rdata, ttl)
            for rdata in _rdata_of(node.address)
            if rdata.rtype in wanted or (isinstance(rdata, CNAME) and (wanted or qtype == RRType.CNAME))
        ]
        if qtype in {RRType.TXT, RRType.ANY}:
            templates += [answer_template(_meta(key, value), ttl) for key, value in sorted(node.meta.items())]
        return RecordSet(tuple(templates), soa=False)

    def _node_name(self, node: NodeRow) -> Name | None:
        try:
            return Name.from_text(f"{node.node}.node.{self._settings.datacenter}.{self._settings.domain}.")
        except NameTextError:
            return None  # a node whose name DNS cannot carry is not reachable by it

    def _suffix(self) -> tuple[bytes, ...]:
        return (self._settings.datacenter.encode(), *self._domain.labels)


def _families(qtype: int) -> frozenset[int]:
    if qtype == RRType.ANY:
        return frozenset({RRType.A, RRType.AAAA})
    return frozenset({qtype}) if qtype in {RRType.A, RRType.AAAA} else frozenset()


def _packed(address: str) -> bytes | None:
    try:
        return ipaddress.ip_address(address).packed
    except ValueError:
        return None


def _address_rdata(packed: bytes) -> A | AAAA:
    return A(packed) if len(packed) == IPV4_BYTES else AAAA(packed)


def _host(text: str) -> Name | None:
    try:
        return Name.from_text(text.rstrip(".") + ".")
    except NameTextError:
        return None


def _rdata_of(address: str) -> list[A | AAAA | CNAME]:
    """The record that an address stands for: itself, or an alias to a host name; none for what DNS cannot carry."""
    packed = _packed(address)
    if packed is not None:
        return [_address_rdata(packed)]
    host = _host(address) if address else None
    return [CNAME(host)] if host is not None else []


def _meta(key: str, value: str) -> Rdata:
    """A node's meta pair (RFC 1464); a key that begins with `rfc1035-` gives the value as it stands."""
    return TXT.from_text(value if key.startswith("rfc1035-") else f"{key}={value}")
