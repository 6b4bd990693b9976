"""Writing and removing nodes, instances and checks with their cascades and indexes.

The common ground of catalog registration, agent registration and membership. A row that would not change is not
written and moves no index; a change keeps `create_index` and takes the present index as `modify_index`, as Consul's
state store does.
"""

from typing import TypeVar

from msgspec.structs import force_setattr, replace

from lictor_state import reported_indexes as reported
from lictor_state.codec import CHECK_STATUSES
from lictor_state.commands import CheckSpec, ServiceSpec
from lictor_state.coordinate_rows import CoordinateRow
from lictor_state.errors import Refused
from lictor_state.mesh_rows import GatewayServiceRow
from lictor_state.prepared_query_rows import PreparedQueryRow
from lictor_state.rows import (
    AgentRow,
    AutopilotRow,
    CheckRow,
    ConfigEntryRow,
    Key,
    KVRow,
    NodeRow,
    ServiceRow,
    Table,
)
from lictor_state.session_rows import end_sessions_of_check, end_sessions_of_node
from lictor_state.store import Store
from lictor_state.tables import CHECKS, COORDINATES, NODES, SERVICES
from lictor_state.virtual_ips import give_virtual_ip, take_back_virtual_ip

SERF_HEALTH = "serfHealth"

Indexed = TypeVar(
    "Indexed",
    NodeRow,
    ServiceRow,
    CheckRow,
    ConfigEntryRow,
    AgentRow,
    KVRow,
    AutopilotRow,
    CoordinateRow,
    GatewayServiceRow,
    PreparedQueryRow,
)


def put_changed(store: Store, index: int, table: Table, key: Key, old: Indexed | None, row: Indexed) -> bool:
    """Write `row` (just made, not shared yet) unless it equals `old`; whether it was written."""
    if old is None:
        force_setattr(row, "create_index", index)
    else:
        force_setattr(row, "create_index", old.create_index)
        force_setattr(row, "modify_index", old.modify_index)
        if row == old:
            return False
    force_setattr(row, "modify_index", index)
    store.put(table, key, row)
    return True


def node_is_healthy(store: Store, node: NodeRow) -> bool:
    """Whether gossip holds the node alive; without a `serfHealth` check nobody watches it and its name is free."""
    check = store.check(node.node, SERF_HEALTH)
    return check is not None and check.status != "critical"


def reserved_by(name: str, holder: NodeRow) -> str:
    """Consul's words for a name that another node id holds."""
    return f"Node name {name} is reserved by node {holder.node_id} with name {holder.node} ({holder.address})"


def put_node(store: Store, index: int, row: NodeRow) -> NodeRow:
    """Write a node's row; the one that is stored afterwards."""
    return write_node(store, index, (row.node.lower(),), store.node(row.node), row)


def write_node(store: Store, index: int, key: Key, old: NodeRow | None, row: NodeRow) -> NodeRow:
    """The same for a caller who has just looked up which row there is at the node's key."""
    if not put_changed(store, index, NODES, key, old, row):
        assert old is not None
        return old
    reported.node_changed(store, index, key)
    return row


def put_service(store: Store, index: int, node: NodeRow, spec: ServiceSpec, *, agent: bool) -> ServiceRow:
    """Write an instance. One that came through the agent stays the agent's when the catalog registers over it."""
    key = (node.node.lower(), spec.service_id)
    old: ServiceRow | None = store.get(SERVICES, key)  # type: ignore[assignment]  # by its table
    row = ServiceRow(  # in the fields' order: so many by name take msgspec four times as long
        node.node,
        spec.service_id,
        spec.name,
        spec.kind,
        spec.tags,
        spec.address,
        spec.port,
        spec.socket_path,
        spec.tagged_addresses,
        spec.meta,
        spec.weights,
        spec.enable_tag_override,
        spec.proxy,
        spec.native,
        spec.region,
        spec.zone,
        agent or (old is not None and old.agent),
        spec.sidecar_of or (old.sidecar_of if old is not None and not agent else ""),
    )
    return _write_service(store, index, key, old, row)


def restore_service(store: Store, index: int, row: ServiceRow) -> ServiceRow:
    """Write an instance's row as it is."""
    key = (row.node.lower(), row.service_id)
    return _write_service(store, index, key, store.service(row.node, row.service_id), row)


