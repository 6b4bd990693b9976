"""The few ASGI pieces that our plain application needs: types, sending a page, reading a bounded body."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any

from lictor_catalog.errors import ApiError
from lictor_catalog.page import Page

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

EVERY_ANSWER: tuple[Header, ...] = ((b"x-consul-default-acl-policy", b"allow"), (b"vary", b"Accept-Encoding"))
BODY_BYTES_MAX = 768 * 1024
"""Any body but a KV value; larger than every registration that fits into one proposal."""

ENCODINGS_KEPT_MAX = 64
"""Values of `Accept-Encoding`: a handful of clients' makes there are."""

DRAIN_BYTES_MAX = 8 * 1024 * 1024
"""Of a body that is refused for its length, as much as a well-meaning client may have sent by mistake."""


async def send_page(
    send: Send, page: Page, headers: Iterable[Header] = (), *, pretty: bool = False, compressed: bool = False
) -> None:
    """Send a whole answer."""
    body, is_compressed = page.form(pretty=pretty, compressed=compressed)
    out = page_headers(page, headers, len(body), compressed=is_compressed)
    await send({"type": "http.response.start", "status": page.status, "headers": out})
    await send({"type": "http.response.body", "body": body})


def page_headers(page: Page, headers: Iterable[Header], body_bytes: int, *, compressed: bool) -> list[Header]:
    """Every header of an answer, in the order in which it leaves."""
    out: list[Header] = [*EVERY_ANSWER, *headers, *page.headers, (b"content-length", b"%d" % body_bytes)]
    if page.content_type:
        out.append((b"content-type", page.content_type))
    if compressed:
        out.append((b"content-encoding", b"gzip"))
    return out


def encode_headers(headers: list[Header]) -> bytes:
    """Header lines, each with its end."""
    return b"".join([part for name, value in headers for part in (name, b": ", value, b"\r\n")])


def header(scope: Scope, name: bytes) -> bytes:
    """The first value of a request header (name in lower case), empty when it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def client_of(scope: Scope) -> str:
    """The client's address, empty when it is unknown."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def wants_gzip(scope: Scope) -> bool:
    """Whether the client takes gzip."""
    return accepts_gzip(header(scope, b"accept-encoding"))


@lru_cache(ENCODINGS_KEPT_MAX)
def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether an `Accept-Encoding` names gzip, and not with a quality of zero (RFC 9110, 12.5.3)."""
    for part in accept_encoding.lower().split(b","):
        name, _, quality = part.partition(b";")
        if name.strip() == b"gzip":
            key, _, value = quality.strip().partition(b"=")
            return key.strip() != b"q" or value.strip(b" 0.") != b""
    return False


async def read_body(receive: Receive, scope: Scope, limit: int, hint: str = "") -> bytes:
    """The whole body; raises `ApiError` 413 when it is longer than `limit`.

    What is too long is read and thrown away up to a bound: a client that still writes would otherwise meet a reset
    connection and never see the answer.
    """
    declared = header(scope, b"content-length")
    size_declared = int(declared) if declared.isdigit() else 0
    if size_declared > DRAIN_BYTES_MAX:
        raise _too_large(size_declared, limit, hint)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ApiError(400, "the client ended its request early")
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        else:
            parts.clear()
        ended = not message.get("more_body", False)
        if size > limit and (ended or size > DRAIN_BYTES_MAX):
            raise _too_large(size, limit, hint)
        if ended:
            return b"".join(parts)


def _too_large(size: int, limit: int, hint: str) -> ApiError:
    text = f"Request body({size} bytes) too large, max size: {limit} bytes.{hint}"
    return ApiError(413, text, ((b"connection", b"close"),))
