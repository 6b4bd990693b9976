"""What a dns keeps of the rows that reach it: enough to answer names, and nothing else. Pure.

A check that passes keeps no instance out of an answer and changes no weight, so it is not kept at all; of the others
their status counts. Of an instance neither its tagged addresses nor its proxy's configuration are asked for by name;
its meta is, by prepared queries. At 100,000 instances with a check each this is half of a worker's memory.
"""

from typing import Final

from lictor_state import Change, Table
from lictor_state.queries.usable import PASSING
from lictor_state.rows import CheckRow, NodeRow, ProxyDefinition, Row, ServiceRow

TABLES: Final = (
    Table.NODES,
    Table.SERVICES,
    Table.CHECKS,
    Table.INDEXES,
    Table.PREPARED_QUERIES,
    Table.COORDINATES,
    Table.VIRTUAL_IPS,
    Table.GATEWAY_SERVICES,
)
"""The tables that names are answered from."""


def narrow(change: Change) -> Change:
    """A change with what a dns keeps of its row."""
    row = change.row
    if row is None:
        return change
    kept = _kept(row)
    return change if kept is row else Change(change.table, change.key, kept)


def _kept(row: Row) -> Row | None:
    if isinstance(row, CheckRow):
        if row.status == PASSING:
            return None
        return CheckRow(row.node, row.check_id, "", row.status, service_id=row.service_id)
    if isinstance(row, ServiceRow):
        destination = row.proxy.destination_service_name if row.proxy is not None else ""
        return ServiceRow(
            row.node,
            row.service_id,
            row.name,
            kind=row.kind,
            tags=row.tags,
            address=row.address,
            port=row.port,
            meta=row.meta,
            weights=row.weights,
            proxy=ProxyDefinition(destination) if destination else None,
            native=row.native,
        )
    if isinstance(row, NodeRow):
        return NodeRow(row.node, "", row.address, row.datacenter, meta=row.meta)
    return row
