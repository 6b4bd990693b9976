"""The hot reads as a plain ASGI application: path to plan, plan to shared bytes, bytes to the client.

No model, no routing by regular expressions, no copy per request. Every blocking read of the API is answered here;
what is not in its table is the rest of the application's business.
"""

import asyncio
from typing import NamedTuple

from lictor_catalog import event_stream
from lictor_catalog.asgi import Header, Receive, Scope, Send, client_of, header, send_page, wants_gzip
from lictor_catalog.blocking_query import BlockingQueries, Plan
from lictor_catalog.consistency import (
    Consistency,
    Contact,
    Mode,
    ReadOptions,
    honour_cache_control,
    read_options,
    waiting_options,
)
from lictor_catalog.event_stream import EventStreams
from lictor_catalog.page import Page
from lictor_catalog.plans import (
    agent,
    ca,
    catalog,
    config_entry,
    coordinate,
    dns_explain,
    event,
    gateway,
    health,
    intentions,
    kv,
    prepared_query,
    session,
    usage,
)
from lictor_catalog.plans.identity import Identity, PlanOf
from lictor_catalog.request import Params


class Read(NamedTuple):
    """How a route is read: its plan; whether `?cached` is honoured; whether it speaks for the agent only.

    An agent's reads carry no index, are answered without a leader too, and look at no modes. With `by_hash` they may
    block on a hash; with `own_index` they carry an index that is none of the store, and block on that.
    """

    plan: PlanOf
    cacheable: bool = False
    local: bool = False
    own_index: bool = False
    by_hash: bool = False


READS: dict[str, Read] = {
    "/v1/agent/checks": Read(agent.checks, local=True),
    "/v1/agent/connect/ca/roots": Read(ca.roots, cacheable=True),
    "/v1/agent/members": Read(agent.members, local=True),
    "/v1/agent/service/": Read(agent.service, local=True, by_hash=True),
    "/v1/agent/services": Read(agent.services, local=True),
    "/v1/catalog/connect/": Read(catalog.connect, cacheable=True),
    "/v1/catalog/gateway-services/": Read(gateway.services),
    "/v1/catalog/node-services/": Read(catalog.node_services),
    "/v1/catalog/node/": Read(catalog.node),
    "/v1/catalog/nodes": Read(catalog.nodes),
    "/v1/catalog/service/": Read(catalog.service, cacheable=True),
    "/v1/catalog/services": Read(catalog.services, cacheable=True),
    "/v1/config/": Read(config_entry.entry, cacheable=True),
    "/v1/connect/ca/roots": Read(ca.roots),
    "/v1/connect/intentions": Read(intentions.intentions),
    "/v1/connect/intentions/": Read(intentions.by_id),
    "/v1/connect/intentions/check": Read(intentions.check),
    "/v1/connect/intentions/exact": Read(intentions.exact),
    "/v1/connect/intentions/match": Read(intentions.match, cacheable=True),
    "/v1/coordinate/datacenters": Read(coordinate.datacenters, local=True),
    "/v1/coordinate/node/": Read(coordinate.node),
    "/v1/coordinate/nodes": Read(coordinate.nodes),
    "/v1/event/list": Read(event.events, local=True, own_index=True),
    "/v1/health/checks/": Read(health.checks),
    "/v1/health/connect/": Read(health.connect, cacheable=True),
    "/v1/health/ingress/": Read(gateway.ingress),
    "/v1/health/node/": Read(health.node),
    "/v1/health/service/": Read(health.service, cacheable=True),
    "/v1/health/state/": Read(health.state),
    "/v1/internal/dns/explain": Read(dns_explain.explain),
    "/v1/kv/": Read(kv.entry),
    "/v1/operator/usage": Read(usage.usage),
    "/v1/query": Read(prepared_query.prepared_queries),
    "/v1/session/info/": Read(session.info),
    "/v1/session/list": Read(session.sessions),
    "/v1/session/node/": Read(session.of_node),
}


