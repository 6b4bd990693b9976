"""Watching a read as a stream of Server-Sent Events: `?watch=sse`, or `Accept: text/event-stream`.

One loop a stream: it waits as a blocking query for the next state of its read, so all who watch one read share its
computation, its bytes and its waking, and sends what `stream_events` makes of it. Nothing is queued: while a client
does not take what it was sent, its loop waits, and then goes on from the newest state. A stream begins as strong as
its read asks to be; while the leader is away it goes on with comments that say so.
"""

import asyncio
from collections import Counter
from typing import Any, NamedTuple

import msgspec

from lictor_catalog.asgi import EVERY_ANSWER, Header, Receive, Scope, Send, header
from lictor_catalog.blocking_query import BlockingQueries, ClientGoneError, Plan, Settle
from lictor_catalog.consistency import ReadOptions
from lictor_catalog.errors import ApiError
from lictor_catalog.page import JSON, Page
from lictor_catalog.ports import ViewPort
from lictor_catalog.request import Params
from lictor_catalog.stream_events import BEGIN, Deltas, State, Telling, comment, name_of

STREAMS_MAX = 4096
"""Streams at once in one process, a quarter of what may wait in all; beyond it 429, and the client tries elsewhere."""

STREAMS_PER_CLIENT_MAX = STREAMS_MAX // 2
"""Of one client address: whoever watches very much leaves as much to all the others."""

HEARTBEAT_S = 15.0
"""A comment at least this often (and a sixteenth): proxies commonly close what is silent for 30 s."""

AWAY_PAUSE_S = 1.0
"""Between tries while the leader cannot confirm a stream's state; also what a stop may take longer for it."""

SLOW_S = 0.1
"""A client that takes longer for one event is counted as slow: it may have missed states in between."""

SEND_MAX_S = 30.0
"""A client that takes nothing for so long is gone."""

INDEX_DIGITS_MAX = 20
"""An index has 64 bits."""

NOT_WATCHABLE = "this read has no index, it cannot be watched"
NOT_JSON = "only JSON can be watched"
HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the events otherwise
)


class Watched(NamedTuple):
    """What a stream follows: a read, how strong it is, and the address that asks."""

    route: str
    params: Params
    plan: Plan
    options: ReadOptions
    settle: Settle
    client: str = ""


def is_asked(params: Params, scope: Scope) -> bool:
    """Whether a GET wants events instead of an answer."""
    return params.first("watch") == "sse" or b"text/event-stream" in header(scope, b"accept")


class EventStreams:
    """All streams of a process."""

    def __init__(self, queries: BlockingQueries, view: ViewPort, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._queries = queries
        self._view = view
        self._heartbeat_s = heartbeat_s
        self._closing = False
        self.deltas = Deltas()
        self._of_client: Counter[str] = Counter()
        self.open = 0
        self.told = 0
        self.slow = 0

    def close(self) -> None:
        """Let every stream end when it is woken next: release the waiters of the queries right after."""
        self._closing = True

    async def answer(self, watched: Watched, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell one client until it goes, or the process stops; raises `ApiError` before the first event only."""
        client = watched.client
        theirs = self._of_client[client] >= STREAMS_PER_CLIENT_MAX
        if self._closing or self.open >= STREAMS_MAX or theirs:
            whose = " of this client" if theirs else ""
            raise ApiError(429, f"too many event streams{whose}, try again later", ((b"retry-after", b"5"),))
        self.open += 1
        self._of_client[client] += 1
        gone = asyncio.create_task(_disconnected(receive), name="client")
        try:
            await _Stream(self, watched, send, gone).run(_has(watched, scope))
        finally:
            gone.cancel()
            self.open -= 1
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]

    @property
    def closing(self) -> bool:
        """Whether streams are to end."""
        return self._closing

    async def read(self, watched: Watched, after: int | str, gone: "asyncio.Future[None] | None") -> Page:
        """The state after an index or a hash, or the present one after a heartbeat's time; 0 does not wait."""
        options = msgspec.structs.replace(
            watched.options,
            wait_s=self._heartbeat_s,
            min_index=after if isinstance(after, int) else 0,
            content_hash=after if isinstance(after, str) else "",
        )
        page, _ = await self._queries.read(watched.plan, options, watched.settle, gone, watched.client)
        return page

    def state(self, page: Page) -> State:
        """A page as a state of its answer."""
        body = page.body if page.status == 200 else b"null"
        return State(tag_of(page), body, self._view.store.epoch)


class _Stream:
    """One client's stream."""

    def __init__(self, streams: EventStreams, watched: Watched, send: Send, gone: "asyncio.Future[None]") -> None:
        self._streams = streams
        self._watched = watched
        self._send = send
        self._gone = gone

    async def run(self, has: str) -> None:
        streams, watched = self._streams, self._watched
        page = await streams.read(watched, 0, None)
        _judge(page)
        name = name_of(watched.route, watched.params)
        telling = Telling((watched.route, watched.plan.key), name, streams.deltas, has)
        start: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [*EVERY_ANSWER, *HEADERS]}
        await self._send(start)
        await self._write(BEGIN)
        ahead = _index(has)
        if page.index and ahead > page.index:  # this replica is behind the one that the client had
            page = await self._next(page, ahead)
        while not streams.closing:
            told = telling.next(streams.state(page))
            if told:
                streams.told += 1
                await self._write(told)
            after = page.index or page.content_hash
            if not after:  # what was watched by its hash is gone, and nothing tells when it is back
                break
            page = await self._next(page, after)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _next(self, page: Page, after: int | str) -> Page:
        """The next state; the one given, after a comment, when there is none yet or the leader cannot confirm it."""
        try:
            found = await self._streams.read(self._watched, after, self._gone)
        except ApiError as error:
            await self._write(comment(error.text))
            await asyncio.wait([self._gone], timeout=AWAY_PAUSE_S)
            if self._gone.done():
                raise ClientGoneError from None
            return page
        if tag_of(found) == tag_of(page) and not self._streams.closing:
            await self._write(comment("heartbeat"))
        return found

    async def _write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(SEND_MAX_S):
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except TimeoutError:
            raise ClientGoneError from None
        if loop.time() - began > SLOW_S:
            self._streams.slow += 1


def tag_of(page: Page) -> str:
    """What names a page's state: its index, or its content's hash."""
    return str(page.index) if page.index else page.content_hash


def _judge(page: Page) -> None:
    if page.status == 200 and page.content_type is not JSON:
        raise ApiError(400, NOT_JSON)
    if page.status not in {200, 404}:
        raise ApiError(page.status, page.body.decode(errors="replace"))
    if not tag_of(page):
        raise ApiError(400, NOT_WATCHABLE) if page.status == 200 else ApiError(404, page.body.decode(errors="replace"))


def _has(watched: Watched, scope: Scope) -> str:
    """The id of the state that the client has: from `Last-Event-ID`, which a browser sends by itself, or the query."""
    given = header(scope, b"last-event-id").decode("latin-1").strip()
    options = watched.options
    return given or (str(options.min_index) if options.min_index else options.content_hash)


def _index(has: str) -> int:
    """The index that an id is; 0 for any other id."""
    return int(has) if has.isascii() and has.isdigit() and len(has) <= INDEX_DIGITS_MAX else 0


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
