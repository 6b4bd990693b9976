"""What a member answers over the bus: proposals, strong reads, and, while it leads, the feed and beacons.

Callbacks only queue; everything that touches the core happens inside the driver's loop. A batch of proposals becomes
consecutive log entries; its answer goes out when the last is applied. Under a lease a read takes the commit index at
once, otherwise one quorum round confirms all reads that wait (design rules 3.2, 3.6, 3.8, 3.12).
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import structlog

from lictor_bus import Bus, Lane, frames
from lictor_bus.frames import FrameError, ProposeAnswer, ProposeBatch, ReadAnswer, ReadAsk
from lictor_raft import NO_MEMBER, Entry, ProposalDropped, ReadDropped, ReadState, Role
from lictor_raft.kinds import LEADER
from lictor_raft_store.beacon_turn import BeaconTurn
from lictor_raft_store.change_feed import ChangeFeed
from lictor_raft_store.held_changes import PACE_S, HeldChanges
from lictor_raft_store.machine import AppliedBatch, StreamChanges
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.node_driver import NodeDriver
from lictor_raft_store.pending import OpenBatch, OpenBatches, OpenReads
from lictor_raft_store.room import RoomWatch
from lictor_raft_store.roster import Roster
from lictor_state import CodecError
from lictor_state.codec import decode_envelope, encode_envelope
from lictor_state.commands import Command, Envelope, Result
from lictor_state.levels import too_early
from lictor_state.streams import Stream

BATCHES_WAITING_MAX = 4_096
"""Proposal messages waiting for the loop; beyond it they are answered `full`."""

READS_WAITING_MAX = 16_384

FEED_IN_ANSWER_BYTES_MAX = 64 * 1024
"""Changes that an answer brings along; longer ones would delay it, and come by the feed in any case."""

log = structlog.get_logger()


def _asker(reply: str) -> str:
    """Which process an answer goes to, by the subject or connection that its questions have in common."""
    return reply.rpartition(".")[0]


_results = msgspec.msgpack.Decoder(Result)


class _Proposal(NamedTuple):
    """A batch that waits for the loop, and where its answer goes."""

    envelopes: list[bytes]
    reply: str
    with_feed: bool = False


class StoreApi:
    """The bus face of one member."""

    def __init__(
        self,
        *,
        bus: Bus,
        lane: Lane,
        cluster: str,
        member_id: int,
        driver: NodeDriver,
        roster: Roster,
        metrics: StoreMetrics,
        room: RoomWatch,
    ) -> None:
        self.cluster = cluster
        self._member_id = member_id
        self._bus, self._lane, self.driver, self._roster, self._metrics = bus, lane, driver, roster, metrics
        self.room = room
        self._feed = ChangeFeed(bus, cluster)
        self._held = HeldChanges()
        self._proposals: list[_Proposal] = []
        self._asks: list[tuple[bool, str]] = []
        self._batches = OpenBatches()
        self._reads = OpenReads()
        self._outbox: list[tuple[str, bytes]] = []
        self._own: dict[str, asyncio.Future[tuple[int, bytes] | None]] = {}
        self._own_ids = itertools.count()
        self._beacons = BeaconTurn()
        self._lead_term = 0
        self.on_leadership: list[Callable[[bool], None]] = []
        self.on_applied: list[Callable[[AppliedBatch], None]] = []
        self.hold_reason: Callable[[], str] = str

    async def open(self) -> None:
        """Begin to listen."""
        await self._lane.serve("propose", self._on_propose)
        await self._lane.serve("read", self._on_read)

    @property
    def leading(self) -> bool:
        """Whether this member leads and has applied an entry of its own term."""
        return self._lead_term != 0

    @property
    def waiting(self) -> bool:
        """Whether `take_in` has something to do."""
        return bool(self._proposals or self._asks)

    async def propose_own(self, command: Command, timeout_s: float = 5.0) -> tuple[int, Result] | None:
        """Propose one of the leader's own decisions; None when it was not applied here in time, or may not be now."""
        if self.room.reason or too_early(command, self.driver.machine.store.level):
            return None
        reply = f"own.{next(self._own_ids)}"
        waiting = self._own[reply] = asyncio.get_running_loop().create_future()
        self._proposals.append(_Proposal([encode_envelope(Envelope(0, 0, 0, command))], reply))
        self.driver.wake()
        try:
            async with asyncio.timeout(timeout_s):  # `wait_for` loses a cancel that comes with the answer
                done = await waiting
        except TimeoutError:
            return None
        finally:
            del self._own[reply]
        return (done[0], _results.decode(done[1])) if done else None

    # -- called by the driver's loop

    def take_in(self, now: float) -> None:
        """Hand the core what proposers and readers want."""
        if self._proposals:
            proposals, self._proposals = self._proposals, []
            self._propose(proposals)
        if self._asks:
            asks, self._asks = self._asks, []
            self._ask(asks, now)

    def entries_applied(self, entries: Sequence[Entry], batch: AppliedBatch) -> None:
        """Answer and publish what has just been applied, if this member leads."""
        self._metrics.applied.total += len(entries)
        if self.driver.node.role is not LEADER:
            return
        complete, lost = self._batches.applied(batch.results)
        term = self.driver.node.term
        if self._lead_term != term and entries[-1].term == term:
            self._lead_term = term
            self._beacons.begin()
            log.info("leading", term=term, index=self.driver.machine.store.index)
            self._tell_leadership(leading=True)
        elif self._lead_term:
            for listener in self.on_applied:
                listener(batch)
        if batch.level_raised:
            self._beacons.begin()
        for one in lost:
            self._reply(one.reply, ProposeAnswer("lost"))
        self._tell(complete, batch, len(entries))

    def _tell(self, complete: list[OpenBatch], batch: AppliedBatch, entries: int) -> None:
        """Answer proposers and publish what has changed.

        A proposer's own view is to have seen what the proposer is told of, so that it need not wait for it: either the
        answer brings the changes along and goes first, or the feed goes first.
        """
        epoch = self.driver.machine.store.epoch
        brought: list[bytes] = []
        changes = batch.streams.get("all")
        if changes is not None and any(one.with_feed for one in complete):
            brought = [message for _, message in self._feed.encode(epoch, {"all": changes})]
            if sum(map(len, brought)) > FEED_IN_ANSWER_BYTES_MAX:
                brought = []
        told: frozenset[str] = frozenset()
        if brought and all(one.with_feed for one in complete):
            told = frozenset([_asker(one.reply) for one in complete])
            self._answer(complete, brought)
            self._send_outbox()
        if batch.restored_at:
            self._held.take()  # of the epoch before
            self._feed.announce_restore(epoch, batch.restored_at)
        begins = not self._held
        self._publish(self._held.add(batch.streams, entries, told, self.driver.clock()))
        if self._held and begins:
            asyncio.get_running_loop().call_later(PACE_S, self.driver.wake)
        if not told:
            self._answer(complete, brought)
            self._send_outbox()

    def _publish(self, streams: Mapping[Stream, StreamChanges]) -> None:
        if streams:
            self._feed.publish(self._feed.encode(self.driver.machine.store.epoch, streams))

    def _answer(self, complete: list[OpenBatch], brought: list[bytes]) -> None:
        """Answer batches; the first of each proposer that asked for it brings the feed."""
        served: set[str] = set()
        for one in complete:
            feed: list[bytes] = []
            if one.with_feed and (proposer := _asker(one.reply)) not in served:
                served.add(proposer)
                feed = brought
            self._reply(one.reply, ProposeAnswer("ok", self._member_id, one.term, one.results, feed=feed))

    def role_changed(self, role: Role) -> None:
        """When this member stops leading, everything that waits is answered so that it is asked elsewhere."""
        self._metrics.leader.set(1 if role is LEADER else 0)
        if role is LEADER:
            return
        if self._lead_term:
            self._lead_term = 0
            log.info("no longer leading", leader=f"{self.driver.node.leader:x}")
            self._tell_leadership(leading=False)
        for one in self._batches.lose_all():
            self._reply(one.reply, ProposeAnswer("lost"))
        refusal = frames.encode(self._read_refusal())
        self._outbox += [(reply, refusal) for reply in self._reads.lose_all()]

    def reads_confirmed(self, confirmed: Sequence[ReadState], dropped: Sequence[int]) -> None:
        """Quorum rounds for reads have ended."""
        for read in confirmed:
            self._beacons.round_ended(read.context, confirmed=True)
            self._reads.confirmed(read.context, read.index)
        refusal = frames.encode(self._read_refusal())
        for context in dropped:
            self._beacons.round_ended(context, confirmed=False)
            self._outbox += [(reply, refusal) for reply in self._reads.dropped(context)]

    def flush(self, now: float) -> None:
        """Send due answers and beacons."""
        self.room.look()
        due = self._reads.due(self.driver.machine.applied)
        if self._held:
            wanted = any(self._held.waits_for(_asker(reply)) for reply in due)
            if wanted or self._held.due(now) or not self._lead_term:
                self._publish(self._held.take())
        if due:
            answer = self._read_answer()
            self._outbox += [(reply, answer) for reply in due]
        self._send_outbox()
        if self._lead_term and self._beacons.due(now):
            self._flush_beacon(now)

    def _flush_beacon(self, now: float) -> None:
        leased = self.driver.node.lease_read(now) is not None
        if self._beacons.wants_round(now, leased=leased):
            context = self._reads.round([])
            self._beacons.round_began(context)
            self._begin_round(context)
        if self._beacons.take(now, leased=leased):
            self._publish(self._held.take())
            self._feed.beacon(
                self.driver.machine.store,
                self._lead_term,
                self._member_id,
                self._roster.members(),
                self.hold_reason(),
                self._roster.conf_ids(),
            )

    # -- proposals

    def _on_propose(self, data: bytes, reply: str) -> None:
        try:
            batch = frames.decode(data, ProposeBatch)
            # what this build cannot read, or that of another member, must never enter the log: it would have to stop
            level = self.driver.machine.store.level
            early = ""
            for envelope in batch.envelopes:
                early = early or too_early(decode_envelope(envelope).command, level)
        except (FrameError, CodecError) as error:
            log.warning("proposal not understood", reason=str(error))
            self._reply(reply, ProposeAnswer("refused", reason=str(error)))
        else:
            if batch.cluster != self.cluster or self.driver.node.role is not LEADER:
                self._reply(reply, self._propose_refusal())
            elif early and self.leading:
                log.warning("proposal too early", reason=early)
                self._reply(reply, ProposeAnswer("refused", reason=early))
            elif early or len(self._proposals) >= BATCHES_WAITING_MAX:  # a new leader has yet to apply the level
                self._reply(reply, ProposeAnswer("full"))
            else:
                self._proposals.append(_Proposal(batch.envelopes, reply, batch.with_feed))
        self.driver.wake()

    def _propose(self, proposals: list[_Proposal]) -> None:
        """Propose everything that waits, each batch as consecutive entries of one term.

        All of it at once: the core then makes one append of it for each peer, and not one for each batch.
        """
        if no_room := self.room.reason:
            for one in proposals:
                self._reply(one.reply, self._no_space(no_room))
            return
        together: list[_Proposal] = []
        count = 0
        for one in proposals:
            if self._batches.room_for(len(one.envelopes), ahead=count):
                together.append(one)
                count += len(one.envelopes)
            else:
                self._reply(one.reply, ProposeAnswer("full"))
        if self._propose_together(together):
            return
        for one in together:  # too much at once: perhaps some of it is not
            if not self._propose_together([one]):
                leads = self.driver.node.role is LEADER
                self._reply(one.reply, ProposeAnswer("full") if leads else self._propose_refusal())

    def _propose_together(self, proposals: list[_Proposal]) -> bool:
        """Propose some batches at once, all or none."""
        try:
            indexes = self.driver.node.propose_many([envelope for one in proposals for envelope in one.envelopes])
        except ProposalDropped as error:
            log.debug("proposal dropped", reason=str(error))
            return False
        first = indexes.start
        for one in proposals:
            self._batches.add(one.reply, first, len(one.envelopes), self.driver.node.term, with_feed=one.with_feed)
            first += len(one.envelopes)
        return True

    def _no_space(self, reason: str) -> ProposeAnswer:
        """The disk is full; while leadership goes to somebody else, ask again instead."""
        node = self.driver.node
        if node.role is not LEADER:
            return self._propose_refusal()
        handing_over = node.status().transferee != NO_MEMBER
        return ProposeAnswer("full") if handing_over else ProposeAnswer("no-space", reason=reason)

    def _propose_refusal(self) -> ProposeAnswer:
        return ProposeAnswer("not-leader", self.driver.node.leader, self.driver.node.term)

    def _reply(self, reply: str, answer: ProposeAnswer) -> None:
        own = self._own.get(reply)
        if own is None:
            if reply and not reply.startswith("own."):
                self._outbox.append((reply, frames.encode(answer)))
        elif not own.done():
            own.set_result(answer.results[0] if answer.status == "ok" else None)

    def _send_outbox(self) -> None:
        if self._outbox:
            outbox, self._outbox = self._outbox, []
            for reply, data in outbox:
                self._lane.answer_now(reply, data)

    def _tell_leadership(self, *, leading: bool) -> None:
        for listener in self.on_leadership:
            listener(leading)

    # -- reads

    def _on_read(self, data: bytes, reply: str) -> None:
        try:
            ask = frames.decode(data, ReadAsk)
        except FrameError as error:
            log.warning("read ask not understood", reason=str(error))
            return
        leads = ask.cluster == self.cluster and self.driver.node.role is LEADER
        if leads and not ask.consistent and reply and self._answered_at_once(reply):
            return
        if leads and len(self._asks) < READS_WAITING_MAX:
            self._asks.append((ask.consistent, reply))
        else:
            self._outbox.append((reply, frames.encode(self._read_refusal())))
        self.driver.wake()

    def _answered_at_once(self, reply: str) -> bool:
        """Under a lease, with nothing committed that is not applied yet, there is nothing to wait for (rule 3.12)."""
        leased = self.driver.node.lease_read(self.driver.clock())
        if leased is None or leased > self.driver.machine.applied or self._held.waits_for(_asker(reply)):
            return False
        self._lane.answer_now(reply, self._read_answer())
        return True

    def _read_answer(self) -> bytes:
        store = self.driver.machine.store
        meta = store.meta
        return frames.encode(
            ReadAnswer("ok", self._member_id, self.driver.node.term, meta.epoch, store.index, dict(meta.stream_last))
        )

    def _ask(self, asks: list[tuple[bool, str]], now: float) -> None:
        leased = self.driver.node.lease_read(now)
        rounds = []
        for consistent, reply in asks:
            if consistent or leased is None:
                rounds.append(reply)
            else:
                self._reads.at(leased, reply)
        if not rounds:
            return
        self._begin_round(self._reads.round(rounds))

    def _begin_round(self, context: int) -> None:
        try:
            self.driver.node.read_index(context)
        except ReadDropped:
            self.reads_confirmed((), (context,))

    def _read_refusal(self) -> ReadAnswer:
        return ReadAnswer("not-leader", self.driver.node.leader, self.driver.node.term)
