"""The Raft state machine of one member: its term, vote and role, the guard before every message, and the timers.

Raft paper 5.1 (terms), 5.2 (elections), 5.4.1 (the voter's rule); thesis 9.6 (pre-vote) and 6.4.1 (leases). What each
role does with a message that passed the guard is in `follower`, `candidate` and `leader`; how a leader sends is in
`replication`.

    FOLLOWER ──timeout──▶ PRE_CANDIDATE ──quorum──▶ CANDIDATE ──quorum──▶ LEADER
        ▲                       │                        │                   │
        └──── a leader or a higher term is seen, the vote is lost, no quorum was heard of ┘

Outgoing messages wait in two queues. `messages` may leave at once. `messages_after_append` vouch for something that
must be durable first: responses to appends, snapshots and vote requests, and this member's answers to itself, so that a
leader counts itself, and a candidate its own vote, only after the sync.

No I/O and no clock: `now` comes in with ticks and messages, in seconds of a clock that never goes back and counts
suspended time.
"""

from collections.abc import Callable

from lictor_raft import candidate, follower, leader
from lictor_raft.config import Config
from lictor_raft.errors import LogDamaged
from lictor_raft.kinds import APPEND, FOLLOWER, HEARTBEAT, LEADER
from lictor_raft.log import RaftLog
from lictor_raft.messages import (
    CAMPAIGN_TRANSFER,
    NO_MEMBER,
    ConfState,
    EntryKind,
    HardState,
    Message,
    MessageKind,
    ReadState,
    Role,
    Snapshot,
    SoftState,
)
from lictor_raft.read_index import PendingReads
from lictor_raft.rounds import Rounds
from lictor_raft.storage import Storage
from lictor_raft.tracker import Tracker

Dice = Callable[[int, int], int]
"""Draws a whole number from a closed interval, as `random.Random.randint` does."""

AFTER_APPEND = frozenset({MessageKind.APPEND_RESPONSE, MessageKind.VOTE_RESPONSE, MessageKind.PRE_VOTE_RESPONSE})
_VOTES = frozenset({MessageKind.VOTE, MessageKind.PRE_VOTE})
_VOTE_ANSWERS = frozenset({MessageKind.VOTE_RESPONSE, MessageKind.PRE_VOTE_RESPONSE})
_FROM_LEADER = frozenset({MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.SNAPSHOT})


