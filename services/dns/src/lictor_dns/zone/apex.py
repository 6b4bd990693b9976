"""What stands at the top of the zone: SOA and NS (Consul's DNS interface, "SOA and NS").

They are answered for every name below the domain, as Consul does, and belong to the domain itself.
"""

import re
from typing import Final

from lictor_dns.zone.addresses import address, node_name
from lictor_dns.zone.compilation import Compilation
from lictor_dns.zone.instances import NODE_LABEL
from lictor_dns.zone.record_set import RecordSet
from lictor_dns.zone.services import note_service
from lictor_dnswire import NS, SOA, Name, Record, RecordGroup, RRType, owned_template, record_bytes, record_group
from lictor_state.queries import health

SERVICE_CONSUL: Final = "consul"
NAME_SERVERS_MAX: Final = 3
_UNFIT: Final = re.compile(r"[^A-Za-z0-9-]")
"""A server whose name has such a character is not named: resolvers refuse it as a host name (RFC 952)."""


def soa_rdata(work: Compilation) -> SOA:
    """The SOA; its serial is the store index modulo 2**32."""
    domain, times = work.asked.domain, work.settings.soa
    mname, rname = Name((b"ns", *domain.labels)), Name((b"hostmaster", *domain.labels))
    serial = work.store.index % 2**32
    return SOA(mname, rname, serial, times.refresh_s, times.retry_s, times.expire_s, times.minimum_s)


def apex_set(work: Compilation) -> RecordSet:
    """The SOA with the name servers beside it, or the name servers, each with its address."""
    qtype = work.asked.qtype
    if qtype not in {RRType.SOA, RRType.NS, RRType.ANY}:
        return RecordSet()
    servers, glue = _name_servers(work)
    first = (owned_template(Record(work.asked.domain, work.settings.soa.minimum_s, soa_rdata(work))),)
    if qtype == RRType.SOA:
        return RecordSet(
            first, authority=tuple(map(record_bytes, servers)), additional=glue, recompress=True, kept=False
        )
    named = tuple(map(owned_template, servers))
    return RecordSet(first + named if qtype == RRType.ANY else named, additional=glue, recompress=True, kept=False)


def _name_servers(work: Compilation) -> tuple[list[Record], tuple[RecordGroup, ...]]:
    note_service(work, SERVICE_CONSUL, connect=False)
    domain, ttl = work.asked.domain, work.settings.node_ttl_s
    suffix = NODE_LABEL + Name((work.settings.datacenter.encode(), *domain.labels)).to_wire()
    found = health.service(work.store, SERVICE_CONSUL).value
    work.dice.shuffle(found)
    servers: list[Record] = []
    glue: list[RecordGroup] = []
    for one in found:
        wire = None if _UNFIT.search(one.node.node) else node_name(one.node.node.lower(), suffix)
        if wire is None:
            continue
        target = Name.from_wire(wire)
        servers.append(Record(domain, ttl, NS(target)))
        rdata = address(one.node.address)
        if rdata is not None:
            glue.append(record_group(target, (rdata,), ttl))
        if len(servers) == NAME_SERVERS_MAX:
            break
    return servers, tuple(glue)
