"""One member of a SWIM pool, without I/O: bytes and the time go in, effects and events come out.

A driver passes in every packet, every stream message and the time of `next_deadline()`, and after each call carries out
`outgoing()` and reads `events()`. The parts: `membership` (rules), `probe` (failure detector), `push_pull`, `outbox`.
This module routes messages to them and keeps the schedule of gossip and push/pull.
"""

from typing import ClassVar, NamedTuple

from msgspec.structs import replace

from lictor_swim.addresses import Endpoint, endpoint_of
from lictor_swim.awareness import Awareness
from lictor_swim.broadcast_queue import QueueMeasure, retransmit_limit
from lictor_swim.config import SwimConfig
from lictor_swim.delegate import Delegate, NullDelegate
from lictor_swim.dice import Dice
from lictor_swim.events import Event, InputRefused, JoinFailed, JoinSucceeded, Member, MemberState
from lictor_swim.history import HistoryEntry
from lictor_swim.membership import Membership
from lictor_swim.outbox import Effect, Outbox
from lictor_swim.probe import FailureDetector
from lictor_swim.push_pull import incompatibility, push_pull_interval_s
from lictor_swim.record import Identity
from lictor_swim.wire.errors import EnvelopeError, WireError
from lictor_swim.wire.keyring import Keyring
from lictor_swim.wire.messages import (
    Ack,
    Alive,
    Dead,
    ErrorReply,
    IndirectPing,
    Message,
    MessageType,
    Nack,
    NodeState,
    Ping,
    Suspect,
    User,
    decode_message,
)
from lictor_swim.wire.packet import Framing, open_packet
from lictor_swim.wire.stream import PushPull, StreamMessage, open_stream

_USER_TYPE = bytes((MessageType.USER,))
_PROTOCOL_CHECKSUM = 5


OpenedStream = StreamMessage | WireError
"""What was in a stream, or why it was nothing."""

STALL_SHARE = 0.5
"""A timer that is late by this share of the probe timeout tells that the process stood still."""


class _Stream(NamedTuple):
    """A stream that this node opened: an exchange of state, or a ping with that sequence number."""

    destination: Endpoint
    deadline: float
    join: bool = False
    replay: bool = False
    ping_sequence: int | None = None