class Prepared(NamedTuple):
    """A judged GET: what it reads and how."""

    read: Read
    plan: Plan
    options: ReadOptions
    pretty: bool

    @property
    def may_wait(self) -> bool:
        """Whether it is a blocking query."""
        return bool(self.options.min_index or self.options.content_hash)


class FastReads:
    """Answers the routes of `READS`."""

    def __init__(
        self, who: Identity, queries: BlockingQueries, consistency: Consistency, streams: EventStreams
    ) -> None:
        self._who = who
        self._queries = queries
        self._consistency = consistency
        self._streams = streams

    def prepare(self, route: str, rest: str, params: Params, cache_control: bytes) -> Prepared:
        """Judge one GET; raises `ApiError`. The same arguments always make an equal result."""
        read = READS[route]
        options = _local_options(read, params) if read.local else read_options(params, cacheable=read.cacheable)
        if cache_control:
            options = honour_cache_control(options, cache_control.decode("latin-1"))
        plan = read.plan(rest, params, self._who)
        return Prepared(read, plan, options, params.has("pretty"))

    async def answer(self, route: str, rest: str, params: Params, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one GET; raises `ApiError`."""
        prepared = self.prepare(route, rest, params, header(scope, b"cache-control"))
        if event_stream.is_asked(params, scope):
            settle = self._consistency.settle_local if prepared.read.local else self._consistency.settle
            watched = event_stream.Watched(route, params, prepared.plan, prepared.options, settle, client_of(scope))
            await self._streams.answer(watched, scope, receive, send)
            return
        page, contact = await self._page(prepared, receive, client_of(scope))
        headers = agent_headers(page) if prepared.read.local else read_headers(page, contact)
        await send_page(send, page, headers, pretty=prepared.pretty, compressed=wants_gzip(scope))

    async def _page(self, prepared: Prepared, receive: Receive, client: str) -> tuple[Page, Contact]:
        _, plan, options, _ = prepared
        settle = self._consistency.settle_local if prepared.read.local else self._consistency.settle
        if not prepared.may_wait:
            return await self._queries.read(plan, options, settle)
        # A client that hangs up must not hold a waiter for minutes: its socket is watched while the query sleeps.
        watching = asyncio.create_task(_disconnected(receive), name="client")
        try:
            return await self._queries.read(plan, options, settle, watching, client)
        finally:
            watching.cancel()


def _local_options(read: Read, params: Params) -> ReadOptions:
    """What a read of the agent may be asked for."""
    if not read.own_index and not read.by_hash:
        return ReadOptions()
    options = waiting_options(params)
    if read.own_index:
        return options
    return ReadOptions(wait_s=options.wait_s, content_hash=params.first("hash"))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_CONSISTENCY: dict[Mode, Header] = {
    mode: (b"x-consul-effective-consistency", Mode.STALE.value if mode is Mode.CACHED else mode.value) for mode in Mode
}
_BACKEND = (b"x-consul-query-backend", b"blocking-query")
_KNOWN = (b"x-consul-knownleader", b"true")
_UNKNOWN = (b"x-consul-knownleader", b"false")


def agent_headers(page: Page) -> list[Header]:
    """What an agent's answer says: an index of its own, if it has one."""
    return [(b"x-consul-index", b"%d" % page.index)] if page.index else []


def read_headers(page: Page, contact: Contact) -> list[Header]:
    """What an answer says about its index and its age."""
    mode = contact.mode
    headers: list[Header] = [
        _KNOWN if contact.known_leader else _UNKNOWN,
        (b"x-consul-lastcontact", b"%d" % (contact.last_contact_s * 1000)),
        _CONSISTENCY[mode],
        _BACKEND,
    ]
    if page.index:
        headers.append((b"x-consul-index", b"%d" % page.index))
    if mode is Mode.CACHED:
        headers += ((b"x-cache", b"HIT"), (b"age", b"%d" % contact.last_contact_s))
    return headers
