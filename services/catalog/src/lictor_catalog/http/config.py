"""Writes to `/v1/config`."""

from fastapi import APIRouter, Request, Response

from lictor_catalog.config_entries import request as config_request
from lictor_catalog.http.exchange import body_of, json_answer, params_of
from lictor_catalog.writes import Writes


def router(writes: Writes) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()

    @routes.put("/v1/config")
    async def put(request: Request) -> Response:
        """Write an entry whole; `cas` only at that ModifyIndex, 0 only if there is none."""
        command = config_request.put(params_of(request), await body_of(request))
        return json_answer(request, await writes.propose(command))

    @routes.delete("/v1/config/{rest:path}")
    async def delete(rest: str, request: Request) -> Response:
        """Delete an entry; one that is not there is gone already."""
        command = config_request.delete(rest, params_of(request))
        done = await writes.propose(command)
        return json_answer(request, done if command.cas is not None else {})

    return routes
