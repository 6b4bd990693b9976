"""`GET /v1/catalog/nodes` and `/v1/catalog/datacenters`."""

from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, has_meta, whole
from lictor_state.rows import NodeRow, Table
from lictor_state.store import Store


def nodes(store: Store, node_meta: dict[str, str] | None = None) -> Answer[list[NodeRow]]:
    """All nodes by name; with `node_meta`, those that have all its pairs."""
    index, tokens = whole(store, reported.NODES)
    rows = [row for _, row in store.rows(Table.NODES) if isinstance(row, NodeRow) and has_meta(row, node_meta)]
    return Answer(index, rows, tokens)


def datacenters(store: Store) -> Answer[list[str]]:
    """The datacenters that nodes are in, sorted."""
    index, tokens = whole(store, reported.NODES)
    names = {row.datacenter for _, row in store.rows(Table.NODES) if isinstance(row, NodeRow)}
    return Answer(index, sorted(names), tokens)
