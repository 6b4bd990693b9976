"""The face of one member to its driver.

Inputs change the core and collect output; the driver fetches it as a `Ready`, works it off, and calls `advance`:

1. send `messages`: they depend on nothing that is not durable yet, so a leader's appends travel while its own disk
   syncs;
2. persist `snapshot`, `entries` and `hard_state`, in one step that survives a crash whole or not at all, and sync if
   `must_sync`;
3. send `messages_after_append`;
4. apply `committed_entries`; for each configuration change among them call `apply_conf_change`;
5. call `advance` with the same `Ready`. Only then does this member count its own acknowledgements and votes.

One `Ready` is out at a time. While the driver is at work, `step`, `propose` and the others may be called; what they
cause is in the next `Ready`. With `Config.async_storage_writes` there is no such turn: steps 2 to 5 are messages among
`messages`, to `LOCAL_APPEND` and `LOCAL_APPLY`, and `advance` is not called (see `storage_writes`). The fields beside
them show what they hold.

This is the shape of a driver, not a driver: there is no I/O here.
"""

from collections.abc import Sequence

import msgspec

from lictor_raft import follower, leader, storage_writes
from lictor_raft.confchange import ConfChange, ConfChanges, next_conf_state
from lictor_raft.config import Config, ReadMode
from lictor_raft.core import Core, Dice
from lictor_raft.errors import ConfChangeRefused, ProposalDropped, ReadDropped, ReadyMisuse
from lictor_raft.kinds import LEADER, NORMAL
from lictor_raft.messages import (
    MEMBER_ID_MAX,
    NO_MEMBER,
    ConfState,
    Entry,
    HardState,
    Message,
    ReadState,
    Role,
    Snapshot,
    SoftState,
)
from lictor_raft.progress import ProgressState
from lictor_raft.storage import Storage


class Ready(msgspec.Struct, frozen=True):
    """What the driver has to do; see the module for the order."""

    hard_state: HardState | None
    """To persist; None if unchanged."""
    soft_state: SoftState | None
    """The new leader or role; None if unchanged."""
    entries: Sequence[Entry]
    """To persist; they replace whatever the durable log holds from the first of them on."""
    snapshot: Snapshot | None
    """To install: the state machine and the log start over from it."""
    committed_entries: Sequence[Entry]
    """To apply; all of them are durable here already."""
    messages: Sequence[Message]
    """To send at once."""
    messages_after_append: Sequence[Message]
    """To send after the sync."""
    read_states: Sequence[ReadState]
    """Confirmed reads: answer each when its index is applied."""
    reads_dropped: Sequence[int]
    """Contexts of reads that this member can no longer confirm, because it stopped leading."""
    must_sync: bool
    """Whether what is to be persisted must be synced; a commit index alone may be lost."""


class PeerStatus(msgspec.Struct, frozen=True):
    """What a leader knows of one member."""

    match: int
    next: int
    state: ProgressState
    paused: bool
    inflight_messages: int
    inflight_bytes: int
    pending_snapshot: int
    recent_active: bool
    is_learner: bool
    last_contact: float | None
    """When it last answered, on the clock of `now`; None if it has not in this leadership."""


class Status(msgspec.Struct, frozen=True):
    """The member at a glance."""

    id: int
    term: int
    vote: int
    role: Role
    leader: int
    commit: int
    applied: int
    first_index: int
    last_index: int
    durable_index: int
    conf_state: ConfState
    transferee: int
    leader_contact: float | None
    """When a leader was last heard of, as a follower."""
    peers: dict[int, PeerStatus]
    """Empty unless this member leads."""


