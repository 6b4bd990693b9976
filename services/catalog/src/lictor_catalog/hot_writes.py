"""The writes that clients repeat, answered from the connection's own callbacks: no task, no future, no scope.

A PUT or DELETE of the table in `fast_writes` whose length is declared is judged when its head is complete, becomes a
command when its body is, and is answered by the callback that brings the leader's answer. The answers are those of
`fast_writes`, byte for byte: same judging, same commands, same pages; whatever is not plainly such a request (chunked
or too long, an upgrade, `Expect`, an error in the head) is left to it.

A client that leaves before the answer changes nothing about its write, which is under way.

Speaks to a connection through `WriteTurn`; the socket, HTTP's framing and pipelining are `http_protocol`'s work.
"""

import time
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import unquote

import structlog

from lictor_catalog import clean_path, routes
from lictor_catalog.access import Access
from lictor_catalog.asgi import Header, accepts_gzip, encode_headers, page_headers
from lictor_catalog.errors import ApiError
from lictor_catalog.fast_writes import Write
from lictor_catalog.metrics import CatalogMetrics
from lictor_catalog.page import GZIP_BYTES_MIN, Page, text_page
from lictor_catalog.plain_errors import CLIENT_GONE
from lictor_catalog.recent import Recent
from lictor_catalog.request import Params, judge_common, parse
from lictor_catalog.writes import Writes
from lictor_state.commands import Result

HEADS_KEPT = 1024
HEAD_KEPT_BYTES_MAX = 1024
"""Heads, and blocks of headers, remembered by their bytes; twice as many at most: 4 MiB at the very worst."""

LENGTH_DIGITS_MAX = 9
"""A longer `Content-Length` is beyond every limit."""

_LONG_WAY = frozenset({b"expect", b"transfer-encoding", b"upgrade", b"x-consul-namespace", b"x-consul-partition"})

_NO_PARAMS = parse(b"")
_AS_IT_IS = (False, False)  # neither indented nor compressed
_METHODS = {b"PU": "PUT", b"DE": "DELETE"}
_BEGINS = {"PUT": b"PUT ", "DELETE": b"DELETE "}
_LINE_END = b" HTTP/1.1\r\n"
_PLAIN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.~:@!$&'()*+,;=%?-"
"""Those of a URL that no parser of HTTP would look at twice."""

log = structlog.get_logger()


class HeadFacts:
    """What a block of headers says that counts for a write."""

    __slots__ = ("body_bytes", "compressed")

    def __init__(self, body_bytes: int, *, compressed: bool) -> None:
        self.body_bytes = body_bytes
        self.compressed = compressed


class HotWrite:
    """One request, judged as far as its head goes."""

    __slots__ = ("facts", "params", "pretty", "rest", "route", "write")

    def __init__(self, route: str, rest: str, params: Params, write: Write, facts: HeadFacts) -> None:
        self.route = route
        self.rest = rest
        self.params = params
        self.write = write
        self.facts = facts
        self.pretty = params.has("pretty")


class WriteTurn(Protocol):
    """A connection whose request is being read or answered."""

    write: HotWrite
    started: float
    disconnected: bool

    @property
    def told(self) -> Callable[[Result | ApiError], None]:
        """Passes on to `HotWrites.told`."""

    @property
    def send(self) -> Callable[[int, bytes, bytes], None]:
        """Sends the answer: status, header lines without the empty one, and the body."""


