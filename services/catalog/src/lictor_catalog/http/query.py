"""`/v1/query`: defining, executing and explaining prepared queries.

What a query finds comes from this process's view and from its dice, so no two executions share an answer. A template is
executed by a name that begins as its own does, never by its id.
"""

import ipaddress
from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from lictor_catalog import consul_json, query_json, query_request
from lictor_catalog.asgi import header
from lictor_catalog.consistency import Consistency, Contact, Mode, honour_cache_control, read_options
from lictor_catalog.errors import ApiError
from lictor_catalog.fast_reads import read_headers
from lictor_catalog.http.exchange import answered, body_of, empty_answer, json_answer, params_of
from lictor_catalog.page import Page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.ports import ViewPort
from lictor_catalog.read_meta import encode_beside
from lictor_catalog.writes import Writes
from lictor_state import queries
from lictor_state.commands import PreparedQueryDelete
from lictor_state.prepared_query_rows import PreparedQueryRow
from lictor_state.queries.prepared_execution import Asker, execute
from lictor_state.queries.prepared_query import TemplateByIdError, resolve

EXECUTE, EXPLAIN = "/execute", "/explain"
NOT_FOUND = "Query not found"


def router(
    who: Identity,
    writes: Writes,
    view: ViewPort,
    consistency: Consistency,
    new_id: Callable[[], str],
    dice: Callable[[], float],
) -> APIRouter:
    """The family's routes; `new_id` gives a UUID, `dice` a number in [0, 1)."""
    routes = APIRouter()

    @routes.post("/v1/query")
    async def create(request: Request) -> Response:
        command = query_request.create(await body_of(request), new_id())
        return json_answer(request, {"ID": await writes.propose(command)})

    @routes.put("/v1/query/{query_id:path}")
    async def update(query_id: str, request: Request) -> Response:
        _refuse_verbs(query_id, request)
        await writes.propose(query_request.update(await body_of(request), query_id.lower()))
        return empty_answer(request)

    @routes.delete("/v1/query/{query_id:path}")
    async def delete(query_id: str, request: Request) -> Response:
        _refuse_verbs(query_id, request)
        await writes.propose(PreparedQueryDelete(query_id.lower()))
        return empty_answer(request)

    @routes.get("/v1/query/{rest:path}")
    async def read(rest: str, request: Request) -> Response:
        if rest.endswith(EXECUTE):
            return await run(rest.removesuffix(EXECUTE), request)
        contact = await settled(request, cacheable=False)
        if rest.endswith(EXPLAIN):
            row = _resolved(view, rest.removesuffix(EXPLAIN))
            shown = query_json.ShownExplained(query=query_json.query(row))
            return _answer(request, Page(encode_beside(shown, contact, _level(contact)), index=1), contact)
        answer = queries.prepared_query.prepared_query(view.store, rest.lower())
        if answer.value is None:
            raise ApiError(404, NOT_FOUND)
        page = Page(consul_json.encode([query_json.query(answer.value)]), index=answer.index)
        return _answer(request, page, contact)

    async def run(name: str, request: Request) -> Response:
        asked = query_request.execution(params_of(request))
        contact = await settled(request, cacheable=True)
        row = _resolved(view, name)
        found = execute(
            view.store,
            row.definition.service,
            Asker(who.node, asker_address(request)),
            dice,
            near=asked.near,
            limit=asked.limit,
            connect=asked.connect,
        )
        shown = query_json.executed(row, found, who.datacenter)
        return _answer(request, Page(encode_beside(shown, contact, _level(contact)), index=1), contact)

    async def settled(request: Request, *, cacheable: bool) -> Contact:
        options = read_options(params_of(request), cacheable=cacheable)
        if options.mode is Mode.CACHED:
            options = honour_cache_control(options, header(request.scope, b"cache-control").decode("latin-1"))
        return await consistency.settle(options)

    return routes


def asker_address(request: Request) -> str:
    """The address that a request came from: the first that a proxy names, else the connection's."""
    forwarded = header(request.scope, b"x-forwarded-for").decode("latin-1").partition(",")[0].strip()
    client = request.client
    for address in (forwarded, client.host if client is not None else ""):
        try:
            return str(ipaddress.ip_address(address))
        except ValueError:
            continue
    return ""


def _resolved(view: ViewPort, name: str) -> PreparedQueryRow:
    try:
        row = resolve(view.store, name)
    except TemplateByIdError as error:
        raise ApiError(500, str(error)) from None
    if row is None:
        raise ApiError(404, NOT_FOUND)
    return row


def _refuse_verbs(rest: str, request: Request) -> None:
    if rest.endswith((EXECUTE, EXPLAIN)):
        raise ApiError(405, f"method {request.method} not allowed", ((b"allow", b"OPTIONS,GET"),))


def _level(contact: Contact) -> str:
    mode = Mode.STALE if contact.mode is Mode.CACHED else contact.mode
    level: bytes = mode.value
    return level.decode()


def _answer(request: Request, page: Page, contact: Contact) -> Response:
    """A page with the headers of a read."""
    headers = (*page.headers, *read_headers(page, contact))
    return answered(request, Page(page.body, index=page.index, headers=headers))
