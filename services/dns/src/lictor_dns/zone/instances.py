"""Instances as answers: addresses, SRV records with their targets, and host names that stand for others.

The same for services, proxies, gateways and what a prepared query finds (Consul's DNS interface, "Which instances" and
"SRV format"). Which instances they are is the caller's business, and so is their order.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, NamedTuple

from lictor_dns.zone.addresses import address, families, host, meta, node_name
from lictor_dns.zone.aliases import alias_set, behind, leads_to_itself
from lictor_dns.zone.compilation import Compilation
from lictor_dns.zone.record_set import RecordSet
from lictor_dnswire import (
    AAAA,
    A,
    AnswerTemplate,
    Name,
    Rdata,
    RecordGroup,
    RRType,
    answer_template,
    record_group,
    srv_template,
)
from lictor_state.queries.answer import Instance
from lictor_state.queries.usable import srv_weight
from lictor_state.rows import NodeRow

SRV_PRIORITY: Final = 1
PORT_MAX: Final = 65_535
WAYS_MAX: Final = 16
"""Host names of one service that take turns; more are left out, for each is followed at every change."""

NODE_LABEL: Final = b"\4node"


def instance_set(work: Compilation, found: Sequence[Instance], ttl: int, *, ordered: bool) -> RecordSet:
    """What instances have of the type asked for.

    Args:
        work: the compile.
        found: the instances, at least one, in the order of the answers.
        ttl: of all records, in seconds.
        ordered: the order means something, so answers do not take turns.
    """
    if work.asked.qtype == RRType.SRV:
        return _srv_set(work, found, ttl, ordered=ordered)
    wanted = families(work.asked.qtype)
    hosts: dict[str, None] = {}
    templates: dict[A | AAAA, AnswerTemplate] = {}
    for one in found:
        text = one.service.address or one.node.address
        rdata = address(text)
        if rdata is None and leads_to_itself(work, text):
            rdata = address(one.node.address)
        if rdata is None:
            hosts[text] = None
        elif rdata.rtype in wanted and rdata not in templates:
            templates[rdata] = answer_template(rdata, ttl)
    if templates or not hosts:
        turning = 0 if ordered else len(templates)
        return RecordSet(tuple(templates.values()), addresses=True, sampled=True, turning=turning)
    # Host names stand in only where no instance has an address, and only one in each answer (RFC 1034, CNAME).
    targets = list(filter(None, map(host, hosts)))[:WAYS_MAX]
    ways = tuple(alias_set(work, target, ttl, ttl_behind=ttl, sampled=True) for target in targets)
    if not ways:
        return RecordSet()
    if len(ways) == 1:
        return ways[0]
    return replace(ways[0], ways=ways, outside=next((way.outside for way in ways if way.outside is not None), None))


def _srv_set(work: Compilation, found: Sequence[Instance], ttl: int, *, ordered: bool) -> RecordSet:
    targets = _Targets(work, ttl)
    made: dict[tuple[int, int, bytes], AnswerTemplate] = {}
    for one in found:
        target = targets.of(one)
        if target is None:
            continue  # a name that DNS cannot carry leads nowhere
        port = min(one.service.port, PORT_MAX)
        key = (srv_weight(one), port, target.wire)
        if key not in made:  # an RRset has no record twice (RFC 2181, section 5)
            numbers = (SRV_PRIORITY, key[0], port)
            made[key] = srv_template(numbers, target.wire, ttl, target.addresses, extra=target.extra)
    templates = tuple(made.values())
    return RecordSet(
        templates,
        sampled=True,
        turning=0 if ordered else len(templates),
        outside=next(iter(targets.outside)) if len(targets.outside) == 1 else None,
        outside_ttl_s=ttl,
        in_additional=True,
    )


class _Target(NamedTuple):
    """Where an SRV record points: the name, its own records, and what else is told about it."""

    wire: bytes
    addresses: Sequence[Rdata] = ()
    extra: tuple[RecordGroup, ...] = ()


class _Targets:
    """The targets of one set."""

    def __init__(self, work: Compilation, ttl: int) -> None:
        self._work, self._ttl = work, ttl
        self._suffix = Name((work.settings.datacenter.encode(), *work.asked.domain.labels)).to_wire()
        self._metas: dict[str, tuple[RecordGroup, ...]] = {}
        self.outside: dict[Name, None] = {}
        """Host names that only recursors know."""

    def of(self, one: Instance) -> _Target | None:
        """A node's name where the node's address is used, an address written into a name, or a host name."""
        text = one.service.address
        rdata = address(text) if text else None
        extra = self._meta(one.node) if one.node.meta and self._work.settings.node_meta_txt else ()
        if rdata is not None:
            digits = rdata.address.hex().encode()
            return _Target(bytes((len(digits),)) + digits + b"\4addr" + self._suffix, (rdata,), extra)
        rdata = address(one.node.address)
        if rdata is not None and (not text or leads_to_itself(self._work, text)):
            wire = node_name(one.node.node, NODE_LABEL + self._suffix)
            return None if wire is None else _Target(wire, (rdata,), extra)
        name = host(text or one.node.address)
        return None if name is None else self._host(name, extra)

    def _host(self, name: Name, extra: tuple[RecordGroup, ...]) -> _Target:
        found = behind(self._work, name)
        if found.outside is not None:
            self.outside[found.outside] = None
        own = [record.rdata for record in found.records if record.name == name]
        further = groupby((one for one in found.records if one.name != name), key=lambda record: record.name)
        more = tuple(record_group(owner, [one.rdata for one in records], self._ttl) for owner, records in further)
        return _Target(name.to_wire(), own, (*more, *extra))

    def _meta(self, node: NodeRow) -> tuple[RecordGroup, ...]:
        made = self._metas.get(node.node)
        if made is None:
            wire = node_name(node.node, NODE_LABEL + self._suffix)
            made = () if wire is None else (record_group(Name.from_wire(wire), meta(node.meta), self._ttl),)
            self._metas[node.node] = made
        return made
