"""Nodes: their addresses, and their meta as texts."""

from dataclasses import replace
from typing import Final

from lictor_dns.owner_name import NodeLookup
from lictor_dns.zone.addresses import address, host, meta
from lictor_dns.zone.aliases import alias_set
from lictor_dns.zone.compilation import Compilation
from lictor_dns.zone.record_set import NOTHING, RecordSet
from lictor_dnswire import RRType, answer_template, record_group
from lictor_state import Table

_ADDRESS_TYPES: Final = frozenset({int(RRType.A), int(RRType.AAAA), int(RRType.ANY)})
_META_TYPES: Final = frozenset({int(RRType.TXT), int(RRType.ANY)})


def node_set(work: Compilation, lookup: NodeLookup) -> RecordSet:
    """A node's address, or the host name that it gave for one; its meta beside it, or as the answer if it is asked for.

    A type that a node does not have is answered without SOA, as in Consul.
    """
    work.note(Table.NODES, lookup.name.lower())
    node = work.store.node(lookup.name)
    if node is None:
        return NOTHING
    qtype, ttl = work.asked.qtype, work.settings.node_ttl_s
    found = RecordSet(soa=False)
    rdata = address(node.address)
    if qtype in _ADDRESS_TYPES:
        target = host(node.address) if rdata is None else None
        if target is not None:
            found = alias_set(work, target, ttl, ttl_behind=None, sampled=False)
        elif rdata is not None and qtype in {rdata.rtype, RRType.ANY}:
            found = RecordSet((answer_template(rdata, ttl),), soa=False)
    if not node.meta:
        return found
    if qtype in _META_TYPES:
        texts = [answer_template(text, ttl) for text in meta(node.meta)]
        return replace(found, templates=(*found.templates, *texts), turning=0)
    if qtype in _ADDRESS_TYPES and work.settings.node_meta_txt:
        return replace(found, additional=(record_group(None, meta(node.meta), ttl),))
    return found
