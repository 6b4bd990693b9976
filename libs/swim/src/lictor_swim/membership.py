"""The member list and the rules by which claims about members change it (SWIM §4.2; memberlist's `state.go`).

    alive(i)    accepted if i > known incarnation; makes the member alive         ┐
    suspect(i)  accepted if i ≥ known incarnation and it is alive; starts a timer ├ each accepted claim is passed on
    dead(i)     accepted if i ≥ known incarnation and it is not dead or left      ┘

A claim against this node itself is refuted with a higher incarnation. Only the node itself raises its incarnation.
This module sends nothing: what is to be passed on waits in `broadcasts`.
"""

from collections.abc import Callable, Iterable, MutableMapping

from msgspec.structs import replace

from lictor_swim.addresses import endpoint_of
from lictor_swim.awareness import Awareness
from lictor_swim.broadcast_queue import GOSSIP_BYTES_MAX, BroadcastQueue
from lictor_swim.config import SwimConfig
from lictor_swim.dice import Dice, sample, shuffle
from lictor_swim.events import (
    Event,
    InputRefused,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberState,
    MemberSuspected,
    MemberTrusted,
    MemberUpdated,
    NameConflict,
    PacketsBlocked,
    Refuted,
)
from lictor_swim.history import History, HistoryEntry, HistoryKind
from lictor_swim.record import Identity, Record, fault_of
from lictor_swim.suspicion import Suspicion
from lictor_swim.wire.messages import META_BYTES_MAX, Alive, Dead, NodeState, Suspect, encode_message

MEMBERS_MAX = 16_384
"""Most records kept; further names are refused. Pools above 10,000 members are split in practice."""

DRAWS_PER_MEMBER = 8
"""How often a random choice is tried for each member wanted before all members are looked at."""

_INCARNATION_MASK = 0xFFFF_FFFF