class SwimNode:
    """One member.

    Args:
        identity: name, advertised address, metadata, versions.
        config: timing; all members of a pool should agree on it.
        framing: keys, label and compression; all members of a pool must agree on keys and label.
        dice: the source of randomness; with keys it must be unpredictable.
        delegate: the layer above; none by default.

    A simulation of thousands of members puts other parts in (`membership_type`, `outbox_type`) and passes decoded
    messages (`handle`, `serve`, `answered`), since the wire is proven elsewhere.
    """

    membership_type: ClassVar[type[Membership]] = Membership
    outbox_type: ClassVar[type[Outbox]] = Outbox

    def __init__(
        self, identity: Identity, config: SwimConfig, framing: Framing, dice: Dice, delegate: Delegate | None = None
    ) -> None:
        self._config = config
        self._dice = dice
        self._delegate: Delegate = delegate or NullDelegate()
        self._events: list[Event] = []
        self._awareness = Awareness(config.awareness_max)
        self._membership = self.membership_type(
            identity, config, dice, self._awareness, self._emit, self._delegate.refusal
        )
        self._outbox = self.outbox_type(framing, config.packet_bytes, dice, self._take_broadcasts)
        self._detector = FailureDetector(
            self._membership, config, self._outbox, self._awareness, dice, self._delegate, self._open_ping
        )
        self._streams: dict[int, _Stream] = {}
        self._next_gossip_at = 0.0
        self._next_push_pull_at = 0.0
        self._leave_id: int | None = None
        self._due = float("inf")

    # What the driver calls

    def start(self, now: float) -> None:
        """Enter the pool of one, and arm the timers at random moments."""
        self._membership.bootstrap(now)
        self._detector.start(now)
        self._next_gossip_at = now + self._dice.random() * self._config.gossip_interval_s
        self._next_push_pull_at = now + (1 + self._dice.random()) * self._config.push_pull_interval_s

    def receive_datagram(self, data: bytes, source: Endpoint, now: float) -> None:
        """Take in one UDP payload. What cannot be read is refused with an event and has no effect."""
        try:
            messages = open_packet(data, self._outbox.framing)
        except WireError as error:
            self._refuse(source, error, now)
            return
        for message in messages:
            try:
                self.handle(decode_message(message), source, now)
            except WireError as error:
                self._refuse(source, error, now)

    def open_stream(self, data: bytes) -> OpenedStream:
        """What is in one direction of a stream, or why it is nothing. Changes nothing, so a thread may do it."""
        try:
            return open_stream(data, self._outbox.framing)
        except WireError as error:
            return error

    def receive_stream(self, data: bytes, source: Endpoint, now: float) -> bytes | None:
        """Take in the request of a stream that a peer opened; the bytes to answer, or None to just close it."""
        return self.receive_opened(self.open_stream(data), source, now)

    def receive_opened(self, opened: OpenedStream, source: Endpoint, now: float) -> bytes | None:
        """The same for what `open_stream` gave."""
        try:
            if isinstance(opened, WireError):
                raise opened
            reply = self.serve(opened, source, now)
        except EnvelopeError as error:
            self._refuse(source, error, now)
            return self._outbox.seal(ErrorReply(str(error)))
        except WireError as error:
            self._refuse(source, error, now)
            return None
        return None if reply is None else self._outbox.seal(reply)

    def stream_answered(self, stream_id: int, data: bytes, now: float) -> None:
        """Take in the answer on a stream that this node opened."""
        if stream_id in self._streams:
            self.answer_opened(stream_id, self.open_stream(data), now)

    def answer_opened(self, stream_id: int, opened: OpenedStream, now: float) -> None:
        """The same for what `open_stream` gave."""
        if isinstance(opened, WireError):
            self.stream_failed(stream_id, str(opened), now)
        else:
            self.answered(stream_id, opened, now)

    def answered(self, stream_id: int, message: StreamMessage, now: float) -> None:
        """The same for an answer that is decoded already."""
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        try:
            reason = self._finish_stream(stream, message, now)
        except WireError as error:
            reason = str(error)
        self._report_stream(stream_id, stream, reason, now)

    def stream_failed(self, stream_id: int, reason: str, now: float) -> None:
        """A stream that this node opened could not be connected, broke, or took too long."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._report_stream(stream_id, stream, reason, now)

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`; harmless when nothing is."""
        late_s, self._due = now - self._due, float("inf")
        if late_s > self._config.probe_timeout_s * STALL_SHARE:
            self._stalled(late_s)
        for stream_id, stream in list(self._streams.items()):
            if now >= stream.deadline:
                self.stream_failed(stream_id, "no answer in time", now)
        self._membership.expire(now)
        self._detector.tick(now)
        if now >= self._next_gossip_at and self._has_broadcasts():
            self._gossip(now)
        if now >= self._next_push_pull_at:
            base_s = self._config.push_pull_interval_s
            self._next_push_pull_at = now + push_pull_interval_s(base_s, len(self._membership.records))
            self._push_pull_with_someone(now)

    def next_deadline(self) -> float:
        """When `handle_timer` is next needed; it may change with every call."""
        # These two lie ahead when they are asked for; gossip may be due long before there is something to gossip.
        self._due = min(self._detector.deadline(), self._membership.suspicion_deadline())
        deadlines = [self._due, self._next_push_pull_at]
        if len(self._membership.records) > 1 and self._has_broadcasts():
            deadlines.append(self._next_gossip_at)
        deadlines.extend(stream.deadline for stream in self._streams.values())
        return min(deadlines)

    def _stalled(self, late_s: float) -> None:
        """This process stood still. Answers and refutations may wait in its socket, and event loops run timers first.

        What would now be held against others waits as much longer as it was late here. An observer that stands still
        is a bad one, so its health score rises as well (Lifeguard §IV.A).
        """
        if len(self._membership.records) > 1:
            self._membership.postpone(late_s)
            self._detector.postpone(late_s)
            self._awareness.apply(1)

    def outgoing(self) -> list[Effect]:
        """The packets to send and streams to open since the last call."""
        return self._outbox.drain()

    def events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # What the layer above calls

    def join(self, seed: Endpoint, now: float, *, replay: bool = False) -> int:
        """Exchange state with a seed; JoinSucceeded or JoinFailed with this stream id follows.

        With `replay` the layer above takes the seed's history for news: for a node that was here before.
        """
        return self._open_push_pull(seed, now, join=True, replay=replay)

    def leave(self, now: float) -> None:
        """Tell the pool that this node leaves; `has_left` says when enough of it has been told."""
        if self._leave_id is None:
            self._leave_id = self._membership.leave(now)

    @property
    def has_left(self) -> bool:
        """Whether the departure went out as often as it should, or there is nobody to tell."""
        if self._leave_id is None:
            return False
        return self.is_alone or not self._membership.broadcasts.is_pending(self._leave_id)

    def update_meta(self, meta: bytes, now: float) -> None:
        """Announce new metadata for this node (at most 512 bytes)."""
        self._membership.update_meta(meta, now)

    def history(self, name: str) -> tuple[HistoryEntry, ...]:
        """What is remembered against a member, oldest line first: who suspected it, how late its answers were."""
        return self._membership.history.of(name)

    def queue(self, now: float) -> QueueMeasure:
        """How many claims about members wait to go out, and for how long."""
        return self._membership.broadcasts.measure(now)

    @property
    def framing(self) -> Framing:
        """Keys, label and compression that this node uses now."""
        return self._outbox.framing

    def replace_keyring(self, keyring: Keyring) -> None:
        """Use other keys from now on; what is under way under an old key that is still in the ring can be read."""
        self._outbox.framing = replace(self._outbox.framing, keyring=keyring)

    @property
    def living(self) -> int:
        """How many members are alive or suspected, this node included."""
        return sum(not record.is_gone for record in self._membership.records.values())

    def send_user(self, destination: Endpoint, payload: bytes) -> None:
        """Send one message of the layer above straight to a node."""
        self._outbox.send_encoded(destination, [_USER_TYPE + payload])

    @property
    def own(self) -> Member:
        """This node."""
        return self._membership.own.member()

    @property
    def members(self) -> list[Member]:
        """All records: this node, the living, and the gone that are not forgotten yet."""
        return [record.member() for record in self._membership.records.values()]

    @property
    def health_score(self) -> int:
        """0 when this node's own network seems well; higher the worse (Lifeguard)."""
        return self._awareness.score

    @property
    def is_alone(self) -> bool:
        """Whether no other member is alive."""
        return self._membership.is_alone

    def random_members(self, count: int) -> list[Member]:
        """Up to `count` other living members."""
        return [record.member() for record in self._membership.draw_alive(count)]

    # Packets

    def handle(self, message: Message, source: Endpoint, now: float) -> None:
        """Take in one message of a packet.

        Raises:
            WireError: it is not for this node, or its payload is malformed.
        """
        match message:
            case Ping() as ping:
                self._detector.ping_received(ping, source)
            case IndirectPing() as request:
                self._detector.indirect_ping_received(request, source, now)
            case Ack() as ack:
                self._detector.ack_received(ack, now)
            case Nack() as nack:
                self._detector.nack_received(nack)
            case Suspect() as claim:
                self._membership.suspect(claim, now)
            case Alive() as claim:
                self._membership.alive(claim, now)
            case Dead() as claim:
                self._membership.dead(claim, now)
            case User(payload):
                self._delegate.user_message(payload, now)

    def _gossip(self, now: float) -> None:
        self._next_gossip_at = now + self._config.gossip_interval_s
        dead_since = now - self._config.gossip_to_the_dead_s
        for record in self._membership.draw_for_gossip(self._config.gossip_nodes, dead_since):
            destination = endpoint_of(record.address, record.port)
            if not self._outbox.gossip(destination, checksum=record.protocol_max >= _PROTOCOL_CHECKSUM):
                return

    def _has_broadcasts(self) -> bool:
        return bool(self._membership.broadcasts) or self._delegate.has_broadcasts()

    def _take_broadcasts(self, overhead_bytes: int, budget_bytes: int) -> list[bytes]:
        """Updates for one packet: claims about members first, then the layer above."""
        if not self._has_broadcasts():
            return []
        limit = retransmit_limit(self._config.retransmit_mult, len(self._membership.records))
        updates = self._membership.broadcasts.take(overhead_bytes, budget_bytes, limit)
        free = budget_bytes - sum(len(update) + overhead_bytes for update in updates)
        if free > overhead_bytes + len(_USER_TYPE):
            payloads = self._delegate.broadcasts(overhead_bytes + len(_USER_TYPE), free)
            updates.extend(_USER_TYPE + payload for payload in payloads)
        return updates

    # Streams

    def serve(self, message: StreamMessage, source: Endpoint, now: float) -> StreamMessage | None:
        """Take in the request of a stream; the answer, or None to just close it.

        Raises:
            WireError: it is no request, or not one for this node.
        """
        match message:
            case PushPull():
                # The answer is our state before the merge: the peer learns what we knew, not what it just told us.
                reply = self._local_state(join=message.join)
                try:
                    self._merge(message, now, joining=False)
                except WireError as error:
                    # Peers answer whomever they cannot merge as well: the other side then sees why by itself.
                    self._refuse(source, error, now)
                return reply
            case Ping(sequence, node):
                if node and node != self._membership.identity.name:
                    raise WireError(f"ping is for node '{node}'")
                return Ack(sequence)
            case User(payload):
                self._delegate.user_message(payload, now)
                return None
            case _:
                raise WireError(f"{type(message).__name__} is not a request")

    def _finish_stream(self, stream: _Stream, message: StreamMessage, now: float) -> str:
        """Take in an answer; why it is not the one expected, or empty."""
        if isinstance(message, ErrorReply):
            return f"the peer refused: {message.error}"
        if stream.ping_sequence is not None:
            if not isinstance(message, Ack) or message.sequence != stream.ping_sequence:
                return "the answer is not the ack of this ping"
            self._detector.stream_acked(stream.ping_sequence)
            return ""
        if not isinstance(message, PushPull):
            return f"the answer is {type(message).__name__}, not an exchange of state"
        self._merge(message, now, joining=stream.join and not stream.replay)
        return ""

    def _report_stream(self, stream_id: int, stream: _Stream, reason: str, now: float) -> None:
        if stream.join:
            seed = stream.destination
            failed = JoinFailed(seed, stream_id, reason)
            self._emit(failed if reason else JoinSucceeded(seed, stream_id), now)
        elif reason and stream.ping_sequence is None:
            self._emit(InputRefused(f"{stream.destination.host}:{stream.destination.port}", reason), now)

    def _local_state(self, *, join: bool) -> PushPull:
        return PushPull(self._membership.snapshot(), self._delegate.local_state(join=join), join)

    def _merge(self, remote: PushPull, now: float, *, joining: bool) -> None:
        reason = incompatibility(remote.nodes, self._membership.snapshot())
        if not reason and remote.join:
            reason = self._stranger_among(remote.nodes)
        if reason:
            raise WireError(reason)
        self._membership.merge(remote.nodes, now)
        if remote.user_state:
            self._delegate.merge_state(remote.user_state, now, joining=joining)

    def _stranger_among(self, nodes: tuple[NodeState, ...]) -> str:
        """Two pools that join by mistake must not: one living member that does not belong here refuses them all."""
        living = (MemberState.ALIVE, MemberState.SUSPECT)
        for node in nodes:
            reason = self._delegate.refusal(node.name, node.meta) if node.state in living else ""
            if reason:
                return reason
        return ""

    def _push_pull_with_someone(self, now: float) -> None:
        for member in self.random_members(1):
            self._open_push_pull(member.endpoint, now, join=False)

    def _open_push_pull(self, destination: Endpoint, now: float, *, join: bool, replay: bool = False) -> int:
        deadline = now + self._config.stream_timeout_s
        stream_id = self._outbox.open_stream(destination, self._local_state(join=join), deadline)
        self._streams[stream_id] = _Stream(destination, deadline, join, replay)
        return stream_id

    def _open_ping(self, destination: Endpoint, ping: Ping, deadline: float) -> None:
        stream_id = self._outbox.open_stream(destination, ping, deadline)
        self._streams[stream_id] = _Stream(destination, deadline, ping_sequence=ping.sequence)

    # Events

    def _refuse(self, source: Endpoint, error: WireError, now: float) -> None:
        self._emit(InputRefused(f"{source.host}:{source.port}", str(error)), now)

    def _emit(self, event: Event, now: float) -> None:
        self._events.append(event)
        self._delegate.notify(event, now)
