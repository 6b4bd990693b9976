"""Services, proxies that lead to them, and ingress gateways that serve them: lookups to instances."""

from lictor_dns.zone.compilation import Compilation
from lictor_dns.zone.instances import instance_set
from lictor_dns.zone.record_set import NOTHING, RecordSet
from lictor_state import Table
from lictor_state import reported_indexes as reported
from lictor_state.queries import gateways, health
from lictor_state.queries.answer import Instance
from lictor_state.queries.dns_name import ServiceLookup
from lictor_state.queries.usable import is_usable


def service_set(work: Compilation, lookup: ServiceLookup) -> RecordSet:
    """What the usable instances have; nothing at all if there are none."""
    only_passing = work.settings.only_passing
    found = [one for one in _instances(work, lookup) if is_usable(one, only_passing=only_passing)]
    if not found:
        return NOTHING
    work.dice.shuffle(found)
    return instance_set(work, found, work.settings.service_ttls.of(lookup.name), ordered=False)


def note_service(work: Compilation, name: str, *, connect: bool) -> None:
    """A service's instances are read: its index row moves with all that they are made of."""
    lower = name.lower()
    work.note(Table.INDEXES, reported.of_destination(lower) if connect else reported.of_service(lower))


def _instances(work: Compilation, lookup: ServiceLookup) -> list[Instance]:
    name = lookup.name.lower()
    if lookup.ingress:
        work.note(Table.GATEWAY_SERVICES, name)
        found = gateways.ingress(work.store, name).value
        for key in work.store.by.gateways_of_service.get(name, ()):
            note_service(work, key[0], connect=False)
        return found
    note_service(work, name, connect=lookup.connect)
    tags = (lookup.tag,) if lookup.tag else ()
    return (health.connect if lookup.connect else health.service)(work.store, name, tags).value
