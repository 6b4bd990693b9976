"""The reads that clients repeat, answered from the connection's own callback: no task, no scope, no copy per request.

A request that is byte for byte one that was judged before is found again by its bytes alone; another GET of the table
in `fast_reads` is judged once. What waits (for the leader's index, for a change) is a callback on the connection's
turn, not a task. The answers are those of `fast_reads`, byte for byte: same judging, same pages, same headers; whatever
is not plainly such a GET (a body, an upgrade, an error, an unknown parameter) is left to it.

Speaks to a connection through `Turn`; the socket, HTTP's framing and pipelining are `http_protocol`'s work.
"""

import time
from typing import Protocol
from urllib.parse import unquote

import structlog

from lictor_catalog import clean_path, routes
from lictor_catalog.access import Access
from lictor_catalog.asgi import Header, accepts_gzip, encode_headers, page_headers
from lictor_catalog.blocking_query import BlockingQueries, Sleeper, woken_contact
from lictor_catalog.consistency import CONFIRMED, Consistency, Contact, Mode, ReadOptions
from lictor_catalog.errors import ApiError
from lictor_catalog.fast_reads import READS, FastReads, Prepared, agent_headers, read_headers
from lictor_catalog.metrics import CatalogMetrics
from lictor_catalog.page import Page, text_page
from lictor_catalog.plain_errors import CLIENT_GONE
from lictor_catalog.recent import Recent
from lictor_catalog.request import judge_common, parse

REQUESTS_KEPT = 4096
REQUEST_KEPT_BYTES_MAX = 1024
"""Requests remembered by their bytes: twice as many at most, 8 MiB at the very worst; longer ones are judged anew."""

HEADS_KEPT_MAX = 8
"""Header blocks kept per page; a stale read's changes each millisecond with the age that it tells."""

_BLOCKING = {"hash", "index", "wait"}
_MODES = {"cached", "consistent", "max_stale", "stale"}
_KINDS = {
    "dc",
    "filter",
    "keys",
    "merge-central-config",
    "near",
    "node-meta",
    "passing",
    "pem",
    "pretty",
    "raw",
    "recurse",
    "separator",
    "tag",
    "token",
}
PARAMETERS = frozenset(_BLOCKING | _MODES | _KINDS)
"""What a hot read may ask for: these alone decide its answer. With any other it takes the long way."""

_LONG_WAY = frozenset(
    {b"content-length", b"expect", b"transfer-encoding", b"upgrade", b"x-consul-namespace", b"x-consul-partition"}
)
_STALE = ReadOptions(Mode.STALE)
_CONFIRMED = CONFIRMED[Mode.DEFAULT]

log = structlog.get_logger()


class HotRead:
    """One request, judged: all that its answers need to know."""

    __slots__ = ("compressed", "form", "local", "may_wait", "options", "plan", "pretty", "route")

    def __init__(self, route: str, prepared: Prepared, *, compressed: bool) -> None:
        self.route = route
        self.plan = prepared.plan
        self.options = prepared.options
        self.local = prepared.read.local
        self.may_wait = prepared.may_wait
        self.pretty = prepared.pretty
        self.compressed = compressed
        self.form = 4 * self.local + 2 * self.pretty + compressed


class Turn(Protocol):
    """A connection whose request is being answered."""

    read: HotRead
    started: float
    contact: Contact | None
    confirming: bool
    sleeper: Sleeper | None
    disconnected: bool

    @property
    def client(self) -> str:
        """The client's address."""

    def settled(self, outcome: Contact | ApiError) -> None:
        """Pass on to `HotReads.settled`."""

    def woken(self, page: Page | None) -> None:
        """Pass on to `HotReads.woken`."""

    def send(self, status: int, head: bytes, body: bytes) -> None:
        """Send the answer: header lines without the empty one, and the body."""


