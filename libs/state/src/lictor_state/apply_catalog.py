"""`PUT /v1/catalog/register` and `/deregister` (Consul's HTTP API, catalog)."""

from lictor_state.apply_definition_files import forget_node
from lictor_state.catalog_rows import (
    node_is_healthy,
    put_check,
    put_service,
    remove_check,
    remove_node,
    remove_service,
    reserved_by,
    write_node,
)
from lictor_state.commands import CatalogDeregister, CatalogRegister, Result
from lictor_state.errors import Refused
from lictor_state.rows import NodeRow
from lictor_state.store import Store
from lictor_state.tables import NODES

_DONE = Result(value=True)


def register(store: Store, index: int, command: CatalogRegister) -> Result:
    """A node, and optionally one service and checks, all or nothing."""
    try:
        node = ensure_node(store, index, command)
    except Refused as refused:
        raise Refused(f"failed inserting node: {refused.message}", refused.status) from None
    if command.service is not None:
        put_service(store, index, node, command.service, agent=False)
    for check in command.checks:
        if check.node and check.node.lower() != command.node.lower():
            raise Refused(
                f"Node '{check.node}' for check '{check.check_id}' doesn't match register request node '{command.node}'"
            )
        put_check(store, index, node, check, agent=False)
    return _DONE


def ensure_node(store: Store, index: int, command: CatalogRegister) -> NodeRow:
    """Write the node of a registration, unless it leaves the one that is there as it is; the row that holds then."""
    key = (command.node.lower(),)
    existing: NodeRow | None = store.get(NODES, key)  # type: ignore[assignment]  # by its table
    if existing is not None and command.skip_node_update:
        return existing
    if command.node_id:
        _claim_name(store, index, command, existing)
    return write_node(
        store,
        index,
        key,
        existing,
        NodeRow(  # in the fields' order, as the longer rows
            # one spelling per node: its instances and checks carry the name too
            existing.node if existing is not None else command.node,
            # a registration that names no id says nothing about the id
            command.node_id or (existing.node_id if existing is not None else ""),
            command.address,
            command.datacenter,
            command.tagged_addresses,
            command.node_meta,
        ),
    )


def _claim_name(store: Store, index: int, command: CatalogRegister, existing: NodeRow | None) -> None:
    """Let the id have the name, or refuse: a living node keeps its name, and an id that had another one is renamed."""
    holds = store.by.node_of_id.get(command.node_id)
    if holds == command.node.lower():
        return
    renaming = holds is not None
    contested = existing is not None and existing.node_id != command.node_id and bool(existing.node_id or renaming)
    if existing is not None and contested and node_is_healthy(store, existing):
        where = f" ({command.address})" if renaming else ""
        raise Refused(
            f'Error while renaming Node ID: "{command.node_id}"{where}: ' + reserved_by(command.node, existing)
        )
    if holds is not None:
        remove_node(store, index, holds)


def deregister(store: Store, index: int, command: CatalogDeregister) -> Result:
    """A service with its checks, else a check, else the whole node; what is not there is gone already."""
    if command.service_id:
        service = store.service(command.node, command.service_id)
        if service is not None:
            remove_service(store, index, service)
    elif command.check_id:
        check = store.check(command.node, command.check_id)
        if check is not None:
            remove_check(store, index, check)
    else:
        remove_node(store, index, command.node)
        forget_node(store, command.node)
    return _DONE
