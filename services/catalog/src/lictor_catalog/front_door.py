"""The rules that hold before any endpoint (Consul's HTTP API, general rules), as ASGI middleware before FastAPI.

Unclean paths are redirected, unknown ones and methods that a route does not allow are refused, `OPTIONS` is answered,
common parameters are judged, and every error leaves as bare text. The fast reads and writes and the API's
description are answered on the spot, the rest goes on to FastAPI's routes.
"""

import html
import time
from functools import partial
from urllib.parse import quote

from lictor_catalog import clean_path, routes
from lictor_catalog.access import Access
from lictor_catalog.asgi import Application, Receive, Scope, Send, send_page, wants_gzip
from lictor_catalog.errors import ApiError
from lictor_catalog.fast_reads import READS, FastReads
from lictor_catalog.fast_writes import FastWrites
from lictor_catalog.metrics import CatalogMetrics
from lictor_catalog.openapi import served
from lictor_catalog.page import Page, text_page
from lictor_catalog.plain_errors import Answering
from lictor_catalog.request import judge_common, judge_path, parse

NOT_AN_ENDPOINT = "Invalid URL path: not a recognized HTTP API endpoint"
NOT_THE_API = "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'"
ROOT = "Lictor: Consul's HTTP API is below /v1/"


class FrontDoor:
    """Middleware: `application` is whatever FastAPI routes to."""

    def __init__(
        self,
        app: Application,
        *,
        reads: FastReads,
        writes: FastWrites,
        datacenter: str,
        metrics: CatalogMetrics,
        access: Access,
    ) -> None:
        self._app = app
        self._access = access
        self._reads = reads
        self._writes = writes
        self._datacenter = datacenter
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        found = routes.find(scope["path"])
        answering = Answering(send)
        try:
            await answering.run(partial(self._answer, found), scope, receive)
        finally:
            route = found.route if found else "none"
            self._metrics.request(route, answering.status, time.perf_counter() - started)

    async def _answer(self, found: routes.Found | None, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        judge_path(scope.get("raw_path") or b"")
        if not clean_path.is_clean(path):
            await _redirect(send, clean_path.cleaned(path), scope)
            return
        if path in served.PATHS:
            await _describe(send, scope)
            return
        client = scope.get("client")
        self._access.judge(method, path, client[0] if client else "")
        if found is None:
            if f"{path}/" in routes.ROUTES:
                await _redirect(send, f"{path}/", scope)
            elif path == "/":
                await send_page(send, text_page(ROOT, 200))
            else:
                raise ApiError(404, NOT_AN_ENDPOINT if "/v1/" in path else NOT_THE_API)
            return
        if method not in routes.methods(found):
            allow = ((b"allow", routes.allowed(found)),)
            if method != "OPTIONS":
                raise ApiError(405, f"method {method} not allowed", allow)
            await send_page(send, Page(b"", content_type=b""), allow)
            return
        if not path.isprintable():
            raise ApiError(400, "the path has unprintable characters")
        params = parse(scope["query_string"])
        judge_common(params, scope["headers"], None if routes.of_agent(found.route) else self._datacenter)
        if method == "GET" and found.route in READS:
            await self._reads.answer(found.route, found.rest, params, scope, receive, send)
            return
        write = self._writes.find(method, found.route)
        if write is not None:
            await self._writes.answer(write, found.rest, params, scope, receive, send)
            return
        scope["lictor.params"] = params
        await self._app(scope, receive, send)


async def _describe(send: Send, scope: Scope) -> None:
    if scope["method"] not in served.METHODS:
        raise ApiError(405, f"method {scope['method']} not allowed", ((b"allow", ",".join(served.METHODS).encode()),))
    pretty = parse(scope["query_string"]).has("pretty")
    await send_page(send, served.served(scope["path"]), pretty=pretty, compressed=wants_gzip(scope))


async def _redirect(send: Send, path: str, scope: Scope) -> None:
    """As Go's mux: the page is for those who read."""
    query = scope["query_string"]
    location = quote(path, safe="/:@!$&'()*+,;=~-._").encode() + (b"?" + query if query else b"")
    if scope["method"] not in {"GET", "HEAD"}:
        await send_page(send, Page(b"", status=301, content_type=b""), ((b"location", location),))
        return
    body = f'<a href="{html.escape(location.decode("latin-1"))}">Moved Permanently</a>.\n\n'.encode()
    page = Page(body, status=301, content_type=b"text/html; charset=utf-8")
    await send_page(send, page, ((b"location", location),))
