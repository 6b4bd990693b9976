"""Maintenance of the node and of its services: a critical check that takes them out of every answer.

Follows Consul's agent API (maintenance): ids, names and notes are what clients look for. The check is an ordinary one
of the agent without a runner, so `?passing`, DNS and the mesh need no rule of their own. Turning on what is on, and off
what is off, changes nothing; a new reason does not replace the old one.
"""

import structlog

from lictor_catalog.agent_writes import AgentWrites
from lictor_catalog.consistency import ReadOptions
from lictor_catalog.errors import ApiError
from lictor_catalog.request import Params, boolean
from lictor_state.commands import AgentCheckDeregister, AgentCheckRegister, CheckSpec
from lictor_state.levels import KEPT_CHECKS_LEVEL

NODE_CHECK = "_node_maintenance"
SERVICE_CHECK_PREFIX = "_service_maintenance:"
KIND = "maintenance"
_NO_REASON = "Maintenance mode is enabled for this {}, but no reason was provided. This is a default message."

log = structlog.get_logger()


def is_maintenance(check_id: str) -> bool:
    """Whether a check says that its node or service is in maintenance."""
    return check_id == NODE_CHECK or check_id.startswith(SERVICE_CHECK_PREFIX)


def wanted(params: Params) -> bool:
    """What `enable` asks for; raises `ApiError` 400."""
    if not params.has("enable"):
        raise ApiError(400, "Missing value for enable")
    asked = params.first("enable")
    enable = boolean(asked)
    if enable is None:
        raise ApiError(400, f'Invalid value for enable: "{asked}"')
    return enable


class Maintenance:
    """Turns maintenance on and off; all raise `ApiError`."""

    def __init__(self, agent: AgentWrites) -> None:
        self._agent = agent

    async def of_node(self, *, enable: bool, reason: str) -> None:
        """`agent/maintenance`."""
        await self._agent.consistency.settle_local(ReadOptions())
        check = CheckSpec(
            NODE_CHECK, "Node Maintenance Mode", notes=reason or _NO_REASON.format("node"), type=KIND, status="critical"
        )
        await self._set(check, enable=enable)

    async def of_service(self, service_id: str, *, enable: bool, reason: str) -> None:
        """`agent/service/maintenance/:id`; 404 for a service that is not the agent's."""
        await self._agent.consistency.settle_local(ReadOptions())
        service = self._agent.view.store.service(self._agent.about.node.name, service_id)
        if service is None or not service.agent:
            raise ApiError(
                404, f'Unknown service ID "{service_id}". Ensure that the service ID is passed, not the service name.'
            )
        check = CheckSpec(
            SERVICE_CHECK_PREFIX + service_id,
            "Service Maintenance Mode",
            notes=reason or _NO_REASON.format("service"),
            type=KIND,
            status="critical",
            service_id=service_id,
        )
        await self._set(check, enable=enable)

    async def _set(self, check: CheckSpec, *, enable: bool) -> None:
        """Whether it is on already is judged where the write is applied, so that two replicas agree."""
        node, store = self._agent.about.node, self._agent.view.store
        if enable:
            keep = store.level >= KEPT_CHECKS_LEVEL
            if not keep and store.check(node.name, check.check_id) is not None:
                return
            command = AgentCheckRegister(node.name, node.address, node.datacenter, check, keep)
            if await self._agent.writes.propose(command):
                log.info("maintenance begins", service_id=check.service_id, reason=check.notes)
            return
        try:
            await self._agent.writes.propose(AgentCheckDeregister(node.name, check.check_id))
        except ApiError as error:
            if error.status != 404:  # else it is off already
                raise
        else:
            log.info("maintenance ends", service_id=check.service_id)
