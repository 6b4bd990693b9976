"""Serf as the layer above SWIM: what it gossips, what it takes in, and what it exchanges with a peer's Serf.

Three queues wait to be gossiped, drained in this order: intents, queries, user events. A message is passed on exactly
as it came in, and only if it was new here; that is what ends its spread.
"""

from collections.abc import Callable

from lictor_swim.addresses import Endpoint, endpoint_of
from lictor_swim.broadcast_queue import BroadcastQueue, retransmit_limit
from lictor_swim.delegate import NullDelegate
from lictor_swim.events import (
    Event,
    Member,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberSuspected,
    MemberTrusted,
    MemberUpdated,
)
from lictor_swim.serf.coordinates import Coordinate, decode_coordinate, encode_coordinate
from lictor_swim.serf.events import QueryReceived, SerfEvent, Status, UserEventReceived
from lictor_swim.serf.lamport import LTIME_MAX, LamportClock
from lictor_swim.serf.members import SerfMembers
from lictor_swim.serf.queries import INTERNAL_PREFIX, matches_filters
from lictor_swim.serf.recent import RecentRing
from lictor_swim.serf.wire import (
    FLAG_ACK,
    FLAG_NO_BROADCAST,
    ConflictResponse,
    EventSlot,
    JoinIntent,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    RelayAddress,
    RelayHeader,
    SeenEvent,
    SerfState,
    SerfType,
    UserEvent,
    decode_serf,
    encode_serf,
)
from lictor_swim.wire.errors import WireError

QUEUE_DEPTH_MAX = 4096
"""Most messages in one queue, as in Serf; those that went out most are dropped first."""

USER_EVENT_BYTES_MAX = 9 * 1024
"""Largest user event taken in: Serf's own hard limit; it also bounds the ring of recent events."""

RESPONSE_BYTES_MAX = 1024
"""Largest answer to a query, as in Serf."""

_PROTOCOL_RELAY = 5