class RawNode:
    """One member of a Raft group.

    Args:
        config: its settings.
        storage: its durable log; read by the core, written by the driver.
        dice: draws a whole number from a closed interval, for election timeouts.
        now: seconds on a clock that never goes back and counts suspended time.

    Raises:
        LogDamaged: the durable state contradicts itself.
    """

    def __init__(self, config: Config, storage: Storage, dice: Dice, now: float) -> None:
        self.core = Core(config, storage, dice, now)
        self._hard_state = self.core.hard_state()
        self._soft_state = SoftState()
        self._out: Ready | None = None
        self._own_answers: list[Message] = []

    @property
    def role(self) -> Role:
        """What this member is right now; may be ahead of the last `Ready`."""
        return self.core.role

    @property
    def term(self) -> int:
        """The current term."""
        return self.core.term

    @property
    def leader(self) -> int:
        """Who leads, as far as this member knows; `NO_MEMBER` when nobody."""
        return self.core.leader

    # --- inputs -----------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """One tick, `election_timeout_s / election_ticks` seconds after the one before."""
        self.core.advance_clock(now)
        self.core.tick()

    def step(self, message: Message, now: float) -> None:
        """Take a message from another member, or an answer of the own storage.

        The network must not deliver what claims to come from `LOCAL_APPEND` or `LOCAL_APPLY`.

        Raises:
            LogDamaged: the cluster counts on something that this member's disk has lost.
        """
        core = self.core
        core.advance_clock(now)
        if message.from_ <= MEMBER_ID_MAX:
            core.step(message)
        elif core.config.async_storage_writes:
            storage_writes.step(core, message)

    def may_wait(self, message: Message) -> bool:
        """Whether a message may be stepped later, with the next one or the next tick, and nobody is kept waiting.

        What is stepped later counts later: it must not be held back beyond the next tick.
        """
        core = self.core
        return core.role is LEADER and leader.answer_may_wait(core, message)

    def own_write_may_wait(self) -> bool:
        """The same of the answers to the newest write of the own log."""
        return self.core.role is LEADER and leader.own_write_may_wait(self.core)

    def propose(self, data: bytes) -> int:
        """Append one command; returns its index, which is committed only if this term's entry is applied there.

        Raises:
            ProposalDropped: nothing was appended; `leader` says where to go.
        """
        self._must_lead()
        return leader.propose(self.core, NORMAL, (data,))

    def propose_many(self, datas: Sequence[bytes]) -> range:
        """Append several commands, all or none; returns their indexes.

        Raises:
            ProposalDropped: nothing was appended; `leader` says where to go.
        """
        self._must_lead()
        if not datas:
            return range(0)
        first = leader.propose(self.core, NORMAL, datas)
        return range(first, first + len(datas))

    def propose_conf_change(self, change: ConfChange | ConfChanges) -> int:
        """Append a configuration change; returns its index.

        `ConfChanges` without changes leaves a joint configuration; one with `auto_leave` the leader leaves by itself.

        Raises:
            ConfChangeRefused: it is invalid, or an earlier one may not be applied yet.
            ProposalDropped: as for `propose`.
        """
        self._must_lead()
        return leader.propose_conf_change(self.core, change)

    def _must_lead(self) -> None:
        if self.core.role is not LEADER:
            raise ProposalDropped("this member does not lead", self.core.leader)

    def apply_conf_change(self, change: ConfChange | ConfChanges) -> ConfState:
        """Make a committed change active; called when its entry is applied. Returns the configuration to keep.

        Raises:
            ConfChangeRefused: the change does not fit the configuration: state and log of this member disagree. Not
                with `disable_conf_change_validation`: there it is expected, and every member skips it alike.
        """
        before = self.core.tracker.conf_state
        try:
            conf_state = next_conf_state(before, change)
        except ConfChangeRefused:
            if not self.core.config.disable_conf_change_validation:
                raise
            conf_state = before
        self.core.switch_conf(conf_state)
        return conf_state

    def forget_leader(self) -> bool:
        """As a follower, forget who leads, so that votes may be granted at once; returns whether there was somebody.

        For a driver that knows better than the timers that the leader is gone. The election timer goes on. Ignored
        under lease reads, where the leader counts on this member's silence.
        """
        return follower.forget_leader(self.core)

    def campaign(self) -> bool:
        """Stand for election now, where no promise to another leader forbids it; returns whether a campaign began."""
        return self.core.campaign()

    def transfer_leader(self, to: int) -> None:
        """Wish that `to` leads; a follower passes it on. It may fail silently: watch who leads."""
        if self.core.role is LEADER:
            leader.transfer(self.core, to)
        else:
            follower.forward_transfer(self.core, to)

    def read_index(self, context: int) -> None:
        """Ask for an index at which a linearizable read may be answered.

        It comes as a `ReadState` with the same context after a quorum answered a round that began after this call;
        several requests may bear the same context. If the leadership ends first, the context comes back in
        `reads_dropped`.

        Raises:
            ReadDropped: this member does not lead, or too many requests wait.
        """
        if self.core.role is not LEADER:
            raise ReadDropped("this member does not lead", self.core.leader)
        leader.read_index(self.core, context)

    def lease_valid(self, now: float) -> bool:
        """Whether this member leads at `now` and nobody else can; never without `ReadMode.LEASE`.

        Without it a voter may forget its leader, and with that its promise.
        """
        if self.core.config.read_mode is not ReadMode.LEASE:
            return False
        return self.core.role is LEADER and leader.lease_holds(self.core, now)

    def lease_read(self, now: float) -> int | None:
        """The index at which a linearizable read may be answered, by the lease; None where it takes `read_index`.

        `now` must have been read after the request came in.
        """
        if not self.lease_valid(now):
            return None
        return self.core.log.committed if leader.has_committed_in_term(self.core) else None

    def report_unreachable(self, member: int) -> None:
        """The last message to `member` could not be delivered."""
        if self.core.role is LEADER:
            leader.report_unreachable(self.core, member)

    def report_snapshot(self, member: int, ok: bool) -> None:
        """The transfer of a snapshot to `member` is over; due after each `SNAPSHOT`, or the peer waits for ever."""
        if self.core.role is LEADER:
            leader.report_snapshot(self.core, member, ok=ok)

    # --- output -----------------------------------------------------------------------------------------------

    def has_ready(self) -> bool:
        """Whether `ready` has something; False while a `Ready` is out."""
        if self._out is not None:
            return False
        core = self.core
        log, unstable = core.log, core.log.unstable
        hard_state, soft_state = self._hard_state, self._soft_state
        # A driver asks very often, and most of the time there is nothing: so no calls where a look is enough.
        return bool(
            core.messages
            or core.messages_after_append
            or (unstable.entries and unstable.has_next())
            or (unstable.snapshot is not None and not unstable.snapshot_in_progress)
            or (log.applying < log.committed and log.has_next_committed())
            or hard_state.commit != log.committed
            or hard_state.term != core.term
            or hard_state.vote != core.vote
            or soft_state.leader != core.leader
            or soft_state.role is not core.role
            or core.read_states
            or core.read_round_due
            or core.reads_dropped
        )

    def ready(self, now: float) -> Ready:
        """Everything to do now.

        Raises:
            ReadyMisuse: the previous one was not advanced.
        """
        if self._out is not None:
            raise ReadyMisuse("ready was called before the previous Ready was advanced")
        core = self.core
        core.advance_clock(now)
        if core.role is LEADER:
            leader.flush_reads(core)
        before = self._hard_state
        must_sync = before.term != core.term or before.vote != core.vote
        hard_state = core.hard_state() if must_sync or before.commit != core.log.committed else None
        soft_state = None
        if self._soft_state.leader != core.leader or self._soft_state.role is not core.role:
            soft_state = self._soft_state = core.soft_state()
        self._hard_state = hard_state or before
        entries, snapshot = core.log.unstable.hand_out()
        committed = core.log.next_committed(core.config.committed_bytes_per_ready_max)
        after_append: Sequence[Message]
        asynchronous = core.config.async_storage_writes
        if asynchronous:
            after_append = ()
            self._address_storage(hard_state, entries, snapshot, committed)
        else:
            own = core.id
            after_append = [message for message in core.messages_after_append if message.to != own]
            self._own_answers = [message for message in core.messages_after_append if message.to == own]
            if committed:
                core.log.applying = committed[-1].index
        out = Ready(
            hard_state=hard_state,
            soft_state=soft_state,
            entries=entries,
            snapshot=snapshot,
            committed_entries=committed,
            messages=core.messages,
            messages_after_append=after_append,
            read_states=core.read_states,
            reads_dropped=core.reads_dropped,
            must_sync=must_sync or bool(entries) or snapshot is not None,
        )
        core.messages = []
        core.messages_after_append = []
        core.read_states = []
        core.reads_dropped = []
        if not asynchronous:
            self._out = out
        return out

    def _address_storage(
        self,
        hard_state: HardState | None,
        entries: tuple[Entry, ...],
        snapshot: Snapshot | None,
        committed: Sequence[Entry],
    ) -> None:
        core = self.core
        append = storage_writes.append_message(core, hard_state, entries, snapshot)
        if append is not None:
            core.messages.append(append)
        if committed:
            core.log.start_applying(committed, core.config.committed_bytes_per_ready_max)
            core.messages.append(storage_writes.apply_message(core, committed))

    def advance(self, ready: Ready) -> None:
        """The driver has persisted, sent and applied what `ready` asked for.

        Raises:
            ReadyMisuse: it is not the one that is out; with asynchronous storage none ever is.
        """
        if ready is not self._out:
            raise ReadyMisuse("advance needs the Ready that is out")
        self._out = None
        core = self.core
        if ready.snapshot is not None:
            storage_writes.installed(core, ready.snapshot)
        if ready.entries:
            last = ready.entries[-1]
            core.log.unstable.stable_to(last.index, last.term)
        if ready.committed_entries:
            storage_writes.applied(core, ready.committed_entries)
        for message in self._own_answers:
            core.step(message)
        self._own_answers = []

    def status(self) -> Status:
        """The member at a glance."""
        core, log = self.core, self.core.log
        leads = core.role is LEADER
        return Status(
            id=core.id,
            term=core.term,
            vote=core.vote,
            role=core.role,
            leader=core.leader,
            commit=log.committed,
            applied=log.applied,
            first_index=log.first_index(),
            last_index=log.last_index(),
            durable_index=log.durable_index(),
            conf_state=core.tracker.conf_state,
            transferee=core.transferee if leads else NO_MEMBER,
            leader_contact=core.leader_contact,
            peers={
                member: PeerStatus(
                    match=peer.match,
                    next=peer.next,
                    state=peer.state,
                    paused=peer.is_paused(),
                    inflight_messages=len(peer.inflights),
                    inflight_bytes=peer.inflights.bytes,
                    pending_snapshot=peer.pending_snapshot,
                    recent_active=peer.recent_active,
                    is_learner=peer.is_learner,
                    last_contact=peer.last_contact,
                )
                for member, peer in core.tracker.progress.items()
            }
            if leads
            else {},
        )
