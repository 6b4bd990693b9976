"""The failure detector: probe, indirect probe, and a probe by stream (SWIM §3.1, §4.3; Lifeguard §IV.A).

    idle ──interval──▶ direct ──timeout──▶ indirect ──interval · (score + 1)──▶ suspect
                          └─────ack──────────┴──ack; at the end the stream's ack─▶ idle, health improves

One member after the other is probed, in an order that is shuffled after each round, so that each is probed within
2n - 1 intervals. The detector also probes on behalf of others, and sends them a nack when it hears nothing, so that
they can tell their own bad network from a dead target.
"""

from collections.abc import Callable

from msgspec import Struct

from lictor_swim.addresses import Endpoint, endpoint_of
from lictor_swim.awareness import Awareness
from lictor_swim.config import SwimConfig
from lictor_swim.delegate import Delegate
from lictor_swim.dice import Dice
from lictor_swim.events import MemberState
from lictor_swim.history import HistoryKind
from lictor_swim.membership import Membership
from lictor_swim.outbox import Outbox
from lictor_swim.record import Record
from lictor_swim.wire.errors import WireError
from lictor_swim.wire.messages import Ack, IndirectPing, Nack, Ping, Suspect, encode_message

RELAYS_MAX = 1024
"""Most probes under way for others; further requests are dropped, and their senders ask someone else next time."""

NACK_AT = 0.8
"""Share of the probe timeout after which a relay sends its nack (Lifeguard): early enough to arrive in time."""

LATE_PROBES_MAX = 32
"""How many failed probes are remembered, so that an answer which comes even later can be told."""

_PROTOCOL_STREAM_PING = 3
_PROTOCOL_NACK = 4
_PROTOCOL_CHECKSUM = 5
_SEQUENCE_MASK = 0xFFFF_FFFF


class _Probe(Struct):
    """The probe under way. `nacks` counts what relays said, of `nacks_expected` who could.

    `stream_acked`: the target answered on a stream; a packet may still tell that packets get through as well.
    """

    target: str
    incarnation: int
    sequence: int
    sent_at: float
    indirect_at: float
    deadline: float
    indirect: bool = False
    nacks: int = 0
    nacks_expected: int = 0
    stream_acked: bool = False


class _Relay(Struct):
    """A probe on behalf of `requester`, who knows it under `sequence`."""

    requester: Endpoint
    sequence: int
    nack_at: float
    expires_at: float