class HotReads:
    """Finds and answers them."""

    def __init__(
        self,
        reads: FastReads,
        queries: BlockingQueries,
        consistency: Consistency,
        datacenter: str,
        metrics: CatalogMetrics,
        access: Access,
    ) -> None:
        self._reads = reads
        self._access = access
        self._queries = queries
        self._consistency = consistency
        self._datacenter = datacenter
        self._metrics = metrics
        self._recent: Recent[bytes, HotRead] = Recent(REQUESTS_KEPT)

    def __len__(self) -> int:
        """How many requests are remembered by their bytes."""
        return len(self._recent)

    def known(self, request: bytes) -> HotRead | None:
        """A whole request that was seen before."""
        return self._recent.get(request) if self._consistency.ready else None

    def learn(self, request: bytes, read: HotRead) -> None:
        """These bytes are one whole request and nothing else, and this is what they ask."""
        if not read.may_wait and len(request) <= REQUEST_KEPT_BYTES_MAX:
            self._recent.put(request, read)

    def find(self, url: bytes, headers: list[Header]) -> HotRead | None:
        """Judge a GET without a body; None for the long way."""
        if not self._consistency.ready or not url.startswith(b"/") or b"#" in url or not url.isascii():
            return None
        raw_path, _, query = url.partition(b"?")
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
            if "%" in path:
                return None  # an escape that is none, or one of a percent sign: rare enough
        found = routes.find(path)
        if found is None or found.route not in READS or not path.isprintable() or not clean_path.is_clean(path):
            return None
        if self._access.is_blocked(path):
            return None
        accepts = cache_control = b""
        for name, value in reversed(headers):  # the first of several counts
            if name in _LONG_WAY or (name == b"accept" and b"event-stream" in value):
                return None
            if name == b"accept-encoding":
                accepts = value
            elif name == b"cache-control":
                cache_control = value
        try:
            params = parse(query)
            if not params.only(PARAMETERS):
                return None
            judge_common(params, (), None if routes.of_agent(found.route) else self._datacenter)
            prepared = self._reads.prepare(found.route, found.rest, params, cache_control)
        except ApiError:
            return None
        return HotRead(found.route, prepared, compressed=accepts_gzip(accepts))

    def start(self, turn: Turn, read: HotRead) -> None:
        """Begin to answer a request; `turn.send` is called once, at once or later."""
        turn.read = read
        turn.started = time.perf_counter()
        turn.confirming = False
        self._settle(turn)

    def _settle(self, turn: Turn) -> None:
        read = turn.read
        contact = self._consistency.at_once(read.options)
        if contact is None and read.local and not self._consistency.leader_known:
            contact = self._consistency.at_once(_STALE)
        if contact is not None:
            self.settled(turn, contact)
        else:
            self._consistency.ask(read.options, turn.settled)

    def settled(self, turn: Turn, outcome: Contact | ApiError) -> None:
        """The read may be answered now, or cannot be; never raises."""
        if turn.disconnected:
            return
        try:
            if isinstance(outcome, ApiError):
                stale = self._consistency.at_once(_STALE) if turn.read.local and outcome.status == 500 else None
                if stale is None:
                    raise outcome  # noqa: TRY301  as its neighbours, which come from further down
                outcome = stale
            self._judge(turn, outcome)
        except ApiError as error:
            self._send(turn, text_page(error.text, error.status), None, error.headers)
        except Exception:  # the boundary of a request: the others of its group must be answered
            log.exception("request failed", route=turn.read.route)
            self._send(turn, text_page("internal error", 500), None)

    def _judge(self, turn: Turn, contact: Contact) -> None:
        read = turn.read
        if not read.may_wait or turn.confirming:
            self._send(turn, self._queries.page(read.plan), contact)
            return
        begun = self._queries.begin(read.plan, read.options, turn.woken, turn.client)
        if isinstance(begun, Page):
            self._send(turn, begun, contact)
        else:
            turn.sleeper, turn.contact = begun, contact

    def woken(self, turn: Turn, page: Page | None) -> None:
        """A blocking query is released by a page, or its time is up and it is confirmed as at its start."""
        turn.sleeper = None
        if page is None or turn.contact is None:
            turn.confirming = True
            self._settle(turn)
        else:
            self._send(turn, page, woken_contact(turn.contact))

    def lost(self, turn: Turn) -> None:
        """The client is gone before its answer."""
        if turn.sleeper is not None:
            self._queries.forget(turn.sleeper)
            turn.sleeper = None
        self._metrics.request(turn.read.route, CLIENT_GONE, time.perf_counter() - turn.started)

    def _send(self, turn: Turn, page: Page, contact: Contact | None, more: tuple[Header, ...] = ()) -> None:
        read = turn.read
        body, compressed = page.body, False
        if (read.pretty or read.compressed) and contact is not None:
            body, compressed = page.form(pretty=read.pretty, compressed=read.compressed)
        key: object = read.form
        if contact is not _CONFIRMED and contact is not None and not read.local:
            key = (read.form, contact.mode, contact.known_leader, int(contact.last_contact_s * 1000))
        head = page.heads.get(key)
        if head is None:
            if len(page.heads) >= HEADS_KEPT_MAX:
                page.heads.clear()
            told = contact is not None and not read.local
            headers = read_headers(page, contact) if contact is not None and told else [*agent_headers(page), *more]
            head = page.heads[key] = encode_headers(page_headers(page, headers, len(body), compressed=compressed))
        turn.send(page.status, head, body)
        self._metrics.request(read.route, page.status, time.perf_counter() - turn.started)
