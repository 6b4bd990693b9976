"""One request of the rare endpoints, with what the front door found out about it, and its answer."""

from typing import Any, cast

from fastapi import Request, Response

from lictor_catalog.asgi import BODY_BYTES_MAX, EVERY_ANSWER, read_body, wants_gzip
from lictor_catalog.page import Page, json_page
from lictor_catalog.request import Params


def params_of(request: Request) -> Params:
    """The parsed query."""
    return cast("Params", request.scope["lictor.params"])


async def body_of(request: Request, limit: int = BODY_BYTES_MAX, hint: str = "") -> bytes:
    """The whole body; raises `ApiError` 413."""
    return await read_body(request.receive, request.scope, limit, hint)


def answered(request: Request, page: Page) -> Response:
    """A page as FastAPI sends it."""
    body, is_compressed = page.form(pretty=params_of(request).has("pretty"), compressed=wants_gzip(request.scope))
    response = Response(body, page.status)
    headers = [*EVERY_ANSWER, *page.headers, (b"content-length", str(len(body)).encode())]
    if page.content_type:
        headers.append((b"content-type", page.content_type))
    if is_compressed:
        headers.append((b"content-encoding", b"gzip"))
    response.raw_headers = headers
    return response


def json_answer(request: Request, value: Any) -> Response:
    """A JSON value."""
    return answered(request, json_page(value))


def empty_answer(request: Request) -> Response:
    """200 without a body, as Consul answers what has no result."""
    return answered(request, Page(b"", content_type=b""))