class FailureDetector:
    """Probes one member per interval.

    Args:
        membership: whom to probe; failures are claimed there.
        config: timing.
        outbox: where packets go.
        awareness: the health score.
        dice: chooses relays and the first moment.
        delegate: told of round trips; gives the ack's payload.
        stream_ping: opens a stream for a ping that must be answered before a deadline.
    """

    def __init__(
        self,
        membership: Membership,
        config: SwimConfig,
        outbox: Outbox,
        awareness: Awareness,
        dice: Dice,
        delegate: Delegate,
        stream_ping: Callable[[Endpoint, Ping, float], None],
    ) -> None:
        self._membership = membership
        self._config = config
        self._outbox = outbox
        self._awareness = awareness
        self._dice = dice
        self._delegate = delegate
        self._stream_ping = stream_ping
        self._sequence = 0
        self._index = 0
        self._next_probe_at = 0.0
        self._probe: _Probe | None = None
        self._relays: dict[int, _Relay] = {}
        self._late: dict[int, _Probe] = {}

    def start(self, now: float) -> None:
        """Begin at a random moment within one interval, so that a pool's probes do not go in step."""
        self._next_probe_at = now + self._dice.random() * self._config.probe_interval_s
        self._index = self._dice.randrange(len(self._membership.probe_order))

    def deadline(self) -> float:
        """When `tick` has something to do."""
        probe = self._probe
        if probe is None:
            at = self._next_probe_at
        else:
            at = probe.deadline if probe.indirect else min(probe.indirect_at, probe.deadline)
        relayed = min((min(relay.nack_at, relay.expires_at) for relay in self._relays.values()), default=at)
        return min(at, relayed)

    def postpone(self, seconds: float) -> None:
        """Give the probe under way so much longer: this node stood still and heard nothing."""
        if self._probe is not None:
            self._probe.indirect_at += seconds
            self._probe.deadline += seconds

    def tick(self, now: float) -> None:
        """Do what is due."""
        probe = self._probe
        if probe is not None:
            if not probe.indirect and now >= probe.indirect_at:
                self._probe_indirectly(probe, now)
            if now >= probe.deadline:
                self._end(probe, now)
        if self._probe is None and now >= self._next_probe_at:
            self._next_probe_at = now + self._config.probe_interval_s
            record = self._next_target(now)
            if record is not None:
                self._probe_directly(record, now)
        self._tick_relays(now)

    def _tick_relays(self, now: float) -> None:
        for sequence, relay in list(self._relays.items()):
            if now >= relay.nack_at:
                self._outbox.send(relay.requester, Nack(relay.sequence))
                relay.nack_at = float("inf")
            if now >= relay.expires_at:
                del self._relays[sequence]

    def _next_target(self, now: float) -> Record | None:
        """The next member in order that is neither this node nor gone."""
        order = self._membership.probe_order
        for _ in range(len(order) + 1):
            if self._index >= len(order):
                self._index = 0
                self._membership.begin_round(now)
                order = self._membership.probe_order
            if not order:
                return None
            record = self._membership.records.get(order[self._index])
            self._index += 1
            if record is not None and not record.is_gone and record.name != self._membership.identity.name:
                return record
        return None

    def _probe_directly(self, record: Record, now: float) -> None:
        sequence = self._next_sequence()
        self._probe = _Probe(
            record.name,
            record.incarnation,
            sequence,
            now,
            now + self._config.probe_timeout_s,
            now + self._awareness.scale(self._config.probe_interval_s),
        )
        destination = endpoint_of(record.address, record.port)
        ping = self._ping(sequence, record.name)
        if record.state == MemberState.ALIVE:
            self._outbox.send(destination, ping)
            return
        # A suspect hears of the suspicion with the probe itself, so it can refute at once (Lifeguard, buddy system).
        accusation = Suspect(record.incarnation, record.name, self._membership.identity.name)
        self._outbox.send_encoded(
            destination,
            [encode_message(ping), encode_message(accusation)],
            checksum=record.protocol_max >= _PROTOCOL_CHECKSUM,
        )

    def _probe_indirectly(self, probe: _Probe, now: float) -> None:
        probe.indirect = True
        # If this node was slow to get here, the relays still get their full time: it must not accuse for its own delay.
        probe.deadline += now - probe.indirect_at
        target = self._membership.records.get(probe.target)
        if target is None:
            return
        me = self._membership.identity
        for relay in self._membership.draw(self._config.indirect_checks, lambda record: _may_relay(record, target)):
            nack = relay.protocol_max >= _PROTOCOL_NACK
            probe.nacks_expected += nack
            request = IndirectPing(
                probe.sequence, target.address, target.port, target.name, nack, me.address, me.port, me.name
            )
            self._outbox.send(endpoint_of(relay.address, relay.port), request)
        if self._config.stream_ping and target.protocol_max >= _PROTOCOL_STREAM_PING:
            ping = self._ping(probe.sequence, target.name)
            self._stream_ping(endpoint_of(target.address, target.port), ping, probe.deadline)

    def _end(self, probe: _Probe, now: float) -> None:
        """The time is over, and no packet answered."""
        if probe.stream_acked:
            self._succeed()
            self._membership.reached_by_stream(probe.target, now)
        else:
            self._probe = None
            self._fail(probe, now)

    def _fail(self, probe: _Probe, now: float) -> None:
        self._late[probe.sequence] = probe
        if len(self._late) > LATE_PROBES_MAX:
            del self._late[next(iter(self._late))]
        if probe.nacks_expected:
            detail = f"{probe.nacks} of {probe.nacks_expected} relays heard nothing from it either"
        else:
            detail = "no relay could be asked"
        accuser = self._membership.identity.name
        self._membership.note(
            probe.target, HistoryKind.PROBE_FAILED, accuser, now, after_s=now - probe.sent_at, detail=detail
        )
        # Relays that stay silent speak of this node's own network; relays that say nack speak of the target's.
        self._awareness.apply(probe.nacks_expected - probe.nacks if probe.nacks_expected else 1)
        self._membership.suspect(Suspect(probe.incarnation, probe.target, accuser), now)

    def ping_received(self, ping: Ping, source: Endpoint) -> None:
        """Answer a probe of this node; one for another node is not ours to answer."""
        if ping.node and ping.node != self._membership.identity.name:
            raise WireError(f"ping is for node '{ping.node}'")
        destination = _reply_to(ping, source)
        self._outbox.send(destination, Ack(ping.sequence, self._delegate.ack_payload()))

    def indirect_ping_received(self, request: IndirectPing, source: Endpoint, now: float) -> None:
        """Probe a node on behalf of another."""
        if len(self._relays) >= RELAYS_MAX:
            raise WireError(f"{RELAYS_MAX} probes for others are under way already")
        target = endpoint_of(request.target, request.port or self._membership.identity.port)
        sequence = self._next_sequence()
        timeout_s = self._config.probe_timeout_s
        nack_at = now + NACK_AT * timeout_s if request.nack else float("inf")
        self._relays[sequence] = _Relay(_reply_to(request, source), request.sequence, nack_at, now + timeout_s)
        self._outbox.send(target, self._ping(sequence, request.node))

    def ack_received(self, ack: Ack, now: float) -> None:
        """A probe was answered: ours, or one for another node."""
        relay = self._relays.pop(ack.sequence, None)
        if relay is not None:
            self._outbox.send(relay.requester, Ack(relay.sequence))
            return
        probe = self._probe
        if probe is None or probe.sequence != ack.sequence:
            late = self._late.pop(ack.sequence, None)
            if late is not None:
                self._note_late(late, now)
            return
        if probe.indirect:
            self._note_late(probe, now)
        self._succeed()
        record = self._membership.records.get(probe.target)
        if record is not None and not probe.indirect and ack.payload:
            self._delegate.probe_completed(record.member(), now - probe.sent_at, ack.payload)

    def _note_late(self, probe: _Probe, now: float) -> None:
        self._membership.note(probe.target, HistoryKind.ACK_LATE, probe.target, now, after_s=now - probe.sent_at)

    def nack_received(self, nack: Nack) -> None:
        """A relay is well but heard nothing from the target."""
        if self._probe is not None and self._probe.sequence == nack.sequence:
            self._probe.nacks = min(self._probe.nacks + 1, self._probe.nacks_expected)

    def stream_acked(self, sequence: int) -> None:
        """The target answered on a stream: it lives, even if no packet tells so until the probe's end."""
        probe = self._probe
        if probe is not None and probe.sequence == sequence:
            probe.stream_acked = True

    def _succeed(self) -> None:
        self._probe = None
        self._awareness.apply(-1)

    def _ping(self, sequence: int, node: str) -> Ping:
        me = self._membership.identity
        return Ping(sequence, node, me.address, me.port, me.name)

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        return self._sequence


def _may_relay(record: Record, target: Record) -> bool:
    return record.state == MemberState.ALIVE and record.name != target.name


def _reply_to(message: Ping | IndirectPing, source: Endpoint) -> Endpoint:
    if message.source_address and message.source_port:
        return endpoint_of(message.source_address, message.source_port)
    return source