class HotWrites:
    """Finds and answers them."""

    def __init__(
        self,
        commands: Mapping[tuple[str, str], Write],
        writes: Writes,
        datacenter: str,
        metrics: CatalogMetrics,
        access: Access,
    ) -> None:
        self._commands = commands
        self._writes = writes
        self._datacenter = datacenter
        self._metrics = metrics
        self._access = access
        self._restricted = bool(access.blocked or access.writers)
        self._whole: Recent[bytes, HotWrite] = Recent(HEADS_KEPT)
        self._headers: Recent[bytes, HeadFacts] = Recent(HEADS_KEPT)

    def __len__(self) -> int:
        """How many blocks of headers are remembered."""
        return len(self._headers)

    def known(self, request: bytes, client: str) -> tuple[HotWrite, bytes] | None:
        """A whole request with a head, or at least a block of headers, that was seen before, and its body."""
        head_end = request.find(b"\r\n\r\n") + 4
        head = request[:head_end]
        write = self._whole.get(head) if not self._access.writers else None
        if write is None:
            write = self._known_headers(head, client)
        if write is None or len(request) - head_end != write.facts.body_bytes:
            return None
        return write, request[head_end:]

    def _known_headers(self, head: bytes, client: str) -> HotWrite | None:
        method = _METHODS.get(head[:2])
        line_end = head.find(_LINE_END)
        facts = self._headers.get(head[line_end:])
        if method is None or facts is None:
            return None
        url = head[len(method) + 1 : line_end]
        if not head.startswith(_BEGINS[method]) or not url.startswith(b"/") or url.translate(None, _PLAIN_BYTES):
            return None
        write = self._judge(method, url, facts, client)
        if write is not None and len(head) <= HEAD_KEPT_BYTES_MAX:
            self._whole.put(head, write)
        return write

    def learn(self, request: bytes, write: HotWrite) -> None:
        """These bytes are one whole request and nothing else, and this is what it asks."""
        head_end = request.find(b"\r\n\r\n") + 4
        headers = request[request.find(_LINE_END) : head_end]
        if 0 < len(headers) <= HEAD_KEPT_BYTES_MAX and len(request) - head_end == write.facts.body_bytes:
            self._headers.put(headers, write.facts)

    def find(self, method: str, url: bytes, headers: list[Header], client: str) -> HotWrite | None:
        """Judge a request by its head; None for the long way."""
        facts = _facts(headers)
        return None if facts is None else self._judge(method, url, facts, client)

    def _judge(self, method: str, url: bytes, facts: HeadFacts, client: str) -> HotWrite | None:
        if not url.startswith(b"/") or b"#" in url or not url.isascii():
            return None
        raw_path, _, query = url.partition(b"?")
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
            if "%" in path:
                return None  # an escape that is none, or one of a percent sign: rare enough
        found = routes.find(path)
        write = self._commands.get((method, found.route)) if found else None
        if found is None or write is None or facts.body_bytes > write.body_bytes_max:
            return None
        if not path.isprintable() or not clean_path.is_clean(path):
            return None
        params = _NO_PARAMS
        try:
            if self._restricted:
                self._access.judge(method, path, client)
            if query:
                params = parse(query)
                judge_common(params, (), None if routes.of_agent(found.route) else self._datacenter)
        except ApiError:
            return None
        return HotWrite(found.route, found.rest, params, write, facts)

    def start(self, turn: WriteTurn, body: bytes) -> None:
        """The request is complete; `turn.send` is called once, at once or later."""
        write = turn.write
        try:
            self._writes.submit(write.write.command(write.rest, write.params, body), turn.told)
        except ApiError as error:
            self.told(turn, error)
        except Exception:  # the boundary of a request: one that fails must not end the connection's others
            log.exception("request failed", route=write.route)
            self.told(turn, ApiError(500, "internal error"))

    def told(self, turn: WriteTurn, outcome: Result | ApiError) -> None:
        """What came of the write; never raises."""
        if turn.disconnected:
            return
        try:
            if isinstance(outcome, ApiError):
                self._send(turn, text_page(outcome.text, outcome.status), outcome.headers)
            elif outcome.error:
                self._send(turn, text_page(outcome.error, outcome.status))
            else:
                self._send(turn, turn.write.write.page(outcome.value))
        except Exception:  # the boundary of a request: the others of its batch must be answered
            log.exception("request failed", route=turn.write.route)
            self._send(turn, text_page("internal error", 500))

    def lost(self, turn: WriteTurn) -> None:
        """The client is gone before its answer."""
        self._metrics.request(turn.write.route, CLIENT_GONE, time.perf_counter() - turn.started)

    def _send(self, turn: WriteTurn, page: Page, more: tuple[Header, ...] = ()) -> None:
        write = turn.write
        pretty, compressed = write.pretty, write.facts.compressed
        if not pretty and (not compressed or len(page.body) < GZIP_BYTES_MIN):  # nearly all: as `form` has it
            body, is_compressed, key = page.body, False, _AS_IT_IS
        else:
            body, is_compressed = page.form(pretty=pretty, compressed=compressed)
            key = (pretty, is_compressed)
        head = page.heads.get(key)
        if head is None:
            head = encode_headers(page_headers(page, more, len(body), compressed=is_compressed))
            if not more:
                page.heads[key] = head
        turn.send(page.status, head, body)
        self._metrics.request(write.route, page.status, time.perf_counter() - turn.started)


def _facts(headers: list[Header]) -> HeadFacts | None:
    length = accepts = b""
    for name, value in reversed(headers):  # the first of several counts
        if name in _LONG_WAY:
            return None
        if name == b"accept-encoding":
            accepts = value
        elif name == b"content-length":
            length = value
    if length and (not length.isdigit() or len(length) > LENGTH_DIGITS_MAX):
        return None
    return HeadFacts(int(length or 0), compressed=accepts_gzip(accepts))
