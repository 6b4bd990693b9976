"""Writes to `/v1/kv/:key`."""

from fastapi import APIRouter, Request, Response

from lictor_catalog import kv_request
from lictor_catalog.http.exchange import body_of, json_answer, params_of
from lictor_catalog.writes import Writes

LIMIT_HINT = " See https://developer.hashicorp.com/docs/agent/config/config-files#kv_max_value_size."
"""Clients look for the beginning of this text only; the rest tells a person which of Consul's limits it is."""


def router(writes: Writes) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()

    @routes.put("/v1/kv/{key:path}")
    async def put(key: str, request: Request) -> Response:
        value = await body_of(request, kv_request.VALUE_BYTES_MAX, LIMIT_HINT)
        command = kv_request.put(key, params_of(request), value)
        return json_answer(request, await writes.propose(command))

    @routes.delete("/v1/kv/{key:path}")
    async def delete(key: str, request: Request) -> Response:
        command = kv_request.delete(key, params_of(request))
        return json_answer(request, await writes.propose(command))

    return routes
