"""Serf as the layer above SWIM: what it gossips, what it takes in, and what it exchanges with a peer's Serf.

Three queues wait to be gossiped, drained in this order: intents, queries, user events. A message is passed on exactly
as it came in, and only if it was new here; that is what ends its spread.
"""

from collections.abc import Callable

from lictor_swim.broadcast_queue import GOSSIP_BYTES_MAX, BroadcastQueue, retransmit_limit
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
from lictor_swim.serf.coordinates import decode_coordinate
from lictor_swim.serf.events import SerfEvent, Status, UserEventReceived
from lictor_swim.serf.lamport import LTIME_MAX, LamportClock
from lictor_swim.serf.members import SerfMembers
from lictor_swim.serf.positions import Positions
from lictor_swim.serf.query_exchange import QueryExchange
from lictor_swim.serf.recent import RecentRing
from lictor_swim.serf.snapshot import Clocks
from lictor_swim.serf.tags import decode_tags
from lictor_swim.serf.wire import (
    EventSlot,
    JoinIntent,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    SeenEvent,
    SerfState,
    UserEvent,
    decode_serf,
    encode_serf,
)
from lictor_swim.wire.errors import WireError

QUEUE_DEPTH_MAX = 4096
"""Most messages in one queue, as in Serf; those that went out most are dropped first."""

INTENTS_PER_MEMBER = 2
"""In pools of more than 2,048 members the queue of intents grows with them, as Consul has it."""

USER_EVENT_BYTES_MAX = 9 * 1024
"""Largest user event taken in: Serf's own hard limit; it also bounds the ring of recent events."""


Accepts = Callable[[str, dict[str, str]], str]
"""Why a node with this name and these tags may not be in the pool; empty when it may (Serf's merge delegate)."""


