"""The process behind the agent: reload, host, metrics and the log as a stream (Consul's agent API)."""

import asyncio
import time
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from lictor_catalog import consul_json, host_facts, log_lines
from lictor_catalog.agent_process import AgentProcess
from lictor_catalog.asgi import Receive, Scope, Send
from lictor_catalog.http.exchange import answered, empty_answer, json_answer, params_of
from lictor_catalog.page import JSON, TEXT, Page

_PROMETHEUS_ACCEPTED = ("application/openmetrics-text", "text/plain; version=0.4.0", "text/plain;version=0.0.4")


def router(process: AgentProcess) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.put("/v1/agent/reload")
    async def reload(request: Request) -> Response:
        await process.reload()
        return empty_answer(request)

    @routes.get("/v1/agent/host")
    async def host(request: Request) -> Response:
        return json_answer(request, await asyncio.to_thread(host_facts.collect, process.disk, time.time_ns()))

    @routes.get("/v1/agent/metrics")
    async def metrics(request: Request) -> Response:
        if _wants_prometheus(request):
            return answered(request, Page(process.telemetry.prometheus(), content_type=CONTENT_TYPE_LATEST.encode()))
        return json_answer(request, process.telemetry.last())

    @routes.get("/v1/agent/metrics/stream")
    async def stream(_request: Request) -> Response:
        return _Streamed(process, _intervals(process), JSON)

    @routes.get("/v1/agent/monitor")
    async def monitor(request: Request) -> Response:
        params = params_of(request)
        level = log_lines.level_of(params.first("loglevel"))
        lines = process.log(level, as_json=params.has("logjson"))
        return _Streamed(process, lines, JSON if params.has("logjson") else TEXT)

    return routes


async def _intervals(process: AgentProcess) -> AsyncGenerator[bytes]:
    async for one in process.telemetry.intervals():
        yield consul_json.encode(one) + b"\n"


def _wants_prometheus(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return params_of(request).first("format") == "prometheus" or any(one in accepted for one in _PROMETHEUS_ACCEPTED)


class _Streamed(Response):
    """A stream in FastAPI's clothes."""

    def __init__(self, process: AgentProcess, pieces: AsyncGenerator[bytes], content_type: bytes) -> None:
        super().__init__()
        self._process, self._pieces, self._content_type = process, pieces, content_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until someone has enough."""
        await self._process.streams.serve(self._pieces, self._content_type, scope, receive, send)
