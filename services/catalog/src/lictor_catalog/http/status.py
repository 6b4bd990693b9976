"""`/v1/status/leader` and `/v1/status/peers`: what beacons tell; never an error for lack of a leader."""

from fastapi import APIRouter, Request, Response

from lictor_catalog.consistency import read_options
from lictor_catalog.http.exchange import json_answer, params_of
from lictor_catalog.ports import ClusterPort


def router(cluster: ClusterPort) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()

    @routes.get("/v1/status/leader")
    async def leader(request: Request) -> Response:
        read_options(params_of(request), cacheable=False)  # has no effect, but is judged
        return json_answer(request, cluster.leader_address)

    @routes.get("/v1/status/peers")
    async def peers(request: Request) -> Response:
        read_options(params_of(request), cacheable=False)
        return json_answer(request, cluster.peer_addresses)

    return routes