class SerfDelegate(NullDelegate):
    """Serf's state and rules; `members`, the clocks and the queues are shared with the node that owns it.

    Args:
        own_name: this node.
        members: the table of members.
        emit: told of every event.
        retransmit_mult: as for SWIM's own updates.
        queries: asked and heard here.
        positions: coordinates; None sends none and learns none.
        accepts: judges a node by its name and tags.
    """

    def __init__(
        self,
        own_name: str,
        members: SerfMembers,
        emit: Callable[[SerfEvent], None],
        retransmit_mult: int,
        queries: QueryExchange,
        positions: Positions | None,
        accepts: Accepts | None,
    ) -> None:
        self.clock = LamportClock()
        self.intents = BroadcastQueue(QUEUE_DEPTH_MAX, GOSSIP_BYTES_MAX)
        self.leaving = False
        self._own_name = own_name
        self._members = members
        self._emit = emit
        self._retransmit_mult = retransmit_mult
        self.events: RecentRing[SeenEvent] = RecentRing()
        self.event_queue = BroadcastQueue(QUEUE_DEPTH_MAX, GOSSIP_BYTES_MAX)
        self._queries = queries
        self._positions = positions
        self._accepts = accepts

    @property
    def clocks(self) -> Clocks:
        """The newest times that were used, as a snapshot keeps them."""
        return Clocks(self.clock.time - 1, self.events.clock.time - 1, self._queries.recent.clock.time - 1)

    def restore(self, clocks: Clocks) -> None:
        """Go on after the times of a snapshot; what is not newer than they are was seen before the restart."""
        self.clock.witness(clocks.members)
        self.events.clock.witness(clocks.events)
        self.events.oldest_accepted = clocks.events + 1
        self._queries.recent.clock.witness(clocks.queries)
        self._queries.recent.oldest_accepted = clocks.queries + 1

    # What this node says

    def announce_join(self, now: float) -> None:
        """Gossip that this node joined, at the current time: it outbids older leave intents about it."""
        intent = JoinIntent(self.clock.time, self._own_name)
        self.clock.witness(intent.ltime)
        self._members.join_intent(intent, now)
        self.intents.enqueue(encode_serf(intent), now=now)

    def announce_leave(self, node: str, now: float, *, prune: bool = False) -> int:
        """Gossip that a node (this one, or a failed one) leaves; the broadcast's id."""
        intent = LeaveIntent(self.clock.advance(), node, prune)
        self._members.leave_intent(intent, now)
        return self.intents.enqueue(encode_serf(intent), now=now)

    def user_event(self, name: str, payload: bytes, *, coalesce: bool, now: float) -> None:
        """Gossip a user event; it is delivered here as well."""
        event = UserEvent(self.events.clock.advance(), name, payload, coalesce)
        encoded = encode_serf(event)
        if len(encoded) > USER_EVENT_BYTES_MAX:
            raise ValueError(f"user event takes {len(encoded)} bytes, more than {USER_EVENT_BYTES_MAX}")
        self._take_event(event)
        self.event_queue.enqueue(encoded, now=now)

    # What SWIM asks for

    def refusal(self, name: str, meta: bytes) -> str:
        """What whoever drives this node says of such a member."""
        return "" if self._accepts is None else self._accepts(name, decode_tags(meta))

    def notify(self, event: Event, now: float) -> None:
        """Follow SWIM's members."""
        match event:
            case MemberJoined(member):
                self._members.joined(member, now)
                # An intent is lost for whoever has not heard it: half of a large pool may leave or join at once.
                self.intents.depth_max = max(QUEUE_DEPTH_MAX, INTENTS_PER_MEMBER * self._members.count(*Status))
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
        return bool(self.intents) or bool(self._queries.queue) or bool(self.event_queue)

    def broadcasts(self, overhead_bytes: int, budget_bytes: int) -> list[bytes]:
        """From the queues in their order."""
        if not self.has_broadcasts():
            return []
        limit = retransmit_limit(self._retransmit_mult, self._members.count(Status.ALIVE, Status.LEAVING))
        taken: list[bytes] = []
        free = budget_bytes
        for queue in (self.intents, self._queries.queue, self.event_queue):
            payloads = queue.take(overhead_bytes, free, limit)
            free -= sum(len(payload) + overhead_bytes for payload in payloads)
            taken.extend(payloads)
        return taken

    def ack_payload(self) -> bytes | None:
        """This node's coordinate, unless coordinates are switched off."""
        return None if self._positions is None else self._positions.payload()

    def probe_completed(self, member: Member, round_trip_s: float, payload: bytes) -> None:
        """Move this node's coordinate by what the probe showed, and remember the peer's."""
        if self._positions is not None:
            self._positions.observe(member.name, decode_coordinate(payload), round_trip_s)

    def local_state(self, *, join: bool) -> bytes:  # noqa: ARG002  (the same either way)
        """Clocks, statuses, who left, and the recent user events."""
        left = self._members.with_status(Status.LEFT)
        return encode_serf(
            SerfState(
                self.clock.time,
                self._members.status_ltimes(),
                tuple([member.name for member in left]),
                self.events.clock.time,
                tuple([EventSlot(ltime, tuple(events)) for ltime, events in self.events.slots()]),
                self._queries.recent.clock.time,
            )
        )

    def merge_state(self, state: bytes, now: float, *, joining: bool) -> None:
        """Take in a peer's clocks, statuses and recent events. Nothing of it is gossiped on."""
        remote = decode_serf(state)
        if not isinstance(remote, SerfState):
            raise WireError(f"user state holds {type(remote).__name__}, not SerfState")
        for clock, ltime in (
            (self.clock, remote.ltime),
            (self.events.clock, remote.event_ltime),
            (self._queries.recent.clock, remote.query_ltime),
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
            self.events.oldest_accepted = max(self.events.oldest_accepted, remote.event_ltime)
        for slot in remote.events:
            if slot is not None:
                for seen in slot.events:
                    self._take_event(UserEvent(slot.ltime, seen.name, seen.payload))

    def user_message(self, payload: bytes, now: float) -> None:
        """Take in one Serf message, and queue it again if it is new."""
        match decode_serf(payload):
            case LeaveIntent() as intent:
                if self._take_leave(intent, now):
                    self.intents.enqueue(payload, now=now)
            case JoinIntent() as intent:
                if self._take_join(intent, now):
                    self.intents.enqueue(payload, now=now)
            case UserEvent() as event:
                if len(payload) > USER_EVENT_BYTES_MAX:
                    raise WireError(f"user event takes {len(payload)} bytes, more than {USER_EVENT_BYTES_MAX}")
                if self._take_event(event):
                    self.event_queue.enqueue(payload, now=now)
            case Query() as query:
                self._queries.query_received(query, payload, now)
            case QueryResponse() as response:
                self._queries.response_received(response, now)
            case Relay() as relay:
                self._queries.relay(relay)
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
        if len(event.name) + len(event.payload or b"") > USER_EVENT_BYTES_MAX:
            return False  # the ring keeps thousands of them
        new = self.events.admit(event.ltime, SeenEvent(event.name, event.payload))
        if new:
            self._emit(UserEventReceived(event))
        return new
