"""Queries, both sides: asking them, passing them on, answering, and relaying answers.

A query is gossiped like a user event. Answers go straight to the asker; with a relay factor each goes through so many
other members as well, so that one lost packet does not lose it. Queries whose name begins with `_serf_` are answered by
Serf itself (`internal` below) and never reach the application.
"""

from collections.abc import Callable

from lictor_swim.addresses import Endpoint, endpoint_of
from lictor_swim.broadcast_queue import GOSSIP_BYTES_MAX, BroadcastQueue
from lictor_swim.dice import Dice
from lictor_swim.events import Member
from lictor_swim.serf.asking import OPEN_MAX, Application, Asker, Asking, QueryParams, default_timeout_s
from lictor_swim.serf.events import QueryId, QueryReceived, SerfEvent, Status
from lictor_swim.serf.filters import Matches, matches_filters
from lictor_swim.serf.members import SerfMembers
from lictor_swim.serf.recent import RecentRing
from lictor_swim.serf.wire import (
    FLAG_ACK,
    FLAG_NO_BROADCAST,
    Query,
    QueryResponse,
    Relay,
    RelayAddress,
    RelayHeader,
    TagFilter,
    encode_node_filter,
    encode_serf,
    encode_tag_filter,
)
from lictor_swim.wire.errors import WireError

INTERNAL_PREFIX = "_serf_"
"""Queries with this prefix belong to Serf."""

QUERY_BYTES_MAX = 1024
"""Largest query, as in Serf; all of it travels in one gossip packet."""

RESPONSE_BYTES_MAX = 1024
"""Largest answer to a query, as in Serf."""

QUEUE_DEPTH_MAX = 4096
"""Most queries that wait to be gossiped, as in Serf; those that went out most are dropped first."""

RELAY_FACTOR_MAX = 255

_ID_RANGE = 1 << 31
_PROTOCOL_RELAY = 5

InternalAnswer = Callable[[Query, float], bytes | None]
"""Serf's own answer to an internal query; None when this node has none to give."""


