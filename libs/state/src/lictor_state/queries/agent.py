"""`GET /v1/agent/services`, `/v1/agent/service/:id` and `/v1/agent/checks`: what was registered through one node."""

from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, of_node, whole
from lictor_state.rows import CheckRow, ServiceRow, Table
from lictor_state.store import Store


def services(store: Store, node: str) -> Answer[list[ServiceRow]]:
    """The services of the node's agent by id."""
    lower = node.lower()
    index, tokens = of_node(store, lower)
    rows = (store.service(lower, one) for one in store.by.services_of_node.get(lower, ()))
    return Answer(index, [row for row in rows if row is not None and row.agent], tokens)


def service(store: Store, node: str, service_id: str) -> Answer[ServiceRow | None]:
    """One service of the node's agent; absent if it is not there or not the agent's."""
    row = store.service(node, service_id)
    if row is not None and not row.agent:
        row = None
    index = max(store.least_index, row.modify_index if row is not None else store.index_of(reported.SERVICES))
    return Answer(index, row, (("row", Table.SERVICES, (node.lower(), service_id)),), absent=row is None)


def checks(store: Store, node: str) -> Answer[list[CheckRow]]:
    """The checks of the node's agent by id; `serfHealth` is gossip's and not among them."""
    lower = node.lower()
    index, tokens = whole(store, reported.CHECKS)
    rows = (store.check(lower, one) for one in store.by.checks_of_node.get(lower, ()))
    return Answer(index, [row for row in rows if row is not None and row.agent], tokens)
