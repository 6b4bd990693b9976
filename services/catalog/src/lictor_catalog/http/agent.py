"""The agent's rare writes, and the reads that no table holds: self, version, leaf."""

from fastapi import APIRouter, Request, Response

from lictor_catalog import connect_authorize
from lictor_catalog.agent_writes import AgentWrites
from lictor_catalog.body_decoding import Shape, body_object, text
from lictor_catalog.check_definition import STATUSES
from lictor_catalog.consistency import ReadOptions, read_options
from lictor_catalog.errors import ApiError
from lictor_catalog.http.exchange import answered, body_of, empty_answer, json_answer, params_of
from lictor_catalog.leaf_cache import LeafCache

UPDATE = Shape({"Status": text, "Output": text})


def router(agent: AgentWrites, leaves: LeafCache, *, allow_by_default: bool) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()
    _add_checks(routes, agent)
    _add_reads(routes, agent, leaves, allow_by_default=allow_by_default)
    return routes


def _add_checks(routes: APIRouter, agent: AgentWrites) -> None:
    @routes.put("/v1/agent/check/update/{check_id:path}")
    async def update(check_id: str, request: Request) -> Response:
        given = body_object(await body_of(request), UPDATE)
        status = given.get("Status", "")
        if status not in STATUSES:
            raise ApiError(400, f"Invalid check status: '{status}'")
        await agent.update_ttl(check_id, status, given.get("Output", ""))
        return empty_answer(request)


def _add_reads(routes: APIRouter, agent: AgentWrites, leaves: LeafCache, *, allow_by_default: bool) -> None:
    @routes.get("/v1/agent/self")
    async def about(request: Request) -> Response:
        await agent.consistency.settle_local(ReadOptions())
        return json_answer(request, agent.about.describe(agent.view.store))

    @routes.get("/v1/agent/version")
    async def version(request: Request) -> Response:
        return json_answer(request, agent.about.version())

    @routes.post("/v1/agent/connect/authorize")
    async def authorize(request: Request) -> Response:
        source, target = connect_authorize.asked(await body_of(request))
        await agent.consistency.settle_local(ReadOptions())
        judged = connect_authorize.judged(agent.view.store, source, target, allow_by_default=allow_by_default)
        return json_answer(request, judged)

    @routes.get("/v1/agent/connect/ca/leaf/{service:path}")
    async def leaf(service: str, request: Request) -> Response:
        if not service:
            raise ApiError(400, "Missing service name")
        options = read_options(params_of(request), cacheable=True)
        await agent.consistency.settle_local(ReadOptions())
        return answered(request, await leaves.read(service, options, request.is_disconnected))
