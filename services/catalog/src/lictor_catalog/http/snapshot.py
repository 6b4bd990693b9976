"""`/v1/snapshot`: GET saves the whole state as an archive, PUT restores one."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from lictor_catalog.asgi import EVERY_ANSWER
from lictor_catalog.consistency import Consistency, read_options
from lictor_catalog.errors import ApiError
from lictor_catalog.http.exchange import empty_answer, params_of
from lictor_catalog.ports import ViewPort
from lictor_catalog.snapshots import Snapshots

GZIP = b"application/x-gzip"


def router(snapshots: Snapshots, view: ViewPort, consistency: Consistency) -> APIRouter:
    """The family's routes."""
    routes = APIRouter()

    @routes.get("/v1/snapshot")
    async def save(request: Request) -> Response:
        contact = await consistency.settle(read_options(params_of(request), cacheable=False))
        store = view.store
        index = store.index
        response = StreamingResponse(await snapshots.save(store))
        response.raw_headers = [
            *EVERY_ANSWER,
            (b"content-type", GZIP),
            (b"x-consul-index", b"%d" % index),
            (b"x-consul-knownleader", b"true" if contact.known_leader else b"false"),
            (b"x-consul-lastcontact", b"%d" % (contact.last_contact_s * 1000)),
        ]
        return response

    @routes.put("/v1/snapshot")
    async def restore(request: Request) -> Response:
        await snapshots.restore(_body(request))
        return empty_answer(request)

    return routes


async def _body(request: Request) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ApiError(400, "the client ended its request early")
        body = message.get("body", b"")
        if body:
            yield body
        if not message.get("more_body", False):
            return
