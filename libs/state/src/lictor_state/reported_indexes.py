"""The indexes that reads report and no single row carries (Consul's index table).

| index row | moves when |
|---|---|
| `nodes` | a node changes, or services are registered on it or removed |
| `services` | an instance changes, or a node-level check is deleted |
| `checks` | any check changes |
| `service.<name>` | an instance, its checks, node-level checks or the data of a node that runs it change |
| `connect.<name>` | the same for the proxies (and native instances) of a destination |
| `node.<name>` | services of the node change, and its own row does not at the same index |
| `service-extinction` | a service loses its last instance, or a destination its last proxy |
| `node-extinction` | a node is removed |
| `tombstones-reaped` | tombstones are forgotten: the newest of them, below which no list is reported any more |
| `sessions` | a session is made or ends |
| `prepared-queries` | a prepared query is defined, redefined or deleted |
| `coordinates` | a coordinate changes, or goes with its node |
| `gateway-services` | what any gateway serves changes |

A node's readers are told the newer of its own row's index and of `node.<name>`. So a node that comes with its services
in one registration needs no index row (docs/adr/0020).

The row of a service, destination or node goes with it; readers fall back on the extinction index then, so no reported
index ever falls below one that a client has seen.
"""

from lictor_state.levels import NODE_SPEAKS_LEVEL
from lictor_state.rows import CheckRow, Key, NodeRow, ServiceRow
from lictor_state.secondary_indexes import destination_of
from lictor_state.store import Store
from lictor_state.tables import INDEXES
from lictor_state.tables import NODES as NODE_ROWS

NODES = "nodes"
SERVICES = "services"
CHECKS = "checks"
KV = "kv"
TOMBSTONES = "tombstones"
TOMBSTONES_REAPED = "tombstones-reaped"
SESSIONS = "sessions"
CONFIG_ENTRIES = "config-entries"
CA_ROOTS = "ca-roots"
PREPARED_QUERIES = "prepared-queries"
COORDINATES = "coordinates"
GATEWAY_SERVICES = "gateway-services"
SERVICE_EXTINCTION = "service-extinction"
NODE_EXTINCTION = "node-extinction"


def of_service(name: str) -> str:
    """The index row of a service, by its name in lower case."""
    return "service." + name


def of_destination(name: str) -> str:
    """The index row of a destination's proxies, by its name in lower case."""
    return "connect." + name


def of_node(name: str) -> str:
    """The index row of a node's services, by its name in lower case."""
    return "node." + name


def is_of_instances(name: str) -> bool:
    """Whether an index row moves with instances of one service or destination, or with the last one's end."""
    return name.startswith(("service.", "connect.", SERVICE_EXTINCTION))


raise_index = Store.move_index
"""Move one index row to the present index, given the store, the row's name and that index."""


def _drop_index(store: Store, name: str) -> None:
    store.delete(INDEXES, (name,))


def _touch_node(store: Store, index: int, name: str) -> None:
    """Move what readers of a node see whose services change, unless its own row says it already."""
    row: NodeRow | None = store.get(NODE_ROWS, (name,))  # type: ignore[assignment]  # by its table
    if row is None or row.modify_index != index or store.level < NODE_SPEAKS_LEVEL:
        raise_index(store, of_node(name), index)


def _touch_service(store: Store, index: int, row: ServiceRow) -> None:
    """Move what readers of this instance's service and destination see."""
    raise_index(store, of_service(row.name.lower()), index)
    destination = destination_of(row)
    if destination:
        raise_index(store, of_destination(destination), index)


def _touch_services_of_node(store: Store, index: int, node: str) -> None:
    for service_id in store.by.services_of_node.get(node, ()):
        row = store.service(node, service_id)
        assert row is not None, f"service {service_id} of {node} is indexed but not there"
        _touch_service(store, index, row)


def node_changed(store: Store, index: int, key: Key) -> None:
    """A node's row was put."""
    raise_index(store, NODES, index)
    if store.level < NODE_SPEAKS_LEVEL:
        raise_index(store, of_node(key[0]), index)
    _touch_services_of_node(store, index, key[0])


def node_removed(store: Store, index: int, key: Key) -> None:
    """A node's row was deleted, after its services and checks."""
    raise_index(store, NODES, index)
    raise_index(store, NODE_EXTINCTION, index)
    _drop_index(store, of_node(key[0]))


def service_changed(store: Store, index: int, key: Key, old: ServiceRow | None, new: ServiceRow | None) -> None:
    """An instance was put or deleted: called after the write, with what it was before and is now."""
    raise_index(store, NODES, index)
    raise_index(store, SERVICES, index)
    _touch_node(store, index, key[0])
    for row in (old, new):
        if row is None:
            continue
        name = row.name.lower()
        if name in store.by.services_by_name:
            raise_index(store, of_service(name), index)
        else:
            _drop_index(store, of_service(name))
            raise_index(store, SERVICE_EXTINCTION, index)
        destination = destination_of(row)
        if not destination:
            continue
        if destination in store.by.proxies_of:
            raise_index(store, of_destination(destination), index)
        else:
            _drop_index(store, of_destination(destination))
            raise_index(store, SERVICE_EXTINCTION, index)


def check_changed(store: Store, index: int, row: CheckRow) -> None:
    """A check was put: its service's readers see it, or those of every service on the node."""
    raise_index(store, CHECKS, index)
    if row.service_id:
        service = store.service(row.node, row.service_id)
        if service is not None:
            _touch_service(store, index, service)
    else:
        _touch_services_of_node(store, index, row.node.lower())


def check_removed(store: Store, index: int, row: CheckRow) -> None:
    """A check was deleted (before its service, if both go)."""
    check_changed(store, index, row)
    if not row.service_id:
        raise_index(store, SERVICES, index)
