"""The list of datacenters."""

from fastapi import APIRouter, Request, Response

from lictor_catalog import consul_json
from lictor_catalog.consistency import Mode, read_options
from lictor_catalog.http.exchange import answered, params_of
from lictor_catalog.page import Page

CACHED = ((b"x-cache", b"HIT"), (b"age", b"0"))
"""The one datacenter is known without asking."""


def router(datacenter: str) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()

    @routes.get("/v1/catalog/datacenters")
    async def datacenters(request: Request) -> Response:
        options = read_options(params_of(request), cacheable=True)
        cached = CACHED if options.mode is Mode.CACHED else ()
        return answered(request, Page(consul_json.encode([datacenter]), headers=cached))

    return routes
