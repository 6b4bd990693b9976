"""Registrations through an agent as commands: a judged body, the node that it is for, the ports for sidecars."""

from lictor_catalog.agent_self import AgentNode, Ports
from lictor_catalog.service_definition import Registration
from lictor_state.commands import AgentCheckRegister, AgentServiceRegister, CheckSpec


def register_service(
    node: AgentNode, ports: Ports, wanted: Registration, *, replace: bool = False
) -> AgentServiceRegister:
    """The command of a service; `replace` drops checks of it that are not in this registration."""
    return AgentServiceRegister(
        node=node.name,
        address=node.address,
        datacenter=node.datacenter,
        service=wanted.service,
        checks=wanted.checks,
        sidecar=wanted.sidecar,
        sidecar_checks=wanted.sidecar_checks,
        replace_existing_checks=replace,
        sidecar_port_min=ports.sidecar_min,
        sidecar_port_max=ports.sidecar_max,
    )


def register_check(node: AgentNode, check: CheckSpec) -> AgentCheckRegister:
    """The command of a check."""
    return AgentCheckRegister(node.name, node.address, node.datacenter, check)
