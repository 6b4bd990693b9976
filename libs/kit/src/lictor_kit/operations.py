"""The operations port: `/livez`, `/readyz` and `/metrics`, plain ASGI on uvicorn.

`/livez` answers when the event loop turns; `/readyz` answers 200 or 503 with what is missing; `/metrics` is
Prometheus text. The port has no authentication and shows no user data: it binds where the process binds.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from lictor_kit.readiness import Readiness

# Probes and one scraper; more than this at once is a mistake, and gets 503 from uvicorn.
CONNECTIONS_MAX = 64
# A scrape in flight at shutdown may finish; it takes milliseconds.
GRACE_S = 1

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class OperationsServer:
    """Serves the three paths until stopped.

    Args:
        host: address to bind.
        port: TCP port; 0 takes a free one, `port` then names it after `start`.
        readiness: what `/readyz` shows.
        registry: what `/metrics` shows.
    """

    def __init__(self, host: str, port: int, readiness: Readiness, registry: CollectorRegistry) -> None:
        self.host = host
        self.port = port
        self._readiness = readiness
        self._registry = registry
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind and begin to answer.

        Raises:
            OSError: the address cannot be bound.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, self.port), family=family)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            proxy_headers=False,
            http="httptools",
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="operations")
        await self._server.up.wait()

    async def stop(self) -> None:
        """Answer what is in flight and close."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await self._task

    async def _app(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, content_type, body = self._answer(scope["path"])
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        match path:
            case "/livez":
                return 200, "text/plain; charset=utf-8", b"ok\n"
            case "/readyz":
                return (200 if self._readiness.ready else 503), "application/json", self._readiness.json()
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        return 404, "text/plain; charset=utf-8", b"/livez, /readyz and /metrics are served here\n"


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers (signals belong to `service.run`), and with an event for its start."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