class SerfDelegate(NullDelegate):
    """Serf's state and rules; `members`, the clocks and the queues are shared with the node that owns it.

    Args:
        own_name: this node.
        members: the table of members.
        emit: told of every event.
        retransmit_mult: as for SWIM's own updates.
        send: sends a Serf message straight to an endpoint.
        random_members: gives up to so many other living members.
    """

    def __init__(
        self,
        own_name: str,
        members: SerfMembers,
        emit: Callable[[SerfEvent], None],
        retransmit_mult: int,
        send: Callable[[Endpoint, bytes], None],
        random_members: Callable[[int], list[Member]],
    ) -> None:
        self.clock = LamportClock()
        self.intents = BroadcastQueue(QUEUE_DEPTH_MAX)
        self.leaving = False
        self._own_name = own_name
        self._members = members
        self._emit = emit
        self._retransmit_mult = retransmit_mult
        self._send = send
        self._random_members = random_members
        self._events: RecentRing[SeenEvent] = RecentRing()
        self._queries: RecentRing[int] = RecentRing()
        self._event_queue = BroadcastQueue(QUEUE_DEPTH_MAX)
        self._query_queue = BroadcastQueue(QUEUE_DEPTH_MAX)
        self._ack_payload = encode_coordinate(Coordinate())

    # What this node says

    def announce_join(self, now: float) -> None:
        """Gossip that this node joined, at the current time: it outbids older leave intents about it."""
        intent = JoinIntent(self.clock.time, self._own_name)
        self.clock.witness(intent.ltime)
        self._members.join_intent(intent, now)
        self.intents.enqueue(encode_serf(intent))

    def announce_leave(self, node: str, now: float, *, prune: bool = False) -> int:
        """Gossip that a node (this one, or a failed one) leaves; the broadcast's id."""
        intent = LeaveIntent(self.clock.advance(), node, prune)
        self._members.leave_intent(intent, now)
        return self.intents.enqueue(encode_serf(intent))

    def user_event(self, name: str, payload: bytes, *, coalesce: bool) -> None:
        """Gossip a user event; it is delivered here as well."""
        event = UserEvent(self._events.clock.advance(), name, payload, coalesce)
        encoded = encode_serf(event)
        if len(encoded) > USER_EVENT_BYTES_MAX:
            raise ValueError(f"user event takes {len(encoded)} bytes, more than {USER_EVENT_BYTES_MAX}")
        self._take_event(event)
        self._event_queue.enqueue(encoded)

    def respond(self, query: Query, payload: bytes | None, *, flags: int = 0) -> None:
        """Answer a query, directly and through as many relays as it asks for."""
        response = QueryResponse(query.ltime, query.id, self._own_name, flags, payload)
        encoded = encode_serf(response)
        if len(encoded) > RESPONSE_BYTES_MAX:
            raise ValueError(f"answer takes {len(encoded)} bytes, more than {RESPONSE_BYTES_MAX}")
        self._send(endpoint_of(query.address, query.port), encoded)
        if query.relay_factor == 0 or self._members.count(*Status) < query.relay_factor + 1:
            return
        header = RelayHeader(RelayAddress(query.address, query.port), query.source_node)
        relayed = encode_serf(Relay(header, encoded))
        for member in self._random_members(query.relay_factor):
            if member.versions[1] >= _PROTOCOL_RELAY:
                self._send(member.endpoint, relayed)

    # What SWIM asks for

    def notify(self, event: Event, now: float) -> None:
        """Follow SWIM's members."""
        match event:
            case MemberJoined(member):
                self._members.joined(member, now)
            case MemberUpdated(member):
                self._members.updated(member)
            case MemberFailed(member) | MemberLeft(member):
                self._members.gone(member, now)
            case MemberSuspected(member) | MemberTrusted(member):
                self._members.refreshed(member)
                self._emit(event)
            case _:
                self._emit(event)

    def has_broadcasts(self) -> bool:
        """Whether any queue holds something."""
        return bool(self.intents) or bool(self._query_queue) or bool(self._event_queue)

    def broadcasts(self, overhead_bytes: int, budget_bytes: int) -> list[bytes]:
        """From the queues in their order."""
        if not self.has_broadcasts():
            return []
        limit = retransmit_limit(self._retransmit_mult, self._members.count(Status.ALIVE, Status.LEAVING))
        taken: list[bytes] = []
        free = budget_bytes
        for queue in (self.intents, self._query_queue, self._event_queue):
            payloads = queue.take(overhead_bytes, free, limit)
            free -= sum(len(payload) + overhead_bytes for payload in payloads)
            taken.extend(payloads)
        return taken

    def ack_payload(self) -> bytes | None:
        """The coordinate of a node that has observed nothing."""
        return self._ack_payload

    def probe_completed(self, member: Member, round_trip_s: float, payload: bytes) -> None:  # noqa: ARG002  (the protocol's shape)
        """Read the peer's coordinate, so that a broken one is reported; it is not used."""
        decode_coordinate(payload)

    def local_state(self, *, join: bool) -> bytes:  # noqa: ARG002  (the same either way)
        """Clocks, statuses, who left, and the recent user events."""
        left = self._members.with_status(Status.LEFT)
        return encode_serf(
            SerfState(
                self.clock.time,
                self._members.status_ltimes(),
                tuple([member.name for member in left]),
                self._events.clock.time,
                tuple([EventSlot(ltime, tuple(events)) for ltime, events in self._events.slots()]),
                self._queries.clock.time,
            )
        )

    def merge_state(self, state: bytes, now: float, *, joining: bool) -> None:
        """Take in a peer's clocks, statuses and recent events. Nothing of it is gossiped on."""
        remote = decode_serf(state)
        if not isinstance(remote, SerfState):
            raise WireError(f"user state holds {type(remote).__name__}, not SerfState")
        for clock, ltime in (
            (self.clock, remote.ltime),
            (self._events.clock, remote.event_ltime),
            (self._queries.clock, remote.query_ltime),
        ):
            if ltime > 0:
                clock.witness(ltime - 1)
        left = set(remote.left_members)
        for name in remote.left_members:
            ltime = min(remote.status_ltimes.get(name, 0) + 1, LTIME_MAX)
            self._take_leave(LeaveIntent(ltime, name), now)
        for name, ltime in remote.status_ltimes.items():
            if name not in left:
                self._take_join(JoinIntent(ltime, name), now)
        if joining:
            # What happened before this node joined is history, not news.
            self._events.oldest_accepted = max(self._events.oldest_accepted, remote.event_ltime)
        for slot in remote.events:
            if slot is not None:
                for seen in slot.events:
                    self._take_event(UserEvent(slot.ltime, seen.name, seen.payload))

    def user_message(self, payload: bytes, now: float) -> None:
        """Take in one Serf message, and queue it again if it is new."""
        match decode_serf(payload):
            case LeaveIntent() as intent:
                if self._take_leave(intent, now):
                    self.intents.enqueue(payload)
            case JoinIntent() as intent:
                if self._take_join(intent, now):
                    self.intents.enqueue(payload)
            case UserEvent() as event:
                if len(payload) > USER_EVENT_BYTES_MAX:
                    raise WireError(f"user event takes {len(payload)} bytes, more than {USER_EVENT_BYTES_MAX}")
                if self._take_event(event):
                    self._event_queue.enqueue(payload)
            case Query() as query:
                if self._queries.admit(query.ltime, query.id):
                    if not query.flags & FLAG_NO_BROADCAST:
                        self._query_queue.enqueue(payload)
                    self._take_query(query, now)
            case Relay(header, inner):
                self._send(endpoint_of(header.destination.address, header.destination.port & 0xFFFF), inner)
            case QueryResponse():
                # This node asks no queries; a late or misdirected answer means nothing to it.
                pass
            case other:
                raise WireError(f"{type(other).__name__} does not travel alone")

    def _take_join(self, intent: JoinIntent, now: float) -> bool:
        self.clock.witness(intent.ltime)
        return self._members.join_intent(intent, now)

    def _take_leave(self, intent: LeaveIntent, now: float) -> bool:
        self.clock.witness(intent.ltime)
        own = self._members.find(intent.node) if intent.node == self._own_name else None
        if own is not None and not self.leaving:
            if intent.ltime > own.status_ltime:
                self.announce_join(now)
            return False
        return self._members.leave_intent(intent, now)

    def _take_event(self, event: UserEvent) -> bool:
        new = self._events.admit(event.ltime, SeenEvent(event.name, event.payload))
        if new:
            self._emit(UserEventReceived(event))
        return new

    def _take_query(self, query: Query, now: float) -> None:
        own = self._members.find(self._own_name)
        if own is None or not matches_filters(query.filters, self._own_name, own.tags):
            return
        endpoint_of(query.address, query.port)  # refuses a query that nobody could answer
        if query.flags & FLAG_ACK:
            self.respond(query, None, flags=FLAG_ACK)
        if query.name == INTERNAL_PREFIX + "conflict":
            self._vote(query)
        elif not query.name.startswith(INTERNAL_PREFIX):
            self._emit(QueryReceived(query, now + query.timeout_ns / 1e9))

    def _vote(self, query: Query) -> None:
        """Tell a node that sees its name claimed elsewhere whom we know under that name."""
        name = (query.payload or b"").decode("utf-8", "surrogateescape")
        if name == self._own_name:
            return
        member = self._members.find(name)
        if member is None:
            self.respond(query, bytes((SerfType.CONFLICT_RESPONSE, 0xC0)))
            return
        vote = ConflictResponse(
            member.name, member.address, member.port, member.tags, int(member.status), *member.versions
        )
        self.respond(query, encode_serf(vote))
