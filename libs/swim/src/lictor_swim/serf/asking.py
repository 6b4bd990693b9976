"""Queries that this node asks: which are open, who has answered, and when their time is over.

A response counts only while its query is open, if its Lamport time and number fit, and once for each member; what comes
late or twice is dropped, and so is what nobody asked for. What an answer means is the business of whoever asked.
"""

import math
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from lictor_swim.record import NAME_BYTES_MAX
from lictor_swim.serf.events import QueryAck, QueryAnswer, QueryDone, QueryId, SerfEvent
from lictor_swim.serf.members import MEMBERS_MAX
from lictor_swim.serf.wire import FLAG_ACK, QueryResponse

OPEN_MAX = 256
"""Most queries open at a time; asking another one is an error of the caller. Serf's ring would hold 512."""

TIMEOUT_ROUNDS = 16
"""The default time of a query is so many rounds of gossip for each digit of the pool's size."""


class QueryParams(Struct, frozen=True, kw_only=True):
    """What to ask, and whom.

    Attributes:
        name: what answering members go by; the prefix `_serf_` is reserved.
        payload: handed to them.
        nodes: only these members answer; empty: all.
        tags: only members answer whose tags match all of these expressions (Go's syntax, unanchored).
        ack: whether to be told who received it.
        relay_factor: through so many other members each answer comes as well (0 to 255), against lost packets.
        timeout_s: how long answers count; None: Serf's default for the pool's size.
        timeout_s_min: the default is not below it: what every member must do is worth some patience.
    """

    name: str
    payload: bytes = b""
    nodes: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    ack: bool = False
    relay_factor: int = 0
    timeout_s: float | None = None
    timeout_s_min: float = 0.0


class Asker(Protocol):
    """Who wants the answers to one query."""

    def ack(self, member: str) -> None:
        """A member has the query."""
        ...

    def answer(self, member: str, payload: bytes) -> bool:
        """A member's answer; whether it was the last one that is wanted."""
        ...

    def done(self, acks: int, answers: int) -> None:
        """The time is over, or enough was answered."""
        ...


AskFor = Callable[[QueryParams, Callable[[QueryId], Asker], float], QueryId]
"""Asks a query on behalf of an asker, which is made for the query's id."""


class Application:
    """Asks for whoever drives the node: everything becomes an event."""

    def __init__(self, query: QueryId, emit: Callable[[SerfEvent], None]) -> None:
        self._query = query
        self._emit = emit

    def ack(self, member: str) -> None:
        """Tell it."""
        self._emit(QueryAck(self._query, member))

    def answer(self, member: str, payload: bytes) -> bool:
        """Tell it."""
        self._emit(QueryAnswer(self._query, member, payload))
        return False

    def done(self, acks: int, answers: int) -> None:
        """Tell it."""
        self._emit(QueryDone(self._query, acks, answers))


class _Open(Struct):
    query: QueryId
    asker: Asker
    deadline: float
    acks: set[str]
    answers: set[str]


class Asking:
    """The open queries."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[QueryId, _Open] = {}

    def open(self, query: QueryId, asker: Asker, deadline: float) -> None:
        """Wait for responses until the deadline."""
        assert len(self._open) < OPEN_MAX, "whoever asks looks at `is_full` first"
        self._open[query] = _Open(query, asker, deadline, set(), set())

    @property
    def is_full(self) -> bool:
        """Whether no further query can be asked now."""
        return len(self._open) >= OPEN_MAX

    def is_open(self, query: QueryId) -> bool:
        """Whether responses to it still count."""
        return query in self._open

    def respond(self, response: QueryResponse, now: float) -> None:
        """Take in a response."""
        query = QueryId(response.ltime, response.id)
        waiting = self._open.get(query)
        if waiting is None or now >= waiting.deadline:
            return
        heard = waiting.acks if response.flags & FLAG_ACK else waiting.answers
        if response.responder in heard or len(heard) >= MEMBERS_MAX or len(response.responder) > NAME_BYTES_MAX:
            return
        heard.add(response.responder)
        if response.flags & FLAG_ACK:
            waiting.asker.ack(response.responder)
        elif waiting.asker.answer(response.responder, response.payload or b""):
            self._close(waiting)

    def expire(self, now: float) -> None:
        """End the queries whose time is over."""
        for waiting in [one for one in self._open.values() if one.deadline <= now]:
            self._close(waiting)

    def deadline(self) -> float:
        """When the next query's time is over."""
        return min((one.deadline for one in self._open.values()), default=float("inf"))

    def _close(self, waiting: _Open) -> None:
        del self._open[waiting.query]
        waiting.asker.done(len(waiting.acks), len(waiting.answers))


def default_timeout_s(gossip_interval_s: float, living: int) -> float:
    """How long a query takes in a pool of this size: time to reach all, and for their answers."""
    return gossip_interval_s * TIMEOUT_ROUNDS * math.ceil(math.log10(living + 1))
