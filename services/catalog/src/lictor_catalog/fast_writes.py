"""The hot writes as a plain ASGI application: path, parameters and body to a command, its result to bytes.

No model, no routing by regular expressions: measured on `PUT /v1/kv/:key`, FastAPI's way to the same few lines was
half of the process's time. What a body means is judged by the module of its family; writes that are not in the table
are routes of FastAPI.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from lictor_catalog import catalog_registration, kv_request
from lictor_catalog.agent_writes import AgentWrites
from lictor_catalog.asgi import BODY_BYTES_MAX, Receive, Scope, Send, read_body, send_page, wants_gzip
from lictor_catalog.page import Page, json_page
from lictor_catalog.request import Params, boolean
from lictor_catalog.writes import Writes

KV_LIMIT_HINT = " See https://developer.hashicorp.com/docs/agent/config/config-files#kv_max_value_size."
"""Clients look for the beginning of this text only; the rest tells a person which of Consul's limits it is."""

_TRUE = json_page(value=True)
_EMPTY = Page(b"", content_type=b"")

Run = Callable[[str, Params, bytes], Awaitable[Page]]
"""Takes what follows the route in the path, the parameters and the body; gives the answer or raises `ApiError`."""


class Write(NamedTuple):
    """How a route is written: what does it, and how long its body may be; without a limit the body is not read."""

    run: Run
    body_bytes_max: int = 0
    hint: str = ""


class FastWrites:
    """Answers the writes of its table."""

    def __init__(self, writes: Writes, agent: AgentWrites, datacenter: str) -> None:
        self._writes = writes
        self._agent = agent
        self._datacenter = datacenter
        self._table: dict[tuple[str, str], Write] = {
            ("PUT", "/v1/agent/check/fail/"): Write(self._check_fail),
            ("PUT", "/v1/agent/check/pass/"): Write(self._check_pass),
            ("PUT", "/v1/agent/check/warn/"): Write(self._check_warn),
            ("PUT", "/v1/agent/service/register"): Write(self._agent_service_register, BODY_BYTES_MAX),
            ("PUT", "/v1/catalog/register"): Write(self._catalog_register, BODY_BYTES_MAX),
            ("PUT", "/v1/kv/"): Write(self._kv_put, kv_request.VALUE_BYTES_MAX, KV_LIMIT_HINT),
            ("DELETE", "/v1/kv/"): Write(self._kv_delete),
        }

    def find(self, method: str, route: str) -> Write | None:
        """The write of a route, None when it is not a fast one."""
        return self._table.get((method, route))

    async def answer(self, write: Write, rest: str, params: Params, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises `ApiError`."""
        limit = write.body_bytes_max
        body = await read_body(receive, scope, limit, write.hint) if limit else b""
        page = await write.run(rest, params, body)
        await send_page(send, page, pretty=params.has("pretty"), compressed=wants_gzip(scope))

    async def _kv_put(self, key: str, params: Params, body: bytes) -> Page:
        value = await self._writes.propose(kv_request.put(key, params, body))
        return _TRUE if value is True else json_page(value)

    async def _kv_delete(self, key: str, params: Params, _body: bytes) -> Page:
        value = await self._writes.propose(kv_request.delete(key, params))
        return _TRUE if value is True else json_page(value)

    async def _catalog_register(self, _rest: str, _params: Params, body: bytes) -> Page:
        await self._writes.propose(catalog_registration.register(body, self._datacenter))
        return _TRUE

    async def _agent_service_register(self, _rest: str, params: Params, body: bytes) -> Page:
        asked = params.first("replace-existing-checks")
        replace = params.has("replace-existing-checks") and (not asked or boolean(asked) is True)
        await self._agent.register_service(body, replace=replace)
        return _EMPTY

    async def _check_pass(self, check_id: str, params: Params, _body: bytes) -> Page:
        await self._agent.update_ttl(check_id, "passing", params.first("note"))
        return _EMPTY

    async def _check_warn(self, check_id: str, params: Params, _body: bytes) -> Page:
        await self._agent.update_ttl(check_id, "warning", params.first("note"))
        return _EMPTY

    async def _check_fail(self, check_id: str, params: Params, _body: bytes) -> Page:
        await self._agent.update_ttl(check_id, "critical", params.first("note"))
        return _EMPTY
