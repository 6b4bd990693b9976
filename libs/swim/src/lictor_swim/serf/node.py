"""One Serf agent, without I/O: a SWIM node with Serf on top, driven like a SWIM node.

This module keeps Serf's schedule: leaving in its two steps, reaping, and reconnecting to failed members. Serf's rules
are in `delegate` and `members`, queries in `query_exchange`.
"""

from enum import Enum

from lictor_swim.addresses import Endpoint
from lictor_swim.broadcast_queue import QueueMeasure
from lictor_swim.config import VERSIONS, SwimConfig, Versions
from lictor_swim.dice import Dice
from lictor_swim.events import JoinFailed, JoinSucceeded, Member, NameConflict, Refuted
from lictor_swim.history import HistoryEntry
from lictor_swim.node import OpenedStream, SwimNode
from lictor_swim.outbox import Effect
from lictor_swim.record import Identity
from lictor_swim.serf.asking import QueryParams
from lictor_swim.serf.config import SERF_LAN, SerfConfig
from lictor_swim.serf.coordinates import Coordinate
from lictor_swim.serf.delegate import Accepts, SerfDelegate
from lictor_swim.serf.events import (
    LeaveCompleted,
    LeaveStarted,
    MemberChange,
    MemberEvent,
    QueryId,
    SerfEvent,
    SerfMember,
    Status,
)
from lictor_swim.serf.filters import Matches, matches_plain
from lictor_swim.serf.key_rotation import KeyRotation, answers
from lictor_swim.serf.members import SerfMembers
from lictor_swim.serf.name_conflict import CONFLICT, NameConflicts
from lictor_swim.serf.positions import Positions
from lictor_swim.serf.query_exchange import QueryExchange
from lictor_swim.serf.snapshot import Clocks
from lictor_swim.serf.tags import encode_tags
from lictor_swim.serf.wire import Query
from lictor_swim.wire.keyring import Keyring
from lictor_swim.wire.packet import Framing


class _Leave(Enum):
    """Leaving: first the intent, so that peers show `left` and not `failed`; then memberlist's own announcement."""

    NOT = "not leaving"
    INTENT = "intent going out"
    DEAD = "departure going out"
    LINGER = "passing both on"
    DONE = "gone"


