"""What a dns keeps of the rows that reach it: enough to answer names, and nothing else. Pure.

A check that passes keeps no instance out of an answer and changes no weight, so it is not kept at all; of the others
their status counts. Of an instance neither its tagged addresses nor its proxy's configuration are asked for by name;
its meta is, by prepared queries. Of index rows those are kept that move with instances. At 100,000 instances with a
check each this is half of a worker's memory.
"""

from collections.abc import Callable
from typing import Any, Final

from lictor_state import Change, Table
from lictor_state.queries.usable import PASSING
from lictor_state.reported_indexes import is_of_instances
from lictor_state.rows import CheckRow, NodeRow, ProxyDefinition, Row, ServiceRow
from lictor_state.tables import INDEXES

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


def narrow(change: Change) -> Change | None:
    """A change with what a dns keeps of its row; None for an index row that no name depends on."""
    if change.table is INDEXES:
        return change if is_of_instances(change.key[0]) else None
    row, keep = change.row, _KEPT.get(change.table)
    if row is None or keep is None:
        return change
    return Change(change.table, change.key, keep(row))


def _of_check(row: CheckRow) -> CheckRow | None:
    if row.status == PASSING:
        return None
    return CheckRow(row.node, row.check_id, "", row.status, "", "", row.service_id)


def _of_service(row: ServiceRow) -> ServiceRow:
    destination = row.proxy.destination_service_name if row.proxy is not None else ""
    return ServiceRow(  # in the fields' order: so many by name take msgspec four times as long
        row.node,
        row.service_id,
        row.name,
        row.kind,
        row.tags,
        row.address,
        row.port,
        "",
        {},
        row.meta,
        row.weights,
        False,
        ProxyDefinition(destination) if destination else None,
        row.native,
    )


def _of_node(row: NodeRow) -> NodeRow:
    return NodeRow(row.node, "", row.address, row.datacenter, {}, row.meta)


_KEPT: Final[dict[Table, Callable[[Any], Row | None]]] = {
    Table.CHECKS: _of_check,
    Table.SERVICES: _of_service,
    Table.NODES: _of_node,
}
"""What is kept of the rows of these tables; of other tables it is all of them."""
