"""The driver of one Raft member: everything that awaits, around a core that decides (design rule 3.4).

One loop: take in what has arrived (messages, proposals, reads, ticks, ended writes), then drain the core's Readys: send
what may be sent at once, begin the write, apply what is committed, and once a write has ended send what had to wait for
it (`log_pipeline`). What arrives during a sync is in the next batch (group commit). The loop waits for no peer, and for
the disk only if that is quicker than not to (`log_writer`). A failed write ends the process.

What it does not know: how proposals and reads come in and are answered (`store_api`), how views resume
(`resume_api`), what a leader decides about nodes (`leader_duties`).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from lictor_raft import (
    LOCAL_APPEND,
    LOCAL_APPLY,
    ConfChange,
    ConfChanges,
    Entry,
    Message,
    Observation,
    ProposalDropped,
    RawNode,
    ReadState,
    Role,
    Snapshot,
    check_invariants,
    decode_conf_change,
)
from lictor_raft.kinds import LEADER, NORMAL, SNAPSHOT
from lictor_raft_store.apply_backlog import ApplyBacklog
from lictor_raft_store.commit_news import CommitNews
from lictor_raft_store.durable_log import DurableLog
from lictor_raft_store.feed_log import FeedLog
from lictor_raft_store.log_pipeline import LogPipeline
from lictor_raft_store.machine import AppliedBatch, Machine

INBOX_MESSAGES_MAX = 65_536
"""Raft messages waiting for the loop; beyond it new ones are dropped, as a network would."""

TICKS_LATE_MAX_S = 1.0
"""After a pause, missed ticks are made up for no further back than this: one election timeout says it all."""

log = structlog.get_logger()


class Transport(Protocol):
    """Carries Raft messages to other members."""

    def send(self, messages: Sequence[Message]) -> None:
        """Send, without waiting for anybody; what is lost is lost."""


class Snapshots(Protocol):
    """What the driver needs of snapshots."""

    def offer(self, message: Message) -> None:
        """Offer a snapshot to the member that the core wants to send one to."""

    def install(self, snapshot: Snapshot) -> Machine:
        """The state in a snapshot that has been received whole."""

    def entries_applied(self, machine: Machine) -> None:
        """The state has moved on: perhaps it is time for a snapshot of it."""


class Host(Protocol):
    """The part that talks with proposers, readers and views; called from inside the loop."""

    def take_in(self, now: float) -> None:
        """Hand the core what proposers and readers want."""

    def entries_applied(self, entries: Sequence[Entry], batch: AppliedBatch) -> None:
        """Answer and publish what has just been applied."""

    def role_changed(self, role: Role) -> None:
        """This member leads now, or does not any more."""

    def reads_confirmed(self, confirmed: Sequence[ReadState], dropped: Sequence[int]) -> None:
        """Quorum rounds for reads have ended."""

    def flush(self, now: float) -> None:
        """Send what may be sent now: due answers and beacons."""

    @property
    def waiting(self) -> bool:
        """Whether `take_in` has something to do."""


class NodeDriver:
    """Drives one member; run `run()` as one of the process's tasks after `join`."""

    def __init__(
        self,
        *,
        node: RawNode,
        machine: Machine,
        durable: DurableLog,
        feed_log: FeedLog,
        tick_s: float,
        clock: Callable[[], float],
        check_invariants: bool = False,
    ) -> None:
        self.node, self.machine, self.durable, self.feed_log = node, machine, durable, feed_log
        self.clock = clock
        self._tick_s = tick_s
        self._inbox: list[Message] = []
        self._steps: list[Callable[[], None]] = []
        self._sleeping: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._pipeline = LogPipeline(durable, self._install, self._log_ended)
        self._news = CommitNews()
        self._backlog = ApplyBacklog()
        self._own_id = node.status().id
        self._check_invariants = check_invariants
        self._observation: Observation | None = None
        self._transport: Transport
        self._snapshots: Snapshots
        self._host: Host
        self.inbox_dropped = 0
        self._change: tuple[int, int, asyncio.Future[bool]] | None = None

    def join(self, transport: Transport, snapshots: Snapshots, host: Host) -> None:
        """Join the parts that the loop calls; before `run`."""
        self._transport, self._snapshots, self._host = transport, snapshots, host

    def receive(self, messages: list[Message]) -> None:
        """Raft messages have arrived; those for which nobody waits are looked at with the next event, or tick."""
        if len(self._inbox) < INBOX_MESSAGES_MAX:
            self._inbox += messages
            if self._pipeline.has_ended or not all(map(self.node.may_wait, messages)):
                self.wake()
        else:
            self.inbox_dropped += len(messages)

    def _log_ended(self) -> None:
        """An append of our own has ended."""
        if self._inbox or not self.node.own_write_may_wait():
            self.wake()

    def post(self, step: Callable[[], None]) -> None:
        """Run `step` inside the loop, between two Readys."""
        self._steps.append(step)
        self.wake()

    def wake(self) -> None:
        """There is something to take in."""
        sleeping = self._sleeping
        if sleeping is not None and not sleeping.done():
            sleeping.set_result(None)

    async def change_members(self, change: ConfChange | ConfChanges) -> bool:
        """Have the configuration changed, as leader; whether this leader saw the change applied."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.post(lambda: self._propose_change(change, done))
        return await done

    def _propose_change(self, change: ConfChange | ConfChanges, done: asyncio.Future[bool]) -> None:
        try:
            index = self.node.propose_conf_change(change)
        except ProposalDropped as error:
            log.info("change of the configuration refused", reason=error.reason)
            done.set_result(False)
        else:
            self._end_change(applied=False)
            self._change = (index, self.node.term, done)

    def _end_change(self, *, applied: bool) -> None:
        """The change that somebody waits for is applied, or this member cannot tell what becomes of it."""
        if self._change is not None and not self._change[2].done():
            self._change[2].set_result(applied)
        self._change = None

    async def hand_over(self, timeout_s: float, to: int = 0) -> bool:
        """Give leadership to `to`, or (0) to the voter that holds most of the log; whether it is gone."""
        status = self.node.status()
        peers = {one: peer for one, peer in status.peers.items() if one != status.id and not peer.is_learner}
        if status.role is not Role.LEADER or not peers:
            return status.role is not Role.LEADER
        heir = to or max(peers, key=lambda one: (peers[one].recent_active, peers[one].match))
        self.post(lambda: self.node.transfer_leader(heir))
        deadline = self.clock() + timeout_s
        while self.node.role is Role.LEADER and self.clock() < deadline:  # noqa: ASYNC110  asked once per process life
            await asyncio.sleep(self._tick_s)
        return self.node.role is not Role.LEADER

    async def run(self) -> None:
        """Drive the member until cancelled.

        Raises:
            StorageError: the log could not be written: the member must stop.
            LogDamaged: the cluster counts on something that this disk has lost.
        """
        next_tick = self.clock() + self._tick_s
        try:
            while True:
                if not self._has_work() and (left_s := next_tick - self.clock()) > 0:
                    await self._sleep(left_s)
                now = self.clock()
                if now >= next_tick:
                    next_tick = max(next_tick, now - TICKS_LATE_MAX_S)
                    self._send_now(self._news.release())
                    self._apply_all(self._backlog.release())
                    while now >= next_tick:
                        self.node.tick(now)
                        next_tick += self._tick_s
                self._turn(now)
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            self._end_change(applied=False)

    def _has_work(self) -> bool:
        return bool(
            self._inbox or self._steps or self._host.waiting or self._pipeline.has_ended or self.node.has_ready()
        )

    def _sleep(self, seconds: float) -> asyncio.Future[None]:
        """Until `wake`, and for so many seconds at most; a bare future costs half of an `asyncio.Event`."""
        loop = asyncio.get_running_loop()
        if self._alarm is None:  # it stands until its tick: the loop comes here many times before that
            self._alarm = loop.call_later(seconds, self._ring)
        self._sleeping = loop.create_future()
        return self._sleeping

    def _ring(self) -> None:
        self._alarm = None
        self.wake()

    def _turn(self, now: float) -> None:
        """Take in what has arrived, and work off what the core makes of it.

        Nothing in here awaits: to send is to hand over, and a coroutine that never waits costs 0.1 us more than a
        call, in chains of up to six of them.
        """
        node, pipeline = self.node, self._pipeline
        self._take_in(now)
        while node.has_ready():
            self._work_off()
            if pipeline.has_ended:
                self._deliver(pipeline.ended())
            if self._inbox:
                self._step_messages(self.clock())
        if not pipeline.under_way:
            self._apply_all(self._backlog.release())
        self._host.flush(self.clock())

    def _take_in(self, now: float) -> None:
        if self._pipeline.has_ended:
            self._deliver(self._pipeline.ended())
        if self._steps:
            steps, self._steps = self._steps, []
            for step in steps:
                step()
        self._step_messages(now)
        self._host.take_in(now)

    def _step_messages(self, now: float) -> None:
        messages, self._inbox = self._inbox, []
        for message in self.durable.room.admit(messages):
            self.node.step(message, now)

    def _deliver(self, answers: Sequence[Message]) -> None:
        """Hand out what had to wait for the disk or the state: to this member's core, and to others."""
        if not answers:
            return
        now, own = self.clock(), self._own_id
        for answer in answers:
            if answer.to == own:
                self.node.step(answer, now)
        self._send([answer for answer in answers if answer.to != own])

    def _work_off(self) -> None:
        """One Ready: send, begin the write, and apply what is committed while the disks sync."""
        ready = self.node.ready(self.clock())
        if ready.soft_state is not None:
            self._apply_all(self._backlog.release())
            self._host.role_changed(ready.soft_state.role)
            if ready.soft_state.role is not LEADER:
                self._end_change(applied=False)
                self._send_now(self._news.release())
        own_log: Message | None = None
        committed: list[Message] = []
        to_others: list[Message] = []
        for message in ready.messages:
            if message.to == LOCAL_APPEND:
                own_log = message
            elif message.to == LOCAL_APPLY:
                committed.append(message)
            else:
                to_others.append(message)
        self._send(to_others)  # first: the way to the others' disks and back is the longest
        if own_log is not None:
            if own_log.snapshot is not None:
                self._apply_all(self._backlog.release())
            self._pipeline.begin(own_log, must_sync=ready.must_sync)
        waits = self.node.role is not LEADER and self._pipeline.under_way
        self._apply_all(self._backlog.take(committed, may_wait=waits))
        if ready.read_states or ready.reads_dropped:
            self._host.reads_confirmed(ready.read_states, ready.reads_dropped)
        if self._check_invariants:
            self._observation = check_invariants(self.node, self._observation)

    def _install(self, snapshot: Snapshot) -> None:
        self.machine = self._snapshots.install(snapshot)
        self.feed_log.clear(self.machine.store.index)

    def _send(self, messages: Sequence[Message]) -> None:
        if messages:
            self._send_now(self._news.sift(messages))

    def _send_now(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        plain = []
        for message in messages:
            if message.kind is SNAPSHOT:
                self._snapshots.offer(message)
            else:
                plain.append(message)
        self._transport.send(plain)

    def _apply_all(self, committed: Sequence[Message]) -> None:
        if not committed:
            return
        if len(committed) == 1:
            self._apply(committed[0].entries)
        else:
            self._apply([entry for message in committed for entry in message.entries])
        self._deliver([answer for message in committed for answer in message.responses])

    def _apply(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.kind is not NORMAL:
                conf_state = self.node.apply_conf_change(decode_conf_change(entry))
                self.durable.storage.set_conf_state(conf_state)
                log.info(
                    "configuration", voters=len(conf_state.voters), learners=len(conf_state.learners), index=entry.index
                )
                if self._change is not None and self._change[0] == entry.index:
                    self._end_change(applied=self._change[1] == entry.term)
        batch = self.machine.apply(entries, leading=self.node.role is LEADER)
        if batch.restored_at:
            self.feed_log.clear(batch.restored_at)
        self.feed_log.add(batch.groups, batch.lasts)
        self._host.entries_applied(entries, batch)
        self._snapshots.entries_applied(self.machine)