class SerfNode:
    """One agent.

    Args:
        name: unique in the pool.
        address: advertised, 4 or 16 bytes.
        port: advertised.
        tags: at most 512 bytes when encoded.
        swim: timing of the membership protocol.
        serf: timing of Serf's layer.
        framing: keys, label and compression of the pool.
        dice: the source of randomness; with keys it must be unpredictable.
        versions: announced protocol versions.
        clocks: where a snapshot says that this node's clocks were; events and queries of before are not shown again.
        accepts: says why a node with these tags may not be in this pool (another datacenter's), or nothing. One such
            node refuses a whole join; by gossip it is refused alone.
        matches: evaluates the tag expressions of queries; the default understands the plain part of Go's language.
    """

    def __init__(
        self,
        *,
        name: str,
        address: bytes,
        port: int,
        tags: dict[str, str],
        swim: SwimConfig,
        framing: Framing,
        dice: Dice,
        serf: SerfConfig = SERF_LAN,
        versions: Versions = VERSIONS,
        clocks: Clocks | None = None,
        matches: Matches = matches_plain,
        accepts: Accepts | None = None,
    ) -> None:
        self._config = serf
        self._dice = dice
        self._events: list[SerfEvent] = []
        self._members = SerfMembers(name, serf, self._events_append)
        identity = Identity(name=name, address=address, port=port, meta=encode_tags(tags), versions=versions)
        self._queries = QueryExchange(
            lambda: self._swim.own,
            self._members,
            self._events_append,
            self._send,
            self._random_members,
            swim.gossip_interval_s,
            dice,
            matches,
        )
        self._positions = Positions(name, dice) if serf.coordinates else None
        self._delegate = SerfDelegate(
            name, self._members, self._events_append, swim.retransmit_mult, self._queries, self._positions, accepts
        )
        if clocks is not None:
            self._delegate.restore(clocks)
        self._swim = SwimNode(identity, swim, framing, dice, self._delegate)
        self.keys = KeyRotation(
            self._queries.ask_for,
            lambda: self._swim.living,
            lambda: self._swim.framing.keyring,
            self._swim.replace_keyring,
            self._events_append,
        )
        self._conflicts = NameConflicts(
            name, lambda: self._swim.own.endpoint, self._members, self._queries.ask_for, self._events_append
        )
        self._queries.internal = {CONFLICT: self._conflicts.vote, **answers(self.keys)}
        self._leave = _Leave.NOT
        self._leave_id = 0
        self._leave_deadline = float("inf")
        self._next_reap_at = 0.0
        self._next_reconnect_at = 0.0
        self._reconnects: set[int] = set()
        self._joined = False

    # What the driver calls

    def start(self, now: float) -> None:
        """Enter the pool of one and arm the timers."""
        self._swim.start(now)
        self._next_reap_at = now + self._config.reap_interval_s
        self._next_reconnect_at = now + self._config.reconnect_interval_s

    def receive_datagram(self, data: bytes, source: Endpoint, now: float) -> None:
        """Take in one UDP payload."""
        self._swim.receive_datagram(data, source, now)
        self._after(now)

    def receive_stream(self, data: bytes, source: Endpoint, now: float) -> bytes | None:
        """Take in the request of a stream that a peer opened; the bytes to answer, or None to just close it."""
        reply = self._swim.receive_stream(data, source, now)
        self._after(now)
        return reply

    def stream_answered(self, stream_id: int, data: bytes, now: float) -> None:
        """Take in the answer on a stream that this node opened."""
        self._swim.stream_answered(stream_id, data, now)
        self._after(now)

    def open_stream(self, data: bytes) -> OpenedStream:
        """What is in one direction of a stream, or why it is nothing. Changes nothing, so a thread may do it."""
        return self._swim.open_stream(data)

    def receive_opened(self, opened: OpenedStream, source: Endpoint, now: float) -> bytes | None:
        """As `receive_stream`, for what `open_stream` gave."""
        reply = self._swim.receive_opened(opened, source, now)
        self._after(now)
        return reply

    def answer_opened(self, stream_id: int, opened: OpenedStream, now: float) -> None:
        """As `stream_answered`, for what `open_stream` gave."""
        self._swim.answer_opened(stream_id, opened, now)
        self._after(now)

    def stream_failed(self, stream_id: int, reason: str, now: float) -> None:
        """A stream that this node opened came to nothing."""
        self._swim.stream_failed(stream_id, reason, now)
        self._after(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`; harmless when nothing is."""
        self._swim.handle_timer(now)
        if now >= min(self._next_reap_at, self._members.reap_deadline()):
            self._next_reap_at = now + self._config.reap_interval_s
            self._members.reap(now)
        if now >= self._next_reconnect_at:
            self._next_reconnect_at = now + self._config.reconnect_interval_s
            self._reconnect(now)
        self._queries.expire(now)
        self._after(now)

    def next_deadline(self) -> float:
        """When `handle_timer` is next needed; it may change with every call."""
        return min(
            self._swim.next_deadline(),
            self._next_reap_at,
            self._members.reap_deadline(),
            self._next_reconnect_at,
            self._leave_deadline,
            self._queries.deadline(),
        )

    def outgoing(self) -> list[Effect]:
        """The packets to send and streams to open since the last call."""
        return self._swim.outgoing()

    def events(self) -> list[SerfEvent]:
        """What happened since the last call."""
        events = list(self._events)
        self._events.clear()
        return events

    # What the service calls

    def join(self, seed: Endpoint, now: float, *, replay: bool = False) -> int:
        """Join a pool through a seed; JoinSucceeded or JoinFailed with this stream id follows.

        User events of before are history to a newcomer. With `replay` those that are newer than this node's clock are
        shown: for a node that comes back with the clocks of its snapshot.
        """
        return self._swim.join(seed, now, replay=replay)

    def leave(self, now: float) -> None:
        """Leave the pool; LeaveCompleted follows, at the latest after two broadcast timeouts and the delay."""
        if self._leave is not _Leave.NOT:
            return
        self._events.append(LeaveStarted())
        self._delegate.leaving = True
        self._leave_id = self._delegate.announce_leave(self._swim.own.name, now)
        self._enter_leave(_Leave.INTENT, now + self._config.broadcast_timeout_s)
        self._after(now)

    def force_leave(self, name: str, now: float, *, prune: bool = False) -> bool:
        """Turn a failed member into one that left (or, with `prune`, erase it); whether the member is known."""
        if name == self._swim.own.name or self._members.find(name) is None:
            return False
        self._delegate.announce_leave(name, now, prune=prune)
        return True

    def set_tags(self, tags: dict[str, str], now: float) -> None:
        """Announce new tags for this node; ValueError when they take more than 512 bytes."""
        self._swim.update_meta(encode_tags(tags), now)

    def user_event(self, name: str, payload: bytes, *, coalesce: bool = True, now: float) -> None:
        """Send a user event to the pool; ValueError when it is too large."""
        self._delegate.user_event(name, payload, coalesce=coalesce, now=now)

    def query(self, params: QueryParams, now: float) -> QueryId:
        """Ask the pool. QueryAck and QueryAnswer with this id follow, and QueryDone when the query's time is over.

        Raises:
            ValueError: the name is reserved, the query is too large, or too many are open.
        """
        return self._queries.ask(params, now)

    def respond(self, query: Query, payload: bytes, now: float) -> None:
        """Answer a query that was received; ValueError when the answer is too large (1024 bytes)."""
        self._queries.respond(query, payload, now)

    def history(self, name: str) -> tuple[HistoryEntry, ...]:
        """What is remembered against a member, oldest first: who suspected it, how late its answers were."""
        return self._swim.history(name)

    def queues(self, now: float) -> dict[str, QueueMeasure]:
        """Depth and oldest age of what waits to be gossiped, by kind, in the order in which packets are filled."""
        return {
            "membership": self._swim.queue(now),
            "intents": self._delegate.intents.measure(now),
            "queries": self._queries.queue.measure(now),
            "user_events": self._delegate.event_queue.measure(now),
        }

    @property
    def coordinate(self) -> Coordinate:
        """Where this node lies in the space of latencies; the origin when coordinates are switched off."""
        return Coordinate() if self._positions is None else self._positions.own

    def coordinate_of(self, name: str) -> Coordinate | None:
        """Where a member lies, as its last ack said; None when this node has not probed it yet."""
        return None if self._positions is None else self._positions.of(name)

    @property
    def clocks(self) -> Clocks:
        """The Lamport times to write into a snapshot."""
        return self._delegate.clocks

    @property
    def keyring(self) -> Keyring | None:
        """The keys that this node uses now; None when the pool is not encrypted."""
        return self._swim.framing.keyring

    @property
    def members(self) -> list[SerfMember]:
        """All members, those that left or failed included."""
        return self._members.values()

    @property
    def own(self) -> SerfMember:
        """This node."""
        own = self._members.find(self._swim.own.name)
        assert own is not None, "a started node is in its own table"
        return own

    @property
    def health_score(self) -> int:
        """0 when this node's own network seems well; higher the worse (Lifeguard)."""
        return self._swim.health_score

    def _send(self, destination: Endpoint, payload: bytes) -> None:
        self._swim.send_user(destination, payload)

    def _random_members(self, count: int) -> list[Member]:
        return self._swim.random_members(count)

    def _events_append(self, event: SerfEvent) -> None:
        if isinstance(event, JoinSucceeded | JoinFailed):
            if event.stream_id in self._reconnects:
                self._reconnects.discard(event.stream_id)
                return
            self._joined = self._joined or isinstance(event, JoinSucceeded)
        if isinstance(event, MemberEvent) and event.change is MemberChange.REAPED and self._positions is not None:
            self._positions.forget(event.member.name)
        self._events.append(event)

    def _after(self, now: float) -> None:
        """What follows from the call just made."""
        for event in self._swim.events():
            if isinstance(event, Refuted):
                self._members.refreshed(self._swim.own)
            elif isinstance(event, NameConflict) and self._votes_on(event):
                self._conflicts.seen(event.claimed, now)
        if self._joined:
            # Peers may hold an older leave intent about this node: a newer join intent ends it.
            self._joined = False
            self._delegate.announce_join(now)
        if self._leave is _Leave.INTENT and (self._intent_is_out() or now >= self._leave_deadline):
            self._swim.leave(now)
            self._enter_leave(_Leave.DEAD, now + self._config.broadcast_timeout_s)
        if self._leave is _Leave.DEAD and (self._swim.has_left or now >= self._leave_deadline):
            self._enter_leave(_Leave.LINGER, now + self._config.leave_propagate_delay_s)
        if self._leave is _Leave.LINGER and (self._swim.is_alone or now >= self._leave_deadline):
            self._enter_leave(_Leave.DONE, float("inf"))
            self._events.append(LeaveCompleted())

    def _votes_on(self, conflict: NameConflict) -> bool:
        ours = conflict.member.name == self._swim.own.name
        return ours and self._config.name_conflict_resolution and self._leave is _Leave.NOT

    def _enter_leave(self, stage: _Leave, deadline: float) -> None:
        self._leave, self._leave_deadline = stage, deadline

    def _intent_is_out(self) -> bool:
        return self._swim.is_alone or not self._delegate.intents.is_pending(self._leave_id)

    def _reconnect(self, now: float) -> None:
        """Try one failed member, the more likely the larger the failed share: a healed partition joins again."""
        failed = self._members.with_status(Status.FAILED)
        alive = self._members.with_status(Status.ALIVE)
        if not failed or self._leave is not _Leave.NOT or self._dice.random() > len(failed) / max(1, len(alive)):
            return
        member = failed[self._dice.randrange(len(failed))]
        self._reconnects.add(self._swim.join(member.endpoint, now, replay=True))
