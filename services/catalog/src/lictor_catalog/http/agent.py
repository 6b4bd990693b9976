"""Writes through the agent of this process's node, and the reads that no table holds: self, version, leaf.

Agent state lives in the store: what is registered here is a command that names the node. A TTL check's update goes to
the `healthcheck` that runs the node's checks; whether there is such a check is judged on the view first.
"""

from typing import Literal

from fastapi import APIRouter, Request, Response

from lictor_catalog.agent_self import AgentSelf
from lictor_catalog.body_decoding import Shape, body_object, text
from lictor_catalog.check_definition import AGENT_CHECK, STATUSES, agent_check
from lictor_catalog.consistency import Consistency, ReadOptions, read_options
from lictor_catalog.errors import ApiError
from lictor_catalog.http.exchange import answered, body_of, empty_answer, json_answer, params_of
from lictor_catalog.leaf_cache import LeafCache
from lictor_catalog.ports import GossipPort, TtlPort, ViewPort
from lictor_catalog.request import boolean
from lictor_catalog.service_definition import AGENT_SERVICE, agent_registration
from lictor_catalog.writes import Writes
from lictor_state.commands import (
    AgentCheckDeregister,
    AgentCheckRegister,
    AgentServiceDeregister,
    AgentServiceRegister,
)
from lictor_state.rows import CheckRow

UPDATE = Shape({"Status": text, "Output": text})
_WORDS: dict[str, Literal["passing", "warning", "critical"]] = {
    "pass": "passing",
    "warn": "warning",
    "fail": "critical",
}


class AgentApi:
    """What the agent endpoints work with."""

    def __init__(
        self,
        about: AgentSelf,
        writes: Writes,
        view: ViewPort,
        consistency: Consistency,
        ttl: TtlPort,
        leaves: LeafCache,
        gossip: GossipPort,
    ) -> None:
        self.gossip = gossip
        self.about = about
        self.writes = writes
        self.view = view
        self.consistency = consistency
        self.ttl = ttl
        self.leaves = leaves

    async def register_service(self, raw: bytes, *, replace: bool) -> None:
        """`agent/service/register`."""
        wanted = agent_registration(body_object(raw, AGENT_SERVICE))
        node = self.about.node
        await self.writes.propose(
            AgentServiceRegister(
                node=node.name,
                address=node.address,
                datacenter=node.datacenter,
                service=wanted.service,
                checks=wanted.checks,
                sidecar=wanted.sidecar,
                sidecar_checks=wanted.sidecar_checks,
                replace_existing_checks=replace,
                sidecar_port_min=self.about.ports.sidecar_min,
                sidecar_port_max=self.about.ports.sidecar_max,
            )
        )

    async def register_check(self, raw: bytes) -> None:
        """`agent/check/register`."""
        check = agent_check(body_object(raw, AGENT_CHECK))
        node = self.about.node
        await self.writes.propose(AgentCheckRegister(node.name, node.address, node.datacenter, check))

    async def update_ttl(self, check_id: str, status: str, output: str) -> None:
        """Pass, warn, fail or update a TTL check."""
        check = self._agent_check(check_id)
        if check is None:  # it may have been registered through another replica a moment ago
            await self.consistency.settle_local(ReadOptions())
            check = self._agent_check(check_id)
        if check is None:
            raise ApiError(
                404, f'Unknown check ID "{check_id}". Ensure that the check ID is passed, not the check name.'
            )
        if not check.definition.ttl_ns:
            raise ApiError(500, f'CheckID "{check_id}" does not have associated TTL')
        code, message = await self.ttl.update(check, status, output)
        if code != 200:
            raise ApiError(code, message)

    def _agent_check(self, check_id: str) -> CheckRow | None:
        row = self.view.store.check(self.about.node.name, check_id)
        return row if row is not None and row.agent else None


def router(api: AgentApi) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()
    _add_services(routes, api)
    _add_checks(routes, api)
    _add_reads(routes, api)
    return routes


def _add_services(routes: APIRouter, api: AgentApi) -> None:
    @routes.put("/v1/agent/service/register")
    async def register(request: Request) -> Response:
        params = params_of(request)
        asked = params.first("replace-existing-checks")
        replace = params.has("replace-existing-checks") and (not asked or boolean(asked) is True)
        await api.register_service(await body_of(request), replace=replace)
        return empty_answer(request)

    @routes.put("/v1/agent/service/deregister/{service_id:path}")
    async def deregister(service_id: str, request: Request) -> Response:
        if not service_id:
            raise ApiError(400, "Missing service ID")
        await api.writes.propose(AgentServiceDeregister(api.about.node.name, service_id))
        return empty_answer(request)

    @routes.put("/v1/agent/leave")
    async def leave(request: Request) -> Response:
        await api.gossip.leave(api.about.node.name)
        return empty_answer(request)


def _add_checks(routes: APIRouter, api: AgentApi) -> None:
    @routes.put("/v1/agent/check/register")
    async def register(request: Request) -> Response:
        await api.register_check(await body_of(request))
        return empty_answer(request)

    @routes.put("/v1/agent/check/deregister/{check_id:path}")
    async def deregister(check_id: str, request: Request) -> Response:
        await api.writes.propose(AgentCheckDeregister(api.about.node.name, check_id))
        return empty_answer(request)

    @routes.put("/v1/agent/check/update/{check_id:path}")
    async def update(check_id: str, request: Request) -> Response:
        given = body_object(await body_of(request), UPDATE)
        status = given.get("Status", "")
        if status not in STATUSES:
            raise ApiError(400, f"Invalid check status: '{status}'")
        await api.update_ttl(check_id, status, given.get("Output", ""))
        return empty_answer(request)

    @routes.put("/v1/agent/check/{word}/{check_id:path}")
    async def note(word: str, check_id: str, request: Request) -> Response:
        await api.update_ttl(check_id, _WORDS[word], params_of(request).first("note"))
        return empty_answer(request)


def _add_reads(routes: APIRouter, api: AgentApi) -> None:
    @routes.get("/v1/agent/self")
    async def about(request: Request) -> Response:
        await api.consistency.settle_local(ReadOptions())
        return json_answer(request, api.about.describe(api.view.store))

    @routes.get("/v1/agent/version")
    async def version(request: Request) -> Response:
        return json_answer(request, api.about.version())

    @routes.get("/v1/agent/connect/ca/leaf/{service:path}")
    async def leaf(service: str, request: Request) -> Response:
        if not service:
            raise ApiError(400, "Missing service name")
        options = read_options(params_of(request), cacheable=True)
        await api.consistency.settle_local(ReadOptions())
        return answered(request, await api.leaves.read(service, options, request.is_disconnected))