class Core:
    """One member. The role modules change it; everyone else goes through `node.RawNode`."""

    def __init__(self, config: Config, storage: Storage, dice: Dice, now: float) -> None:
        hard_state, conf_state = storage.initial_state()
        self.config = config
        self.id = config.id
        self.dice = dice
        self.now = now
        self.log = RaftLog(storage)
        self.tracker = Tracker(
            inflight_messages_max=config.inflight_messages_max, inflight_bytes_max=config.inflight_bytes_max
        )
        self.tracker.switch_to(conf_state, self.log.last_index())

        self.term = hard_state.term
        self.vote = hard_state.vote
        self.role = Role.FOLLOWER
        self.leader = NO_MEMBER

        self.election_elapsed = 0
        self.heartbeat_elapsed = 0
        self.election_timeout = config.election_ticks
        # No vote before these times: after a leader was heard of, and after a start (see `votes_are_withheld`).
        self.heard_until = follower.NEVER
        self.silent_until = now + config.election_timeout_s if config.vote_silence_after_start else follower.NEVER
        self.leader_contact: float | None = None

        self.messages: list[Message] = []
        self.messages_after_append: list[Message] = []

        # What only a leader uses.
        self.transferee = NO_MEMBER
        self.lease_forfeited = False
        self.pending_conf_index = 0
        self.uncommitted_bytes = 0
        self.rounds = Rounds(config.election_timeout_s)
        self.reads = PendingReads()
        self.read_round_due = False
        self.read_states: list[ReadState] = []
        self.reads_dropped: list[int] = []

        self._load(hard_state)
        self.become_follower(self.term, NO_MEMBER)

    def _load(self, hard_state: HardState) -> None:
        log = self.log
        if hard_state.commit > log.last_index():
            raise LogDamaged(f"the durable commit index {hard_state.commit} is above the last index {log.last_index()}")
        # A snapshot proves that its index is committed, even if the crash came before the hard state was written.
        log.committed = max(log.committed, hard_state.commit)
        if self.config.applied:
            if not log.applied <= self.config.applied <= log.committed:
                raise LogDamaged(f"applied {self.config.applied} is not within {log.applied} and {log.committed}")
            log.applied_to(self.config.applied)

    # --- what the driver persists or shows ---------------------------------------------------------------------

    def hard_state(self) -> HardState:
        """What must be durable."""
        return HardState(self.term, self.vote, self.log.committed)

    def soft_state(self) -> SoftState:
        """What is worth knowing."""
        return SoftState(self.leader, self.role)

    # --- sending ----------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Queue a message behind the state that it depends on."""
        if message.kind in AFTER_APPEND:
            self.messages_after_append.append(message)
        else:
            assert message.to != self.id, "only answers that wait for the disk may go to oneself"
            self.messages.append(message)

    # --- terms and roles --------------------------------------------------------------------------------------

    def _reset(self, term: int) -> None:
        if term != self.term:
            assert term > self.term, "a term never goes back"
            self.term = term
            self.vote = NO_MEMBER
        self.leader = NO_MEMBER
        self._restart_election_timer()
        self.heartbeat_elapsed = 0
        self.transferee = NO_MEMBER
        self.tracker.reset_progress(
            self_id=self.id, last_index=self.log.last_index(), durable_index=self.log.durable_index()
        )
        self.pending_conf_index = 0
        self.uncommitted_bytes = 0
        self.reads_dropped += self.reads.drop_all()
        self.read_round_due = False

    def _restart_election_timer(self) -> None:
        ticks = self.config.election_ticks
        self.election_elapsed = 0
        self.election_timeout = self.dice(ticks, 2 * ticks - 1)

    def become_follower(self, term: int, leader_id: int) -> None:
        """Follow `leader_id` (or nobody yet) in `term`."""
        self._reset(term)
        self.leader = leader_id
        self.role = Role.FOLLOWER

    def become_pre_candidate(self) -> None:
        """Ask for pre-votes; neither term nor vote change (thesis 9.6)."""
        assert self.role is not Role.LEADER, "a leader does not campaign"
        self.tracker.votes = {}
        self.leader = NO_MEMBER
        self.role = Role.PRE_CANDIDATE
        self._restart_election_timer()

    def become_candidate(self) -> None:
        """Begin a new term and vote for oneself (paper 5.2)."""
        assert self.role is not Role.LEADER, "a leader does not campaign"
        self._reset(self.term + 1)
        self.vote = self.id
        self.role = Role.CANDIDATE

    def become_leader(self) -> None:
        """Lead the current term, beginning with an empty entry of it (paper 5.4.2 and 8)."""
        assert self.role is Role.CANDIDATE, "only a candidate becomes leader"
        self._reset(self.term)
        self.leader = self.id
        self.role = Role.LEADER
        self.lease_forfeited = False
        self.rounds.reset()
        own = self.tracker.progress[self.id]
        own.become_replicate()
        own.recent_active = True
        # A change of an earlier leader may still be unapplied: wait for everything up to here before taking another.
        self.pending_conf_index = self.log.last_index()
        leader.append_entries(self, EntryKind.NORMAL, [b""])

    # --- elections --------------------------------------------------------------------------------------------

    def is_promotable(self) -> bool:
        """Whether this member may campaign: a voter, of either half, without a snapshot to install."""
        return self.id in self.tracker.all_voters and self.log.unstable.snapshot is None

    def votes_are_withheld(self) -> bool:
        """Whether another leader may rightly count on this member not voting, for itself or others.

        Two promises: one election timeout after it last heard a leader, even if it has learnt of a higher term since;
        and one election timeout after start, because what it heard before is forgotten. Both are measured in seconds
        where the lease is; the tick rule stands beside them as in a group without clocks.
        """
        if self.now < self.silent_until and not self.tracker.is_sole_voter(self.id):
            return True
        if not self.config.check_quorum:
            return False
        if self.role is Role.LEADER or self.now < self.heard_until:
            return True
        return self.leader != NO_MEMBER and self.election_elapsed < self.config.election_ticks

    def has_unapplied_conf_change(self) -> bool:
        """Whether a configuration change is committed and not yet applied here."""
        low, high = self.log.applied + 1, self.log.committed + 1
        while low < high:
            entries = self.log.committed_between(low, high, self.config.committed_bytes_per_ready_max)
            if any(entry.kind is not EntryKind.NORMAL for entry in entries):
                return True
            low += len(entries)
        return False

    def campaign(self, *, transfer: bool = False) -> bool:
        """Stand for election, if the rules allow it now; `transfer` means that the leader asked for it.

        Returns:
            Whether a campaign began.
        """
        if self.role is Role.LEADER or not self.is_promotable() or self.has_unapplied_conf_change():
            return False
        if not transfer and self.votes_are_withheld():
            return False
        if self.config.pre_vote and not transfer:
            self.become_pre_candidate()
            self._ask_for_votes(MessageKind.PRE_VOTE, self.term + 1, 0)
        else:
            self.campaign_for_term(transfer=transfer)
        return True

    def campaign_for_term(self, *, transfer: bool = False) -> None:
        """Stand for election in the next term, pre-votes being won or skipped."""
        self.become_candidate()
        self._ask_for_votes(MessageKind.VOTE, self.term, CAMPAIGN_TRANSFER if transfer else 0)

    def _ask_for_votes(self, kind: MessageKind, term: int, context: int) -> None:
        answer = MessageKind.PRE_VOTE_RESPONSE if kind is MessageKind.PRE_VOTE else MessageKind.VOTE_RESPONSE
        last_index, last_term = self.log.last_index(), self.log.last_term()
        for voter in self.tracker.all_voters:
            if voter == self.id:
                # The own vote counts when it is durable, like any other.
                self.send(Message(answer, self.id, self.id, term))
            else:
                self.send(Message(kind, self.id, voter, term, index=last_index, log_term=last_term, context=context))

    # --- time -------------------------------------------------------------------------------------------------

    def advance_clock(self, now: float) -> None:
        """Note the time; a clock that seems to go back stands still."""
        self.now = max(self.now, now)

    def tick(self) -> None:
        """One tick of the timers."""
        self.election_elapsed += 1
        if self.role is LEADER:
            leader.tick(self)
        elif (
            self.election_elapsed >= self.election_timeout and self.is_promotable() and self.has_unapplied_conf_change()
        ):
            self.election_elapsed = 0  # one timeout later it may be applied
        elif self.election_elapsed >= self.election_timeout:
            self.campaign()  # which restarts the timer, or is refused and tried again with the next tick

    # --- the guard --------------------------------------------------------------------------------------------

    def step(self, message: Message) -> None:
        """Take one message: first the rules on terms (paper 5.1), then votes, then what the role does."""
        if message.reject and message.kind in _VOTE_ANSWERS:
            self._learn_commit(message)  # whatever its term: what is committed stays so
        if message.term > self.term:
            if not self._admit_higher_term(message):
                return
        elif message.term < self.term:
            self._answer_lower_term(message)
            return
        if message.kind in _VOTES:
            self._answer_vote(message)
        elif self.role is LEADER:
            leader.step(self, message)
        elif self.role is FOLLOWER:
            follower.step(self, message)
        else:
            candidate.step(self, message)

    def _admit_higher_term(self, message: Message) -> bool:
        """Adopt a higher term where the message proves one; False if the message is to be ignored."""
        kind = message.kind
        if kind in _VOTES and message.context != CAMPAIGN_TRANSFER and self.votes_are_withheld():
            return False
        if kind is MessageKind.PRE_VOTE or (kind is MessageKind.PRE_VOTE_RESPONSE and not message.reject):
            # A term that nobody has begun: granted pre-votes come back at the term that was asked for.
            return True
        self.become_follower(message.term, message.from_ if kind in _FROM_LEADER else NO_MEMBER)
        return True

    def _answer_lower_term(self, message: Message) -> None:
        kind = message.kind
        if kind is MessageKind.PRE_VOTE:
            # Silence could leave a group stuck whose members differ in settings: say that the term is too low.
            self._refuse_vote(MessageKind.PRE_VOTE_RESPONSE, message.from_)
        elif kind in (APPEND, HEARTBEAT) and (self.config.check_quorum or self.config.pre_vote):
            # This member moved to a higher term and its campaigns are ignored there: the answer's term makes the
            # leader step down, which ends the stalemate with one more election.
            self.send(Message(MessageKind.APPEND_RESPONSE, self.id, message.from_, self.term))

    def _answer_vote(self, message: Message) -> None:
        """Paper 5.2 and 5.4.1: one vote a term, first come first served, for a log at least as up to date as ours.

        Learners answer too: a member that was promoted may not have applied that yet, and its vote may be needed.
        """
        pre_vote = message.kind is MessageKind.PRE_VOTE
        answer = MessageKind.PRE_VOTE_RESPONSE if pre_vote else MessageKind.VOTE_RESPONSE
        free = (
            self.vote == message.from_
            or (self.vote == NO_MEMBER and self.leader == NO_MEMBER)
            or (pre_vote and message.term > self.term)
        )
        withheld = message.context != CAMPAIGN_TRANSFER and self.votes_are_withheld()
        if not free or withheld or not self.log.is_up_to_date(message.index, message.log_term):
            self._refuse_vote(answer, message.from_)
            return
        self.send(Message(answer, self.id, message.from_, message.term))
        if not pre_vote:
            self.election_elapsed = 0
            self.vote = message.from_

    def _refuse_vote(self, answer: MessageKind, candidate_id: int) -> None:
        """Refuse, and say what is committed.

        Who has left the configuration knows so, does not campaign, and may still hold the longer log; a candidate that
        does not know needs its vote, and would ask for ever. What is committed tells it that it needs that vote no
        more.
        """
        committed = self.log.committed
        term = self.log.term_or_zero(committed)
        refusal = Message(answer, self.id, candidate_id, self.term, commit=committed, log_term=term, reject=True)
        self.send(refusal)

    def _learn_commit(self, refusal: Message) -> None:
        """Commit what the refuser of a vote has committed, as far as this log has the same entry (paper 5.3).

        A configuration change among it ends the campaign, which was for the votes of an earlier configuration.
        """
        log = self.log
        if self.role is Role.LEADER or refusal.commit <= log.committed:
            return
        if not log.matches(refusal.commit, refusal.log_term):
            return
        log.commit_to(refusal.commit)
        if self.role is not Role.FOLLOWER and self.has_unapplied_conf_change():
            self.become_follower(self.term, NO_MEMBER)

    # --- configuration and snapshots --------------------------------------------------------------------------

    def restore(self, snapshot: Snapshot) -> bool:
        """Take over a leader's snapshot; False if the log has it already, or while entries are being applied.

        The configuration in it need not name this member: whoever joins may get a snapshot from before that.
        """
        meta = snapshot.meta
        if meta.index <= self.log.committed:
            return False
        if self.log.matches(meta.index, meta.term):
            self.log.commit_to(meta.index)
            return False
        if self.log.applying > self.log.applied:
            # A change among them would be applied to the configuration of the snapshot. The leader will send another.
            return False
        self.log.restore(snapshot)
        self.tracker.switch_to(meta.conf_state, self.log.last_index())
        return True

    def switch_conf(self, conf_state: ConfState) -> None:
        """Make an applied configuration the active one."""
        self.tracker.switch_to(conf_state, self.log.last_index())
        if self.role is Role.LEADER:
            leader.after_conf_change(self)
