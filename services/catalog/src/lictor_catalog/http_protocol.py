"""HTTP on a socket: uvicorn's server and protocol, with the hot requests answered from the protocol's callbacks.

Only this module imports uvicorn here. Everything that is not hot takes uvicorn's way, one ASGI task per request with
head and body in one write. Answers keep the order of their requests: while a hot request waits it is the connection's
cycle in uvicorn's eyes, which queues what is pipelined behind it and stops reading.
"""

import contextlib
import functools
import math
import time
from collections.abc import Generator, Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from lictor_catalog.asgi import Application, Header, Receive, Scope, Send, encode_headers, page_headers, send_page
from lictor_catalog.client_limits import ClientLimits
from lictor_catalog.crowd_writer import CrowdWriter
from lictor_catalog.hot_reads import HotRead, HotReads
from lictor_catalog.hot_turns import ReadTurn, WriteTurn
from lictor_catalog.hot_writes import HotWrite, HotWrites
from lictor_catalog.one_write import OneWrite
from lictor_catalog.page import text_page

GRACE_S = 5
"""Answers in flight at the stop: a write may take its leader's change, and the process has eight seconds in all."""

KEEP_ALIVE_S = 120
"""Idle connections: clients reuse theirs between blocking queries of a minute or so."""


ANSWER_KEPT_BYTES_MAX = 64 * 1024
"""The last answer is kept whole up to this length: longer ones cost more to send than to join."""

REFUSED_S = 1.0
"""How long a connection that is one too many may take to say something, so that it can be answered before it ends."""

_HOT_METHODS = frozenset({b"GET", b"PUT", b"DELETE"})
TOO_MANY_CONNECTIONS = "Your IP is issuing too many concurrent connections, please rate limit your calls\n"
TOO_MANY_REQUESTS = "Your IP is issuing too many requests, please rate limit your calls\n"


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals belong to the kit."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Take no signal."""
        yield


def server(
    app: Application,
    hot: HotReads,
    hot_writes: HotWrites,
    limits: ClientLimits,
    crowd: CrowdWriter,
    connections_max: int,
    headers: Sequence[tuple[str, str]] = (),
) -> Server:
    """A server of the application; `serve(sockets=…)` runs it. `headers` stand in every answer."""
    protocol = functools.partial(
        CatalogProtocol, hot=hot, hot_writes=hot_writes, limits=limits, crowd=crowd, heads=StatusHeads()
    )
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=protocol,  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=list(headers),
        limit_concurrency=connections_max,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return Server(config)


class StatusHeads:
    """Status lines with the headers that uvicorn puts before an application's (the date), encoded once a second."""

    def __init__(self) -> None:
        self._headers: list[Header] | None = None
        self._heads: dict[int, bytes] = {}
        self._status = 0  # of the last answer that is kept whole, with its parts
        self._last = (b"", b"", b"")

    def head(self, headers: list[Header], status: int) -> bytes:
        """The first lines of an answer."""
        if headers is not self._headers:  # uvicorn makes a new list when the second changes
            self._headers = headers
            self._heads.clear()
            self._status = 0
        known = self._heads.get(status)
        if known is None:
            known = self._heads[status] = STATUS_LINE[status] + encode_headers(headers)
        return known

    def whole(self, headers: list[Header], status: int, head: bytes, body: bytes) -> bytes:
        """A whole answer on a connection that goes on; thousands who waited for one change are sent the same bytes."""
        last_head, last_body, whole = self._last
        if head is last_head and body is last_body and status == self._status and headers is self._headers:
            return whole
        joined = b"".join((self.head(headers, status), head, b"\r\n", body))
        if len(joined) <= ANSWER_KEPT_BYTES_MAX:
            self._status, self._last = status, (head, body, joined)
        return joined


_RETRY_SOON = (b"retry-after", b"1")


