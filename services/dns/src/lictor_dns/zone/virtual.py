"""Addresses that stand in names, and virtual addresses of the services of the mesh."""

from lictor_dns.owner_name import AddressLookup, VirtualLookup
from lictor_dns.zone.addresses import address, of_packed
from lictor_dns.zone.compilation import Compilation
from lictor_dns.zone.record_set import RecordSet
from lictor_dnswire import RRType, answer_template, record_group
from lictor_state import Table
from lictor_state.virtual_ips import address_of


def address_set(work: Compilation, lookup: AddressLookup) -> RecordSet:
    """An address that the name itself tells; of another type than asked for, it goes to the additional section."""
    rdata = of_packed(lookup.packed)
    ttl = work.settings.node_ttl_s
    if work.asked.qtype in {rdata.rtype, RRType.ANY}:
        return RecordSet((answer_template(rdata, ttl),), soa=False)
    return RecordSet(soa=False, additional=(record_group(None, (rdata,), ttl),))


def virtual_set(work: Compilation, lookup: VirtualLookup) -> RecordSet:
    """A service's virtual address, for whatever type is asked, as in Consul; peers have none here."""
    name = lookup.name.lower()
    work.note(Table.VIRTUAL_IPS, name)
    row = None if lookup.peer else work.store.virtual_ip(name)
    rdata = None if row is None else address(address_of(row))
    if rdata is None:
        return RecordSet(soa=False)
    return RecordSet((answer_template(rdata, work.settings.node_ttl_s),), soa=False)
