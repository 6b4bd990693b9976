"""Membership: agents join, and the leader decides that a node failed, is back, left, or is gone for good.

| decision | from | effect |
|---|---|---|
| `failed` | alive | `serfHealth` turns critical; node and services stay |
| `alive` | failed | `serfHealth` turns passing |
| `left` | alive, failed | node and services go at once; what the agent registered is kept aside in the agent's row |
| `reap` | any | the agent's row goes too, and all that was kept |

A decision names the run id and status index that it was based on and is dropped when either has moved: a late
decision never hits a node that is back.
"""

from msgspec.structs import replace

from lictor_state.apply_definition_files import forget_node
from lictor_state.catalog_rows import (
    SERF_HEALTH,
    put_changed,
    put_check,
    put_node,
    put_service,
    remove_node,
    reserved_by,
    restore_check,
    restore_service,
)
from lictor_state.commands import AgentDecision, AgentJoin, CheckSpec, Result, ServiceSpec
from lictor_state.errors import Refused
from lictor_state.levels import SECOND
from lictor_state.rows import AgentRow, NodeRow, Table
from lictor_state.store import Store

ALIVE_OUTPUT = "Agent alive and reachable"
FAILED_OUTPUT = "Agent not live or unreachable"
CONSUL = "consul"  # the id and name of a server's own service

_ALLOWED_FROM = {
    "failed": ("alive",),
    "alive": ("failed",),
    "left": ("alive", "failed"),
    "reap": ("alive", "failed", "left"),
}


def join(store: Store, index: int, command: AgentJoin) -> Result:
    """A node's gossip (or a server) has started. Result: the status index that later decisions must name."""
    holder = store.node(command.node)
    if holder is not None and holder.node_id not in ("", command.node_id):
        raise Refused(reserved_by(command.node, holder))
    kept = _take_former_name(store, index, command)
    own = store.agent(command.node)
    if own is not None and own.node_id == command.node_id and own.status == "left":
        kept = own
    node = put_node(
        store,
        index,
        NodeRow(
            node=holder.node if holder is not None else command.node,
            node_id=command.node_id,
            address=command.address,
            datacenter=command.datacenter,
            tagged_addresses=command.tagged_addresses,
            meta=command.meta,
        ),
    )
    put_check(store, index, node, _serf_health("passing", ALIVE_OUTPUT), agent=False)
    row = AgentRow(
        node=node.node,
        node_id=command.node_id,
        run_id=command.run_id,
        status="alive",
        address=command.address,
        port=command.port,
        role=command.role,
        tags=command.tags,
        status_index=index,
    )
    put_changed(store, index, Table.AGENTS, (command.node.lower(),), own, row)
    if command.role == CONSUL:
        spec = ServiceSpec(CONSUL, CONSUL, port=command.service_port, meta=command.service_meta)
        put_service(store, index, node, spec, agent=False)
    if kept is not None:
        _bring_back(store, index, node, kept)
    return Result(value=index)


def _take_former_name(store: Store, index: int, command: AgentJoin) -> AgentRow | None:
    """If this node id was known by another name, end that name; what its agent had registered moves along."""
    former_name = store.by.agent_of_id.get(command.node_id)
    former = store.agent(former_name) if former_name is not None else None
    kept = None
    if former is not None and former_name is not None and former_name != command.node.lower():
        kept = former if former.status == "left" else _set_aside(store, former)
        store.delete(Table.AGENTS, (former_name,))
    named = store.by.node_of_id.get(command.node_id)
    if named is not None and named != command.node.lower():
        remove_node(store, index, named)
    return kept


def _serf_health(status: str, output: str) -> CheckSpec:
    return CheckSpec(SERF_HEALTH, "Serf Health Status", status, output=output)


def _set_aside(store: Store, agent: AgentRow) -> AgentRow:
    """The agent's row with everything that was registered through it."""
    name = agent.node.lower()
    services = (store.service(name, one) for one in store.by.services_of_node.get(name, ()))
    checks = (store.check(name, one) for one in store.by.checks_of_node.get(name, ()))
    kept_services = tuple(row for row in services if row is not None and row.agent)
    kept_ids = {row.service_id for row in kept_services} | {""}
    return replace(
        agent,
        kept_services=kept_services,
        kept_checks=tuple(row for row in checks if row is not None and row.agent and row.service_id in kept_ids),
    )


def _bring_back(store: Store, index: int, node: NodeRow, kept: AgentRow) -> None:
    """What was set aside returns, as new rows: results measured before the absence are stale."""
    for service in kept.kept_services:
        if store.service(node.node, service.service_id) is None:
            restore_service(store, index, replace(service, node=node.node))
    for check in kept.kept_checks:
        if store.check(node.node, check.check_id) is not None:
            continue
        row = replace(check, node=node.node, definition_index=index)
        if check.service_id:
            named = store.service(node.node, check.service_id)
            if named is None:
                continue
            row = replace(row, service_name=named.name, service_tags=named.tags)  # it may be another one by now
        restore_check(store, index, row)


def decide(store: Store, index: int, command: AgentDecision) -> Result:
    """The leader's decision. Result: whether it took effect."""
    agent = store.agent(command.node)
    if agent is None or agent.run_id != command.run_id or agent.status_index != command.status_index:
        return Result(value=False)
    allowed = _ALLOWED_FROM.get(command.decision)
    if allowed is None:
        raise Refused(f"Unknown decision '{command.decision}' about node '{command.node}'")
    if agent.status not in allowed:
        return Result(value=False)
    key = (command.node.lower(),)
    node = store.node(command.node)
    if node is not None and node.node_id not in ("", agent.node_id):
        node = None  # the name has gone to another node id since
    if command.decision == "reap":
        if node is not None:
            remove_node(store, index, command.node)
        if store.node(command.node) is None:
            forget_node(store, command.node)
        store.delete(Table.AGENTS, key)
        return Result(value=True)
    at = command.at if store.level >= SECOND else 0  # a member of level 1 does not keep it
    row = replace(agent, status=command.decision, status_index=index, decided_at=at)
    if command.decision == "left":
        if node is not None:
            aside = _set_aside(store, agent)
            row = replace(row, kept_services=aside.kept_services, kept_checks=aside.kept_checks)
            remove_node(store, index, command.node)
    elif node is not None:
        failed = command.decision == "failed"
        output = command.output or (FAILED_OUTPUT if failed else ALIVE_OUTPUT)
        put_check(store, index, node, _serf_health("critical" if failed else "passing", output), agent=False)
    put_changed(store, index, Table.AGENTS, key, agent, row)
    return Result(value=True)
