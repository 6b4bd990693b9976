"""Maintenance, and the health of the agent's services by id and by name."""

from fastapi import APIRouter, Request, Response

from lictor_catalog import agent_health
from lictor_catalog.agent_writes import AgentWrites
from lictor_catalog.consistency import ReadOptions
from lictor_catalog.errors import ApiError
from lictor_catalog.http.exchange import answered, empty_answer, params_of
from lictor_catalog.maintenance import Maintenance, wanted


def router(agent: AgentWrites) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()
    maintenance = Maintenance(agent)

    @routes.put("/v1/agent/maintenance")
    async def node(request: Request) -> Response:
        params = params_of(request)
        await maintenance.of_node(enable=wanted(params), reason=params.first("reason"))
        return empty_answer(request)

    @routes.put("/v1/agent/service/maintenance/{service_id:path}")
    async def service(service_id: str, request: Request) -> Response:
        if not service_id:
            raise ApiError(400, "Missing service ID")
        params = params_of(request)
        await maintenance.of_service(service_id, enable=wanted(params), reason=params.first("reason"))
        return empty_answer(request)

    @routes.get("/v1/agent/health/service/id/{service_id:path}")
    async def health_by_id(service_id: str, request: Request) -> Response:
        if not service_id:
            raise ApiError(500, "Missing serviceID")  # Consul's status for it, though it means a bad request
        await agent.consistency.settle_local(ReadOptions())
        about = agent.about.node
        page = agent_health.by_id(agent.view.store, about.name, about.datacenter, service_id, text=_wants_text(request))
        return answered(request, page)

    @routes.get("/v1/agent/health/service/name/{name:path}")
    async def health_by_name(name: str, request: Request) -> Response:
        if not name:
            raise ApiError(500, "Missing service Name")
        await agent.consistency.settle_local(ReadOptions())
        about = agent.about.node
        page = agent_health.by_name(agent.view.store, about.name, about.datacenter, name, text=_wants_text(request))
        return answered(request, page)

    return routes


def _wants_text(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("text/plain") or params_of(request).first("format") == "text"
