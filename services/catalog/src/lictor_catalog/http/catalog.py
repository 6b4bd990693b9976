"""`PUT /v1/catalog/deregister`, and the list of datacenters."""

from fastapi import APIRouter, Request, Response

from lictor_catalog import catalog_registration, consul_json
from lictor_catalog.consistency import Mode, read_options
from lictor_catalog.http.exchange import answered, body_of, json_answer, params_of
from lictor_catalog.page import Page
from lictor_catalog.writes import Writes

CACHED = ((b"x-cache", b"HIT"), (b"age", b"0"))
"""The one datacenter is known without asking."""


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
        options = read_options(params_of(request), cacheable=True)
        cached = CACHED if options.mode is Mode.CACHED else ()
        return answered(request, Page(consul_json.encode([datacenter]), headers=cached))

    return routes
