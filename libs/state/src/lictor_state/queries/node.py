"""`GET /v1/catalog/node/:node` and `/v1/catalog/node-services/:node`."""

import msgspec

from lictor_state.queries.answer import Answer, of_node
from lictor_state.rows import NodeRow, ServiceRow
from lictor_state.store import Store

ID_PREFIX_MIN = 2  # shorter prefixes of a node id are not looked up, as in Consul


class NodeServices(msgspec.Struct, frozen=True, gc=False):
    """A node with its instances by id."""

    node: NodeRow
    services: tuple[ServiceRow, ...]


def node(store: Store, name_or_id: str) -> Answer[NodeServices | None]:
    """A node by name, by id, or by an unambiguous prefix of its id; a name wins."""
    found = _find(store, name_or_id)
    if found is None:
        index, tokens = of_node(store, name_or_id.lower())
        return Answer(index, None, tokens, absent=True)
    lower = found.node.lower()
    index, tokens = of_node(store, lower)
    rows = (store.service(lower, one) for one in store.by.services_of_node.get(lower, ()))
    value = NodeServices(found, tuple(row for row in rows if row is not None))
    return Answer(index, value, tokens)


def _find(store: Store, name_or_id: str) -> NodeRow | None:
    by_name = store.node(name_or_id)
    if by_name is not None:
        return by_name
    wanted = name_or_id.lower()
    holder = store.by.node_of_id.get(wanted)
    if holder is None and len(wanted) >= ID_PREFIX_MIN:
        found = [name for node_id, name in store.by.node_of_id.items() if node_id.lower().startswith(wanted)]
        holder = found[0] if len(found) == 1 else None
    return store.node(holder) if holder is not None else None
