"""`PUT /v1/event/fire/:name`: a row of the store, and word to the gossips, one of which tells the pool (ADR 0015)."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from lictor_bus.pool_frames import EventNotice
from lictor_catalog import event_request
from lictor_catalog.http.exchange import body_of, json_answer, params_of
from lictor_catalog.ports import GossipPort
from lictor_catalog.writes import Writes


def router(writes: Writes, gossip: GossipPort, new_id: Callable[[], str]) -> APIRouter:
    """The family's routes; `new_id` gives a UUID."""
    routes = APIRouter()

    @routes.put("/v1/event/fire/{name:path}")
    async def fire(name: str, request: Request) -> Response:
        # as in Consul, a body without a length is no payload
        payload = await body_of(request) if request.headers.get("content-length", "0") != "0" else b""
        command = event_request.fire(name, params_of(request), payload, new_id())
        await writes.propose(command)
        await gossip.announce(
            EventNotice(
                command.event_id,
                command.name,
                command.payload,
                command.node_filter,
                command.service_filter,
                command.tag_filter,
                command.version,
            )
        )
        return json_answer(request, event_request.shown(command))

    return routes
