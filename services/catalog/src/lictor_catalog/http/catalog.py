"""`PUT /v1/catalog/deregister`, and the list of datacenters."""

from fastapi import APIRouter, Request, Response

from lictor_catalog import catalog_registration
from lictor_catalog.http.exchange import body_of, json_answer
from lictor_catalog.writes import Writes


def router(writes: Writes, datacenter: str) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()

    @routes.put("/v1/catalog/deregister")
    async def deregister(request: Request) -> Response:
        command = catalog_registration.deregister(await body_of(request), datacenter)
        await writes.propose(command)
        return json_answer(request, value=True)

    @routes.get("/v1/catalog/datacenters")
    async def datacenters(request: Request) -> Response:
        return json_answer(request, [datacenter])

    return routes
