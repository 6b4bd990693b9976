"""Prepared queries by name or id: what they find, in their order (Consul's DNS interface; execution is the state's).

A set is kept while nothing that it was made of changes: the query (or another that takes its name over), the service's
instances, and the coordinates of the nodes where the order is by distance. Where the order depends on who asks, nothing
is kept.
"""

from lictor_dns.zone.compilation import Compilation
from lictor_dns.zone.instances import instance_set
from lictor_dns.zone.record_set import NOTHING, RecordSet
from lictor_dns.zone.services import note_service
from lictor_state import Table
from lictor_state.durations import SECOND, DurationError, parse
from lictor_state.queries.answer import Instance
from lictor_state.queries.dns_name import QueryLookup
from lictor_state.queries.prepared_execution import AGENT, BY_ADDRESS, Asker, execute
from lictor_state.queries.prepared_query import TemplateByIdError, resolve


def query_set(work: Compilation, lookup: QueryLookup) -> RecordSet:
    """What a prepared query finds."""
    work.note(Table.PREPARED_QUERIES, lookup.name)
    try:
        row = resolve(work.store, lookup.name)
    except TemplateByIdError:
        row = None
    if row is None:
        return NOTHING
    work.note(Table.PREPARED_QUERIES, row.query_id)
    definition = row.definition
    query = definition.service
    note_service(work, query.service, connect=query.connect)
    asker = Asker(work.settings.node, work.asked.source)
    found = execute(work.store, query, asker, work.dice.random)
    if query.near:
        _note_distances(work, query.near, found)
    if not found:
        return NOTHING
    ttl = _ttl(definition.dns_ttl)
    if ttl is None:
        ttl = work.settings.service_ttls.of(query.service)
    return instance_set(work, found, ttl, ordered=bool(query.near))


def _note_distances(work: Compilation, near: str, found: list[Instance]) -> None:
    if near == BY_ADDRESS:
        work.kept = False
        return
    work.note(Table.COORDINATES, (work.settings.node if near == AGENT else near).lower())
    for one in found:
        work.note(Table.COORDINATES, one.node.node.lower())


def _ttl(text: str) -> int | None:
    """Whole seconds of a duration as the query's author wrote it; None if there is none."""
    try:
        return max(0, parse(text) // SECOND) if text else None
    except DurationError:  # a later build took it
        return None
