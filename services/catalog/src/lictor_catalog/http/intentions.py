"""Writes to `/v1/connect/intentions`, by names and (legacy) by id."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from lictor_catalog import intention_request
from lictor_catalog.http.exchange import body_of, json_answer, params_of
from lictor_catalog.writes import Writes
from lictor_state.commands import IntentionDelete


def router(writes: Writes, now: Callable[[], str], new_id: Callable[[], str]) -> APIRouter:
    """The family's routes; `now` gives RFC 3339, `new_id` a UUID."""
    routes = APIRouter()

    @routes.put("/v1/connect/intentions/exact")
    async def put_exact(request: Request) -> Response:
        command = intention_request.upsert_exact(params_of(request), await body_of(request), now())
        await writes.propose(command)
        return json_answer(request, value=True)

    @routes.delete("/v1/connect/intentions/exact")
    async def delete_exact(request: Request) -> Response:
        await writes.propose(intention_request.delete_exact(params_of(request)))
        return json_answer(request, value=True)

    @routes.post("/v1/connect/intentions")
    async def create(request: Request) -> Response:
        command = intention_request.upsert_legacy(await body_of(request), new_id(), now(), create=True)
        await writes.propose(command)
        return json_answer(request, {"ID": command.legacy_id})

    @routes.put("/v1/connect/intentions/{intention_id:path}")
    async def update(intention_id: str, request: Request) -> Response:
        given = intention_request.legacy_id(intention_id)
        command = intention_request.upsert_legacy(await body_of(request), given, now(), create=False)
        await writes.propose(command)
        return json_answer(request, {"ID": given})

    @routes.delete("/v1/connect/intentions/{intention_id:path}")
    async def delete(intention_id: str, request: Request) -> Response:
        await writes.propose(IntentionDelete(legacy_id=intention_request.legacy_id(intention_id)))
        return json_answer(request, value=True)

    return routes
