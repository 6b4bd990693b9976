"""`/v1/agent/service/*` and `/v1/agent/check/*`: registrations through a node's agent, and check results.

Agent state lives in the store; a row that came this way is marked `agent`, and only such rows are the agent's to
change or remove.
"""

from msgspec.structs import replace

from lictor_state.catalog_rows import put_changed, put_check, put_node, put_service, remove_check, remove_service
from lictor_state.codec import CHECK_STATUSES
from lictor_state.commands import (
    AgentCheckDeregister,
    AgentCheckRegister,
    AgentServiceDeregister,
    AgentServiceRegister,
    CheckSpec,
    CheckTransition,
    CriticalServiceDeregister,
    Result,
    ServiceSpec,
)
from lictor_state.errors import Refused
from lictor_state.reported_indexes import check_changed
from lictor_state.rows import NodeRow, ServiceRow
from lictor_state.session_rows import end_sessions_of_check
from lictor_state.store import Store
from lictor_state.tables import CHECKS

SIDECAR_SUFFIX = "-sidecar-proxy"
SIDECAR_PORT_MARK = "{sidecar_port}"  # stands in a check's TCP address for the port that is only chosen here


def register_service(store: Store, index: int, command: AgentServiceRegister) -> Result:
    """A service with its checks and, if asked for, its automatic sidecar; the node's row is made if it is not there."""
    node = _node(store, index, command.node, command.address, command.datacenter)
    _register(store, index, node, command.service, command.checks, replacing=command.replace_existing_checks)
    if command.sidecar is not None:
        sidecar = command.sidecar
        if not sidecar.port and sidecar.sidecar_of:
            sidecar = _on_port(sidecar, _sidecar_port(store, command, sidecar.service_id))
        checks = tuple(_with_port(check, sidecar.port) for check in command.sidecar_checks)
        _register(store, index, node, sidecar, checks, replacing=command.replace_existing_checks)
    return Result(value=True)


def _node(store: Store, index: int, name: str, address: str, datacenter: str) -> NodeRow:
    node = store.node(name)
    if node is not None:
        return node
    return put_node(store, index, NodeRow(name, "", address, datacenter))


def _register(
    store: Store, index: int, node: NodeRow, spec: ServiceSpec, checks: tuple[CheckSpec, ...], *, replacing: bool
) -> None:
    service = put_service(store, index, node, spec, agent=True)
    if replacing:
        wanted = {check.check_id for check in checks}
        for check_id in store.by.checks_of_service.get((node.node.lower(), spec.service_id), ()):
            row = store.check(node.node, check_id)
            if check_id not in wanted and row is not None:
                remove_check(store, index, row)
    for check in checks:
        mine = check if check.service_id == service.service_id else replace(check, service_id=service.service_id)
        put_check(store, index, node, mine, agent=True)


def _sidecar_port(store: Store, command: AgentServiceRegister, sidecar_id: str) -> int:
    """The sidecar's port of before if it is in the range, else the lowest one that no service of the node has."""
    low, high = command.sidecar_port_min, command.sidecar_port_max
    taken = set()
    for service_id in store.by.services_of_node.get(command.node.lower(), ()):
        row = store.service(command.node, service_id)
        if row is None or not low <= row.port <= high:
            continue
        if service_id == sidecar_id:
            return row.port
        taken.add(row.port)
    for port in range(low, high + 1):
        if port not in taken:
            return port
    raise Refused(
        "Invalid SidecarService: no port provided for sidecar_service and none left in the configured range "
        f"[{low}, {high}]",
        400,
    )


def _on_port(sidecar: ServiceSpec, port: int) -> ServiceSpec:
    """The sidecar on its port; tagged addresses made before the port was known follow it."""
    tagged = {
        name: replace(address, port=port) if not address.port else address
        for name, address in sidecar.tagged_addresses.items()
    }
    return replace(sidecar, port=port, tagged_addresses=tagged)


def _with_port(check: CheckSpec, port: int) -> CheckSpec:
    tcp = check.definition.tcp
    if SIDECAR_PORT_MARK not in tcp:
        return check
    return replace(check, definition=replace(check.definition, tcp=tcp.replace(SIDECAR_PORT_MARK, str(port))))


def deregister_service(store: Store, index: int, command: AgentServiceDeregister) -> Result:
    """The service, its checks and its automatic sidecar."""
    service = store.service(command.node, command.service_id)
    if service is None or not service.agent:
        raise Refused(
            f'Unknown service ID "{command.service_id}". Ensure that the service ID is passed, not the service name.',
            404,
        )
    _remove(store, index, service)
    return Result(value=True)


def _remove(store: Store, index: int, service: ServiceRow) -> None:
    """A service of an agent, with its checks and its automatic sidecar."""
    remove_service(store, index, service)
    sidecar = store.service(service.node, service.service_id + SIDECAR_SUFFIX)
    if sidecar is not None and sidecar.sidecar_of == service.service_id:
        remove_service(store, index, sidecar)


def deregister_critical(store: Store, index: int, command: CriticalServiceDeregister) -> Result:
    """The service of a check that was critical for too long; False if the check has changed since."""
    check = store.check(command.node, command.check_id)
    if check is None or check.modify_index != command.modify_index or check.status != "critical":
        return Result(value=False)
    service = store.service(check.node, check.service_id) if check.service_id else None
    if service is None or not check.definition.deregister_critical_service_after_ns:
        return Result(value=False)
    if service.agent:
        _remove(store, index, service)
    else:
        remove_service(store, index, service)
    return Result(value=True)


def register_check(store: Store, index: int, command: AgentCheckRegister) -> Result:
    """A check of the node or of one of its services."""
    node = _node(store, index, command.node, command.address, command.datacenter)
    service_id = command.check.service_id
    if service_id and store.service(node.node, service_id) is None:
        raise Refused(f'ServiceID "{service_id}" does not exist', 404)
    if command.keep and store.check(node.node, command.check.check_id) is not None:
        return Result(value=False)
    put_check(store, index, node, command.check, agent=True)
    return Result(value=True)


def deregister_check(store: Store, index: int, command: AgentCheckDeregister) -> Result:
    """A check that came through the agent."""
    check = store.check(command.node, command.check_id)
    if check is None or not check.agent:
        raise Refused(
            f'Unknown check ID "{command.check_id}". Ensure that the check ID is passed, not the check name.', 404
        )
    remove_check(store, index, check)
    return Result(value=True)


def transition(store: Store, index: int, command: CheckTransition) -> Result:
    """A check's result: False, and nothing written, if it was measured against another definition."""
    old = store.check(command.node, command.check_id)
    if old is None or old.definition_index != command.definition_index:
        return Result(value=False)
    if command.status not in CHECK_STATUSES:
        raise Refused(f"Invalid check status: '{command.status}'", 400)
    row = replace(old, status=command.status, output=command.output)
    key = (command.node.lower(), command.check_id)
    if put_changed(store, index, CHECKS, key, old, row):
        check_changed(store, index, row)
        if row.status == "critical":
            end_sessions_of_check(store, index, key)
    return Result(value=True)
