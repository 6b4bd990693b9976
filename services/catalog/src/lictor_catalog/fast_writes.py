"""The hot writes as a plain ASGI application: path, parameters and body to a command, its result to bytes.

Most of them are answered by `hot_writes`, with the same table. No model, no routing by regular expressions: measured on
`PUT /v1/kv/:key`, FastAPI's way to the same few lines was half of the process's time. What a body means is judged by
the module of its family; writes that are not in the table are routes of FastAPI.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from lictor_catalog import agent_commands, catalog_registration, kv_request
from lictor_catalog.agent_writes import AgentWrites
from lictor_catalog.asgi import BODY_BYTES_MAX, Receive, Scope, Send, read_body, send_page, wants_gzip
from lictor_catalog.body_decoding import body_object
from lictor_catalog.check_definition import AGENT_CHECK, agent_check
from lictor_catalog.errors import ApiError
from lictor_catalog.page import Page, json_page
from lictor_catalog.request import Params, boolean
from lictor_catalog.service_definition import AGENT_SERVICE, agent_registration
from lictor_catalog.writes import Value, Writes
from lictor_state.commands import (
    AgentCheckDeregister,
    AgentServiceDeregister,
    CatalogDeregister,
    CatalogRegister,
    Command,
    KVDelete,
    KVDeleteTree,
)

KV_LIMIT_HINT = " See https://developer.hashicorp.com/docs/agent/config/config-files#kv_max_value_size."
"""Clients look for the beginning of this text only; the rest tells a person which of Consul's limits it is."""

TRUE = json_page(value=True)
EMPTY = Page(b"", content_type=b"")


def told_value(value: Value) -> Page:
    """The answer of a write that tells its result."""
    return TRUE if value is True else json_page(value)


def told_true(_value: Value) -> Page:
    """The answer of a registration in the catalog."""
    return TRUE


def told_nothing(_value: Value) -> Page:
    """The answer of a write through the agent."""
    return EMPTY


class Write(NamedTuple):
    """How a route is written.

    `command` takes what follows the route in the path, the parameters and the body, and raises `ApiError`; `page` makes
    the answer of the command's result. A body may be `body_bytes_max` long; where that is 0 it is not read.
    """

    command: Callable[[str, Params, bytes], Command]
    page: Callable[[Value], Page]
    body_bytes_max: int = 0
    hint: str = ""


class Update(NamedTuple):
    """A write that is no command of the store: what does it, without a body."""

    run: Callable[[str, Params], Awaitable[Page]]


class FastWrites:
    """Answers the writes of its table."""

    def __init__(self, writes: Writes, agent: AgentWrites, datacenter: str) -> None:
        self._writes = writes
        self._agent = agent
        self._datacenter = datacenter
        self.commands: dict[tuple[str, str], Write] = {
            ("PUT", "/v1/agent/check/deregister/"): Write(self._check_deregister, told_nothing),
            ("PUT", "/v1/agent/check/register"): Write(self._check_register, told_nothing, BODY_BYTES_MAX),
            ("PUT", "/v1/agent/service/deregister/"): Write(self._service_deregister, told_nothing),
            ("PUT", "/v1/agent/service/register"): Write(self._service_register, told_nothing, BODY_BYTES_MAX),
            ("PUT", "/v1/catalog/deregister"): Write(self._deregister, told_true, BODY_BYTES_MAX),
            ("PUT", "/v1/catalog/register"): Write(self._register, told_true, BODY_BYTES_MAX),
            ("PUT", "/v1/kv/"): Write(kv_request.put, told_value, kv_request.VALUE_BYTES_MAX, KV_LIMIT_HINT),
            ("DELETE", "/v1/kv/"): Write(_kv_delete, told_value),
        }
        self._updates: dict[tuple[str, str], Update] = {
            ("PUT", "/v1/agent/check/fail/"): Update(self._check_fail),
            ("PUT", "/v1/agent/check/pass/"): Update(self._check_pass),
            ("PUT", "/v1/agent/check/warn/"): Update(self._check_warn),
        }

    def find(self, method: str, route: str) -> Write | Update | None:
        """The write of a route, None when it is not a fast one."""
        return self.commands.get((method, route)) or self._updates.get((method, route))

    async def answer(
        self, write: Write | Update, rest: str, params: Params, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request; raises `ApiError`."""
        if isinstance(write, Update):
            page = await write.run(rest, params)
        else:
            limit = write.body_bytes_max
            body = await read_body(receive, scope, limit, write.hint) if limit else b""
            page = write.page(await self._writes.propose(write.command(rest, params, body)))
        await send_page(send, page, pretty=params.has("pretty"), compressed=wants_gzip(scope))

    # -- commands

    def _register(self, _rest: str, _params: Params, body: bytes) -> CatalogRegister:
        return catalog_registration.register(body, self._datacenter)

    def _deregister(self, _rest: str, _params: Params, body: bytes) -> CatalogDeregister:
        return catalog_registration.deregister(body, self._datacenter)

    def _service_register(self, _rest: str, params: Params, body: bytes) -> Command:
        asked = params.first("replace-existing-checks")
        replace = params.has("replace-existing-checks") and (not asked or boolean(asked) is True)
        about = self._agent.about
        wanted = agent_registration(body_object(body, AGENT_SERVICE))
        return agent_commands.register_service(about.node, about.ports, wanted, replace=replace)

    def _service_deregister(self, service_id: str, _params: Params, _body: bytes) -> AgentServiceDeregister:
        if not service_id:
            raise ApiError(400, "Missing service ID")
        return AgentServiceDeregister(self._agent.about.node.name, service_id)

    def _check_register(self, _rest: str, _params: Params, body: bytes) -> Command:
        return agent_commands.register_check(self._agent.about.node, agent_check(body_object(body, AGENT_CHECK)))

    def _check_deregister(self, check_id: str, _params: Params, _body: bytes) -> AgentCheckDeregister:
        return AgentCheckDeregister(self._agent.about.node.name, check_id)

    # -- updates of TTL checks

    async def _check_pass(self, check_id: str, params: Params) -> Page:
        await self._agent.update_ttl(check_id, "passing", params.first("note"))
        return EMPTY

    async def _check_warn(self, check_id: str, params: Params) -> Page:
        await self._agent.update_ttl(check_id, "warning", params.first("note"))
        return EMPTY

    async def _check_fail(self, check_id: str, params: Params) -> Page:
        await self._agent.update_ttl(check_id, "critical", params.first("note"))
        return EMPTY


def _kv_delete(key: str, params: Params, _body: bytes) -> KVDelete | KVDeleteTree:
    return kv_request.delete(key, params)
