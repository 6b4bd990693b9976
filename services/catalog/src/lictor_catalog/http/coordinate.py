"""`PUT /v1/coordinate/update`."""

from fastapi import APIRouter, Request, Response

from lictor_catalog import coordinate_updates
from lictor_catalog.coordinate_updates import CoordinateUpdates
from lictor_catalog.http.exchange import body_of, empty_answer


def router(updates: CoordinateUpdates, datacenter: str) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()

    @routes.put("/v1/coordinate/update")
    async def update(request: Request) -> Response:
        updates.take(coordinate_updates.update(await body_of(request), datacenter))
        return empty_answer(request)

    return routes
