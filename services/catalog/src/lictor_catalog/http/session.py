"""Writes to `/v1/session`: creating, destroying and renewing."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from lictor_bus.proposer import NoLeaderError
from lictor_catalog import consul_json, session_request
from lictor_catalog.consistency import Consistency, ReadOptions
from lictor_catalog.errors import ApiError
from lictor_catalog.http.exchange import body_of, json_answer
from lictor_catalog.ports import RenewalsPort, ViewPort
from lictor_catalog.writes import Writes
from lictor_state.commands import SessionDestroy


def router(
    *,
    node: str,
    writes: Writes,
    renewals: RenewalsPort,
    view: ViewPort,
    consistency: Consistency,
    new_id: Callable[[], str],
) -> APIRouter:
    """The family's routes; `node` is this agent's, `new_id` gives a UUID."""
    routes = APIRouter()

    @routes.put("/v1/session/create")
    async def create(request: Request) -> Response:
        command = session_request.create(await body_of(request), node, new_id())
        return json_answer(request, {"ID": await writes.propose(command)})

    @routes.put("/v1/session/destroy/{session_id:path}")
    async def destroy(session_id: str, request: Request) -> Response:
        await writes.propose(SessionDestroy(_given(session_id)))
        return json_answer(request, value=True)

    @routes.put("/v1/session/renew/{session_id:path}")
    async def renew(session_id: str, request: Request) -> Response:
        try:
            known = await renewals.renew(_given(session_id))
        except NoLeaderError as error:
            raise ApiError(500, str(error)) from None
        row = view.store.session(session_id)
        if known and row is None:  # just made: the leader knows it before this view does
            await consistency.settle(ReadOptions())
            row = view.store.session(session_id)
        if not known or row is None:
            raise ApiError(404, f"Session id '{session_id}' not found")
        return json_answer(request, [consul_json.session(row)])

    return routes


def _given(session_id: str) -> str:
    if not session_id:
        raise ApiError(400, "Missing session")
    return session_id