class QueryExchange:
    """All queries that this node asks and hears.

    Args:
        own: gives this node's name, address and port.
        members: the table of members.
        emit: told of what the application should know.
        send: sends a Serf message straight to an endpoint.
        random_members: gives up to so many other living members.
        gossip_interval_s: from which a query's default time follows.
        dice: numbers the queries.
        matches: evaluates the expressions of tag filters.
    """

    def __init__(
        self,
        own: Callable[[], Member],
        members: SerfMembers,
        emit: Callable[[SerfEvent], None],
        send: Callable[[Endpoint, bytes], None],
        random_members: Callable[[int], list[Member]],
        gossip_interval_s: float,
        dice: Dice,
        matches: Matches,
    ) -> None:
        self.internal: dict[str, InternalAnswer] = {}
        self.recent: RecentRing[int] = RecentRing()
        self._own = own
        self._members = members
        self.queue = BroadcastQueue(QUEUE_DEPTH_MAX, GOSSIP_BYTES_MAX)
        self._emit = emit
        self._send = send
        self._random_members = random_members
        self._gossip_interval_s = gossip_interval_s
        self._dice = dice
        self._matches = matches
        self._asking = Asking()

    # Asking

    def ask(self, params: QueryParams, now: float) -> QueryId:
        """Ask the pool; QueryAck, QueryAnswer and, in the end, QueryDone follow.

        Raises:
            ValueError: a reserved name, a bound that is broken, or too many queries open.
        """
        if params.name.startswith(INTERNAL_PREFIX):
            raise ValueError(f"Queries cannot contain the '{INTERNAL_PREFIX}' prefix")
        return self.ask_for(params, lambda query: Application(query, self._emit), now)

    def ask_for(self, params: QueryParams, asker: Callable[[QueryId], Asker], now: float) -> QueryId:
        """Ask the pool on behalf of `asker`, which is made for the query's id; the same errors."""
        if not 0 <= params.relay_factor <= RELAY_FACTOR_MAX:
            raise ValueError(f"relay factor must be between 0 and {RELAY_FACTOR_MAX}, not {params.relay_factor}")
        if self._asking.is_full:
            raise ValueError(f"{OPEN_MAX} queries are open already")
        timeout_s = params.timeout_s
        if timeout_s is None:
            living = self._members.count(Status.ALIVE, Status.LEAVING)
            timeout_s = max(default_timeout_s(self._gossip_interval_s, living), params.timeout_s_min)
        if timeout_s <= 0:
            raise ValueError("a query's time must be above 0")
        own = self._own()
        query = Query(
            self.recent.clock.time,
            self._dice.randrange(_ID_RANGE),
            own.address,
            own.port,
            own.name,
            _filters(params),
            FLAG_ACK if params.ack else 0,
            params.relay_factor,
            int(timeout_s * 1e9),
            params.name,
            params.payload,
        )
        encoded = encode_serf(query)
        if len(encoded) > QUERY_BYTES_MAX:
            raise ValueError(f"query exceeds limit of {QUERY_BYTES_MAX} bytes")
        query_id = QueryId(query.ltime, query.id)
        self._asking.open(query_id, asker(query_id), now + timeout_s)
        self.recent.admit(query.ltime, query.id)
        self.queue.enqueue(encoded, now=now)
        self._take(query, now)
        return query_id

    def response_received(self, response: QueryResponse, now: float) -> None:
        """An answer or ack to a query of this node."""
        self._asking.respond(response, now)

    def expire(self, now: float) -> None:
        """End the queries whose time is over."""
        self._asking.expire(now)

    def deadline(self) -> float:
        """When the next query's time is over."""
        return self._asking.deadline()

    # Being asked

    def query_received(self, query: Query, encoded: bytes, now: float) -> None:
        """Pass a query on if it is new, and answer or show it if it is for this node."""
        if not self.recent.admit(query.ltime, query.id):
            return
        if not query.flags & FLAG_NO_BROADCAST:
            self.queue.enqueue(encoded, now=now)
        self._take(query, now)

    def _take(self, query: Query, now: float) -> None:
        own = self._members.find(self._own().name)
        if own is None or not matches_filters(query.filters, own.name, own.tags, self._matches):
            return
        endpoint_of(query.address, query.port)  # refuses a query that nobody could answer
        if query.flags & FLAG_ACK:
            self.respond(query, None, now, flags=FLAG_ACK)
        if not query.name.startswith(INTERNAL_PREFIX):
            self._emit(QueryReceived(query, now + query.timeout_ns / 1e9))
            return
        answer = self.internal.get(query.name.removeprefix(INTERNAL_PREFIX))
        payload = None if answer is None else answer(query, now)
        if payload is not None:
            try:
                self.respond(query, payload, now)
            except ValueError as error:
                # A member with long names and tags: the asker does without this answer, as with a lost packet.
                raise WireError(f"answer to {query.name}: {error}") from None

    def respond(self, query: Query, payload: bytes | None, now: float, *, flags: int = 0) -> None:
        """Answer a query, directly and through as many relays as it asks for.

        Raises:
            ValueError: the answer is too large.
        """
        own = self._own()
        response = QueryResponse(query.ltime, query.id, own.name, flags, payload)
        encoded = encode_serf(response)
        if len(encoded) > RESPONSE_BYTES_MAX:
            raise ValueError(f"answer takes {len(encoded)} bytes, more than {RESPONSE_BYTES_MAX}")
        if query.source_node == own.name and self._asking.is_open(QueryId(query.ltime, query.id)):
            # Its own answer needs no network, and no address that leads back here.
            self._asking.respond(response, now)
            return
        self._send(endpoint_of(query.address, query.port), encoded)
        if query.relay_factor == 0 or self._members.count(*Status) < query.relay_factor + 1:
            return
        header = RelayHeader(RelayAddress(query.address, query.port), query.source_node)
        relayed = encode_serf(Relay(header, encoded))
        if len(relayed) > RESPONSE_BYTES_MAX:
            return  # Serf's limit holds for the relayed form too; the direct answer is on its way
        for member in self._random_members(query.relay_factor):
            if member.versions[1] >= _PROTOCOL_RELAY:
                self._send(member.endpoint, relayed)

    def relay(self, relay: Relay) -> None:
        """Pass an answer on to where it is going, unchanged."""
        destination = relay.header.destination
        self._send(endpoint_of(destination.address, destination.port & 0xFFFF), relay.inner)


def _filters(params: QueryParams) -> tuple[bytes, ...] | None:
    filters = [encode_node_filter(params.nodes)] if params.nodes else []
    filters.extend(encode_tag_filter(TagFilter(tag, expression)) for tag, expression in params.tags.items())
    return tuple(filters) or None