def _write_service(store: Store, index: int, key: Key, old: ServiceRow | None, row: ServiceRow) -> ServiceRow:
    """Write an instance's row and bring its checks' copies of name and tags up to date."""
    row = give_virtual_ip(store, index, row)
    if not put_changed(store, index, SERVICES, key, old, row):
        assert old is not None
        return old
    reported.service_changed(store, index, key, old, row)
    if old is None:
        return row
    take_back_virtual_ip(store, old)
    if old.name != row.name or old.tags != row.tags:
        for check_id in store.by.checks_of_service.get(key, ()):
            check = store.check(row.node, check_id)
            assert check is not None
            _write_check(store, index, check, replace(check, service_name=row.name, service_tags=row.tags))
    return row


def put_check(store: Store, index: int, node: NodeRow, spec: CheckSpec, *, agent: bool) -> CheckRow:
    """Write a check. Through the agent, one that is there already keeps its status and output."""
    service_name = ""
    service_tags: tuple[str, ...] = ()
    if spec.service_id:
        service = store.service(node.node, spec.service_id)
        if service is None:
            raise Refused(f"Unknown service ID '{spec.service_id}' for check ID '{spec.check_id}'")
        service_name, service_tags = service.name, service.tags
    status, output = spec.status or "critical", spec.output
    if status not in CHECK_STATUSES:
        raise Refused("Bad check status", 400 if agent else 500)
    old = store.check(node.node, spec.check_id)
    definition_index = index
    if old is not None:
        if agent:
            status, output = old.status, old.output
        if old.definition == spec.definition and old.type == spec.type and old.service_id == spec.service_id:
            definition_index = old.definition_index
    row = CheckRow(  # in the fields' order, as above
        node.node,
        spec.check_id,
        spec.name,
        status,
        spec.notes,
        output,
        spec.service_id,
        service_name,
        service_tags,
        spec.type,
        spec.interval,
        spec.timeout,
        spec.definition,
        agent or (old is not None and old.agent),
        definition_index,
        old.exposed_port if old is not None else 0,
    )
    return _write_check(store, index, old, row)


def restore_check(store: Store, index: int, row: CheckRow) -> CheckRow:
    """Write a check's row as it is."""
    return _write_check(store, index, store.check(row.node, row.check_id), row)


def _write_check(store: Store, index: int, old: CheckRow | None, row: CheckRow) -> CheckRow:
    key = (row.node.lower(), row.check_id)
    if not put_changed(store, index, CHECKS, key, old, row):
        assert old is not None
        return old
    if old is not None and old.service_id != row.service_id:
        reported.check_changed(store, index, old)
    reported.check_changed(store, index, row)
    if row.status == "critical":
        end_sessions_of_check(store, index, key)
    return row


def remove_check(store: Store, index: int, row: CheckRow) -> None:
    """Delete a check; the sessions that hang on it end."""
    key = (row.node.lower(), row.check_id)
    store.delete(CHECKS, key)
    reported.check_removed(store, index, row)
    end_sessions_of_check(store, index, key)


def remove_service(store: Store, index: int, row: ServiceRow) -> None:
    """Delete an instance and its checks."""
    key = (row.node.lower(), row.service_id)
    for check_id in store.by.checks_of_service.get(key, ()):
        check = store.check(row.node, check_id)
        assert check is not None
        remove_check(store, index, check)
    store.delete(SERVICES, key)
    reported.service_changed(store, index, key, row, None)
    take_back_virtual_ip(store, row)


def remove_node(store: Store, index: int, name: str) -> None:
    """Delete a node with its services, checks, coordinates and sessions; a missing one is fine."""
    key = (name.lower(),)
    if store.node(name) is None:
        return
    for service_id in tuple(store.by.services_of_node.get(key[0], ())):
        service = store.service(name, service_id)
        assert service is not None
        remove_service(store, index, service)
    for check_id in tuple(store.by.checks_of_node.get(key[0], ())):
        check = store.check(name, check_id)
        assert check is not None
        remove_check(store, index, check)
    segments = tuple(store.by.segments_of_node.get(key[0], ()))
    for segment in segments:
        store.delete(COORDINATES, (key[0], segment))
    if segments:
        reported.raise_index(store, reported.COORDINATES, index)
    store.delete(NODES, key)
    reported.node_removed(store, index, key)
    end_sessions_of_node(store, index, key[0])