class _TooMany:
    """The application of a client that asks too often."""

    def __init__(self, wait_s: float) -> None:
        self._retry = (b"retry-after", b"%d" % max(1, math.ceil(wait_s)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del scope, receive
        await send_page(send, text_page(TOO_MANY_REQUESTS, 429), (self._retry,))


class CatalogProtocol(HttpToolsProtocol):
    """One connection."""

    cycle: Any  # None before the first request; uvicorn's, or a turn that has what uvicorn looks at

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: Any = None,
        *,
        hot: HotReads,
        hot_writes: HotWrites,
        limits: ClientLimits,
        crowd: CrowdWriter,
        heads: StatusHeads,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._hot = hot
        self._hot_writes = hot_writes
        self._limits = limits
        self._crowd = crowd
        self.address = ""
        self._counted = False
        self._heads = heads
        self._turn = ReadTurn(self, hot)
        self._write_turn = WriteTurn(self, hot_writes)
        self._writing = False  # whether the request that is being parsed is a hot write
        self._between = True  # whether the parser is between two requests
        self._ended = 0  # requests whose last byte was in the data at hand
        self._read: HotRead | None = None  # the hot read whose request is being parsed
        self._seen: HotRead | HotWrite | None = None  # the last hot request that was parsed
        self._quiet_since = 0.0

    # -- requests

    def data_received(self, data: bytes) -> None:
        """Answer a request that is known as it stands, or parse."""
        if not self._counted:
            self._refuse()
            return
        between = self._between
        if between and self._idle() and self._known(data):
            return
        self._ended, self._seen = 0, None
        super().data_received(data)
        if between:
            self._learn(data)

    def _known(self, data: bytes) -> bool:
        """Answer the data if it is one hot request that is known as it stands."""
        if data.startswith(b"GET "):
            read = self._hot.known(data)
            if read is None or (self._limits.counts_requests and self._wait_s()):
                return False
            self._begin(read)
            return True
        known = self._hot_writes.known(data, self.address)
        if known is None or (self._limits.counts_requests and self._wait_s()):
            return False
        self._begin_write(known[0])
        self._hot_writes.start(self._write_turn, known[1])
        return True

    def _learn(self, data: bytes) -> None:
        """Remember the data if it was one hot request from its first byte to its last."""
        seen = self._seen
        if not self._between or self._ended != 1 or seen is None or self.transport.is_closing():
            return
        if isinstance(seen, HotRead):
            self._hot.learn(data, seen)
        else:
            self._hot_writes.learn(data, seen)

    def _idle(self) -> bool:
        """Whether a hot read may be answered now: nothing before it, nothing unsent, room among the connections."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
            and (self.limit_concurrency is None or len(self.connections) < self.limit_concurrency)
        )

    def on_message_begin(self) -> None:
        """A request has begun."""
        self._between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        parser = self.parser
        self._read = None
        wait_s = self._wait_s()
        if wait_s:
            self._answer_with(_TooMany(wait_s))
            return
        method = parser.get_method()
        if (
            method in _HOT_METHODS
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and self._idle()
        ):
            if method == b"GET":
                self._read = self._hot.find(self.url, self.headers)
            else:
                write = self._hot_writes.find(method.decode(), self.url, self.headers, self.address)
                if write is not None:
                    self._writing = True
                    self._begin_write(write)
                    return
        if self._read is None:
            super().on_headers_complete()

    def _begin_write(self, write: HotWrite) -> None:
        turn = self._write_turn
        turn.write = write
        turn.started = time.perf_counter()
        turn.body.clear()
        turn.response_complete = False
        turn.keep_alive = True
        self.cycle = turn

    def on_body(self, body: bytes) -> None:
        """Some of a request's body has come."""
        if self._writing:
            self._write_turn.body.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._between = True
        self._ended += 1
        read, self._read = self._read, None
        if read is not None:
            self._seen = read
            self._begin(read)
        elif self._writing:
            self._writing = False
            turn = self._write_turn
            self._seen = turn.write
            self._hot_writes.start(turn, turn.body[0] if len(turn.body) == 1 else b"".join(turn.body))
            turn.body.clear()
        else:
            super().on_message_complete()

    def _begin(self, read: HotRead) -> None:
        turn = self._turn
        turn.response_complete = False
        turn.keep_alive = True
        self.cycle = turn
        self._hot.start(turn, read)

    def answer(self, turn: ReadTurn | WriteTurn, status: int, head: bytes, body: bytes) -> None:
        """Send the answer to a hot request."""
        if turn.disconnected:
            return
        heads, headers = self._heads, self.server_state.default_headers
        turn.response_complete = True
        if turn.keep_alive:
            whole = heads.whole(headers, status, head, body)
            if self._crowd.gathering:
                self._crowd.add(self.transport, whole)
            else:
                self.transport.write(whole)
        else:
            first = heads.head(headers, status)
            self.transport.write(b"".join((first, head, b"connection: close\r\n\r\n", body)))
            self.transport.close()
        self.on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "uvicorn._types.ASGI3Application") -> None:
        if cycle.scope["method"] != "HEAD":  # its answer is never followed by a body's write
            cycle.transport = OneWrite(cycle.transport)  # type: ignore[assignment]
        super()._start_asgi_task(cycle, app)

    def _wait_s(self) -> float:
        """How long this client has to wait before it may ask again; 0 takes a token and lets the request pass."""
        return self._limits.wait_s(self.address, self.loop.time())

    def _answer_with(self, app: Any) -> None:
        """Have uvicorn answer the request whose head is complete with another application."""
        kept, self.app = self.app, app
        super().on_headers_complete()
        self.app = kept

    # -- the connection

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._counted = self._limits.opened(self.address)
        if self._counted:
            self._quiet_since = self.loop.time()
            self._look_again(self.timeout_keep_alive)  # now, and not when thousands are answered at once
        else:
            self.loop.call_later(REFUSED_S, transport.close)

    def _refuse(self) -> None:
        """Answer a connection that is one too many, once it has spoken, and end it."""
        if self.transport.is_closing():
            return
        page = text_page(TOO_MANY_CONNECTIONS, 429)
        headers = page_headers(page, (_RETRY_SOON, (b"connection", b"close")), len(page.body), compressed=False)
        first = self._heads.head(self.server_state.default_headers, 429)
        self.transport.write(b"".join((first, encode_headers(headers), b"\r\n", page.body)))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        if self._counted:
            self._counted = False
            self._limits.closed(self.address)
        turn = self._turn
        turn.disconnected = True
        if not turn.response_complete:
            turn.response_complete = True
            self._hot.lost(turn)
        write_turn = self._write_turn
        write_turn.disconnected = True
        if not write_turn.response_complete:
            write_turn.response_complete = True
            self._hot_writes.lost(write_turn)
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def on_response_complete(self) -> None:
        """An answer is out: the next request's turn, or quiet."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._quiet_since = self.loop.time()

    def _look_again(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been quiet for too long; one timer serves all requests of a connection."""
        self.timeout_keep_alive_task = None
        quiet_s = self.loop.time() - self._quiet_since
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or not self._between or quiet_s < self.timeout_keep_alive:
            self._look_again(max(1.0, self.timeout_keep_alive - quiet_s))
        elif not self.transport.is_closing():
            self.transport.close()

    def _unset_keepalive_if_required(self) -> None:
        """Nothing: the timer looks at when the last answer went out."""