class Membership:
    """All records, this node's own included.

    Args:
        identity: this node.
        config: timing.
        dice: where new members enter the order of probes.
        awareness: raised when this node must refute.
        emit: told of every event.
        refusal: why a node with this name and metadata may not be in the pool; empty when it may.
    """

    def __init__(
        self,
        identity: Identity,
        config: SwimConfig,
        dice: Dice,
        awareness: Awareness,
        emit: Callable[[Event, float], None],
        refusal: Callable[[str, bytes], str],
    ) -> None:
        self.identity = identity
        self.records: MutableMapping[str, Record] = {}
        self.probe_order: list[str] = []
        self.broadcasts = BroadcastQueue(MEMBERS_MAX, GOSSIP_BYTES_MAX)
        self.history = History()
        self.leaving = False
        self._incarnation = 0
        self._config = config
        self._dice = dice
        self._awareness = awareness
        self._emit = emit
        self._refusal = refusal
        self.suspicions: dict[str, Suspicion] = {}

    @property
    def own(self) -> Record:
        """This node's record."""
        return self.records[self.identity.name]

    def bootstrap(self, now: float) -> None:
        """Enter this node itself, alive."""
        me = self.identity
        self._incarnation = 1
        record = self._put(
            Record(
                me.name, me.address, me.port, me.meta, me.versions.encode(), self._incarnation, MemberState.ALIVE, now
            )
        )
        self.probe_order.append(me.name)
        self._announce(record, now)
        self._emit(MemberJoined(record.member()), now)

    def alive(self, claim: Alive, now: float) -> None:
        """Someone says that a node is alive, here and with this metadata."""
        own = claim.node == self.identity.name
        if own and self.leaving:
            return
        fault = fault_of(claim)
        if fault:
            self._emit(InputRefused(claim.node, fault), now)
            return
        port = claim.port or self.identity.port
        record = self.records.get(claim.node)
        if not own and (record is None or claim.meta != record.meta):
            fault = self._refusal(claim.node, claim.meta)
            if fault:
                self._emit(InputRefused(claim.node, fault), now)
                return
        moved = False
        if record is None:
            record = self._enter(claim, port, now)
            if record is None:
                return
        elif (record.address, record.port) != (claim.address, port):
            if own or not self._may_move(record, now):
                self._emit(NameConflict(record.member(), endpoint_of(claim.address, port)), now)
                return
            moved = True
        if own:
            self._alive_own(record, claim, now)
        elif moved or claim.incarnation > record.incarnation:
            self._alive_other(record, claim, port, now)

    def _enter(self, claim: Alive, port: int, now: float) -> Record | None:
        if len(self.records) >= MEMBERS_MAX:
            self._emit(InputRefused(claim.node, f"the member list is full at {MEMBERS_MAX}"), now)
            return None
        # Dead at incarnation -1 until the claim is applied: any first incarnation, 0 included, is news.
        record = self._put(
            Record(claim.node, claim.address, port, claim.meta, claim.versions, -1, MemberState.DEAD, -float("inf"))
        )
        # A random place in the order keeps the time to first detection independent of who joined when (SWIM §4.3).
        self.probe_order.insert(self._dice.randrange(len(self.probe_order) + 1), claim.node)
        return record

    def _may_move(self, record: Record, now: float) -> bool:
        if record.state == MemberState.LEFT:
            return True
        reclaim_s = self._config.dead_node_reclaim_s
        return record.state == MemberState.DEAD and 0 < reclaim_s < now - record.changed_at

    def _alive_own(self, record: Record, claim: Alive, now: float) -> None:
        if claim.incarnation < record.incarnation:
            return
        same = (claim.incarnation, claim.meta, claim.versions) == (record.incarnation, record.meta, record.versions)
        if not same:
            self._refute(record, claim.incarnation, now)

    def _alive_other(self, record: Record, claim: Alive, port: int, now: float) -> None:
        before = record
        self.suspicions.pop(record.name, None)
        record = self._put(
            Record(
                record.name,
                claim.address,
                port,
                claim.meta,
                claim.versions,
                claim.incarnation,
                MemberState.ALIVE,
                before.changed_at if before.state == MemberState.ALIVE else now,
                is_known=True,
            )
        )
        self._pass_on(claim, now)
        member = record.member()
        if before.is_gone:
            if before.is_known:
                self.note(record.name, HistoryKind.RETURNED, record.name, now)
            self._emit(MemberJoined(member), now)
            return
        if before.state == MemberState.SUSPECT:
            self.note(record.name, HistoryKind.REFUTED, record.name, now)
            self._emit(MemberTrusted(member), now)
        if record.meta != before.meta:
            self._emit(MemberUpdated(member), now)

    def suspect(self, claim: Suspect, now: float) -> None:
        """Someone could not reach a node."""
        record = self.records.get(claim.node)
        if record is None or claim.incarnation < record.incarnation:
            return
        suspicion = self.suspicions.get(claim.node)
        if suspicion is not None:
            if suspicion.confirm(claim.accuser, now):
                self.note(record.name, HistoryKind.CONFIRMED, claim.accuser, now)
                self._pass_on(claim, now)
            return
        if record.state != MemberState.ALIVE:
            return
        if claim.node == self.identity.name:
            self.note(record.name, HistoryKind.SUSPECTED, claim.accuser, now)
            self._refute(record, claim.incarnation, now)
            return
        self._pass_on(claim, now)
        record = self._put(replace(record, incarnation=claim.incarnation, state=MemberState.SUSPECT, changed_at=now))
        self.suspicions[record.name] = Suspicion(claim.accuser, now, self._config, len(self.records))
        self.note(record.name, HistoryKind.SUSPECTED, claim.accuser, now)
        self._emit(MemberSuspected(record.member(), claim.accuser), now)

    def dead(self, claim: Dead, now: float) -> None:
        """Someone declares a node dead, or a node says that it leaves."""
        record = self.records.get(claim.node)
        if record is None or claim.incarnation < record.incarnation:
            return
        own = claim.node == self.identity.name
        if record.is_gone:
            return
        if own and not self.leaving:
            self.note(record.name, HistoryKind.FAILED, claim.accuser, now)
            self._refute(record, claim.incarnation, now)
            return
        self.suspicions.pop(record.name, None)
        self._pass_on(claim, now)
        left = claim.accuser == claim.node
        state = MemberState.LEFT if left else MemberState.DEAD
        record = self._put(replace(record, incarnation=claim.incarnation, state=state, changed_at=now))
        if not own:
            self.note(record.name, HistoryKind.LEFT if left else HistoryKind.FAILED, claim.accuser, now)
        member = record.member()
        self._emit(MemberLeft(member) if left else MemberFailed(member, claim.accuser), now)

    def merge(self, states: Iterable[NodeState], now: float) -> None:
        """Take in a peer's whole list. A remote death is never believed outright: it raises a suspicion here."""
        for state in states:
            if self._is_old_news(state):
                continue
            match state.state:
                case MemberState.ALIVE:
                    claim = Alive(state.incarnation, state.name, state.address, state.port, state.meta, state.versions)
                    self.alive(claim, now)
                case MemberState.SUSPECT | MemberState.DEAD:
                    self.suspect(Suspect(state.incarnation, state.name, self.identity.name), now)
                case MemberState.LEFT:
                    self.dead(Dead(state.incarnation, state.name, state.name), now)
                case unknown:
                    self._emit(InputRefused(state.name, f"node state {unknown} is unknown"), now)

    def _is_old_news(self, state: NodeState) -> bool:
        """Whether a row says that a member is alive where and as it is known to be: most rows of most exchanges do."""
        record = self.records.get(state.name)
        return (
            record is not None
            and state.state == MemberState.ALIVE
            and state.incarnation <= record.incarnation
            and state.address == record.address
            and state.port == record.port
            and state.name != self.identity.name
        )

    def snapshot(self) -> tuple[NodeState, ...]:
        """This node's whole list, as it goes to a peer."""
        return tuple(
            [
                NodeState(r.name, r.address, r.port, r.meta, r.incarnation, int(r.state), r.versions)
                for r in self.records.values()
            ]
        )

    def update_meta(self, meta: bytes, now: float) -> None:
        """Announce new metadata for this node, under its next incarnation."""
        assert len(meta) <= META_BYTES_MAX, f"metadata has at most {META_BYTES_MAX} bytes"
        record = self._put(replace(self.own, meta=meta, incarnation=self._next_incarnation(0)))
        self._announce(record, now)
        self._emit(MemberUpdated(record.member()), now)

    def leave(self, now: float) -> int:
        """Say that this node leaves; the broadcast's id. From here on it no longer refutes."""
        self.leaving = True
        record = self._put(replace(self.own, state=MemberState.LEFT, changed_at=now))
        claim = Dead(record.incarnation, record.name, record.name)
        self._emit(MemberLeft(record.member()), now)
        return self.broadcasts.enqueue(encode_message(claim), record.name, now=now)

    def suspicion_deadline(self) -> float:
        """When the next suspicion ends in death; infinite when nobody is suspected."""
        if not self.suspicions:
            return float("inf")
        return min([suspicion.deadline for suspicion in self.suspicions.values()])

    def reached_by_stream(self, name: str, now: float) -> None:
        """A probe of this member was answered on a stream only."""
        record = self.records.get(name)
        if record is not None:
            self.note(name, HistoryKind.STREAM_ONLY, name, now)
            self._emit(PacketsBlocked(record.member()), now)

    def postpone(self, seconds: float) -> None:
        """Give every suspicion so much longer."""
        for suspicion in self.suspicions.values():
            suspicion.postpone(seconds)

    def expire(self, now: float) -> None:
        """Declare dead whoever did not refute in time."""
        due = [name for name, suspicion in self.suspicions.items() if suspicion.deadline <= now]
        for name in sorted(due):
            self.dead(Dead(self.records[name].incarnation, name, self.identity.name), now)

    def begin_round(self, now: float) -> None:
        """Forget who is long gone, and shuffle the order of probes (SWIM §4.3)."""
        horizon = now - self._config.gossip_to_the_dead_s
        for record in list(self.records.values()):
            if record.is_gone and record.changed_at < horizon and record.name != self.identity.name:
                del self.records[record.name]
        self.probe_order = [name for name in self.probe_order if name in self.records]
        shuffle(self._dice, self.probe_order)

    @property
    def is_alone(self) -> bool:
        """Whether no other member is alive."""
        return not self.draw(1, _is_alive)

    def draw(self, count: int, wanted: Callable[[Record], bool]) -> list[Record]:
        """Up to `count` different other members for which `wanted` holds, at random.

        In a large pool a few draws find them; if too many miss, as when most of the pool is gone, all are looked at.
        """
        order, records = self.probe_order, self.records
        drawn: dict[str, Record] = {}
        size = len(order)
        if size > DRAWS_PER_MEMBER * count:
            for _ in range(DRAWS_PER_MEMBER * count):
                name = order[self._dice.randrange(size)]
                record = records.get(name)
                if record is not None and name != self.identity.name and name not in drawn and wanted(record):
                    drawn[name] = record
                    if len(drawn) == count:
                        return list(drawn.values())
        names = [
            record.name
            for record in records.values()
            if record.name != self.identity.name and record.name not in drawn and wanted(record)
        ]
        rest = sample(self._dice, names, count - len(drawn))
        return [*drawn.values(), *(records[name] for name in rest)]

    def draw_alive(self, count: int) -> list[Record]:
        """Up to `count` other members that are alive."""
        return self.draw(count, _is_alive)

    def draw_for_gossip(self, count: int, dead_since: float) -> list[Record]:
        """Up to `count` other members that should hear news: the alive, the suspect, and those dead since then.

        A node that is wrongly held for dead hears of it this way, and can refute.
        """
        return self.draw(count, lambda record: _should_hear(record, dead_since))

    def note(
        self, name: str, what: HistoryKind, by: str, now: float, *, after_s: float = 0.0, detail: str = ""
    ) -> None:
        """Add a line to a member's story, with its incarnation and this node's own health at this moment."""
        record = self.records.get(name)
        incarnation = 0 if record is None else record.incarnation
        self.history.record(name, HistoryEntry(now, what, by, incarnation, self._awareness.score, after_s, detail))

    def _put(self, record: Record) -> Record:
        self.records[record.name] = record
        return record

    def _refute(self, record: Record, accused: int, now: float) -> None:
        record = self._put(replace(record, incarnation=self._next_incarnation(accused)))
        self._awareness.apply(1)
        self._announce(record, now)
        self.note(record.name, HistoryKind.REFUTED, record.name, now)
        self._emit(Refuted(record.incarnation), now)

    def _next_incarnation(self, accused: int) -> int:
        self._incarnation = (max(self._incarnation, accused) + 1) & _INCARNATION_MASK
        return self._incarnation

    def _announce(self, record: Record, now: float) -> None:
        self._pass_on(
            Alive(record.incarnation, record.name, record.address, record.port, record.meta, record.versions), now
        )

    def _pass_on(self, claim: Alive | Suspect | Dead, now: float) -> None:
        self.broadcasts.enqueue(encode_message(claim), claim.node, now=now)


def _is_alive(record: Record) -> bool:
    return record.state == MemberState.ALIVE


def _should_hear(record: Record, dead_since: float) -> bool:
    if record.state == MemberState.DEAD:
        return record.changed_at >= dead_since
    return record.state != MemberState.LEFT
