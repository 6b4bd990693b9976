"""Broken cores: nodes that go wrong in one rule of the protocol, made of the right one by overriding a step.

Where the rule sits in a part of the core, that part of this one node becomes an instance of a subclass.
"""

import math
from collections.abc import Sequence

from msgspec.structs import replace

from lictor_raft import (
    ConfChange,
    ConfChanges,
    Config,
    ConfState,
    Dice,
    Entry,
    EntryKind,
    Message,
    MessageKind,
    RawNode,
    ReadDropped,
    ReadState,
    Ready,
    Role,
    Storage,
    decode_conf_change,
    next_conf_state,
)
from lictor_raft.config import LEASE_FRACTION
from lictor_raft.leader import has_committed_in_term
from lictor_raft.log import RaftLog
from lictor_raft.quorum import VoteResult, majority_value, vote_result
from lictor_raft.tracker import Tracker

CALLERS = 1 << 40
"""Rounds above this number stand for callers."""


class CallerKeyedReads(RawNode):
    """Keys waiting reads and their acknowledgements by what the caller sent, as etcd did until 2026."""

    def __init__(self, config: Config, storage: Storage, dice: Dice, now: float) -> None:
        super().__init__(config, storage, dice, now)
        self._waiting: dict[int, tuple[list[int], set[int]]] = {}

    def read_index(self, context: int) -> None:
        """See `RawNode`."""
        core = self.core
        if core.role is not Role.LEADER or not has_committed_in_term(core):
            raise ReadDropped("not now", core.leader)
        indexes, _ = self._waiting.setdefault(context, ([], {core.id}))
        indexes.append(core.log.committed)
        for member, peer in core.tracker.progress.items():
            if member != core.id:
                commit = min(peer.match, core.log.committed)
                kind = MessageKind.HEARTBEAT
                core.send(Message(kind, core.id, member, core.term, commit=commit, context=CALLERS + context))

    def step(self, message: Message, now: float) -> None:
        """See `RawNode`."""
        if message.kind is MessageKind.HEARTBEAT_RESPONSE and message.context >= CALLERS:
            self._acknowledge(message)
            message = replace(message, context=0)
        super().step(message, now)
        self._give_up()

    def tick(self, now: float) -> None:
        """See `RawNode`."""
        super().tick(now)
        self._give_up()

    def _acknowledge(self, message: Message) -> None:
        core, context = self.core, message.context - CALLERS
        if message.term == core.term and context in self._waiting:
            indexes, heard = self._waiting[context]
            heard.add(message.from_)
            if vote_result(core.tracker.voters, dict.fromkeys(heard, True)) is VoteResult.WON:
                core.read_states += [ReadState(index, context) for index in indexes]
                del self._waiting[context]

    def _give_up(self) -> None:
        if self.core.role is not Role.LEADER and self._waiting:
            self.core.reads_dropped += [c for c, (indexes, _) in self._waiting.items() for _ in indexes]
            self._waiting.clear()


class ReadBeforeOwnCommit(RawNode):
    """Answers reads before it has committed anything in its term (thesis 6.4, step 1)."""

    def read_index(self, context: int) -> None:
        """See `RawNode`."""
        super().read_index(context)
        core = self.core
        for parked in core.reads.unpark():
            core.reads.wait_for(core.rounds.newest + 1, core.log.committed, parked)
            core.read_round_due = True

    def lease_read(self, now: float) -> int | None:
        """See `RawNode`."""
        return self.core.log.committed if self.lease_valid(now) else None


class LeaseFromReceipt(RawNode):
    """Counts its lease from when the answers came in, so that a pause between question and answer prolongs it."""

    def __init__(self, config: Config, storage: Storage, dice: Dice, now: float) -> None:
        super().__init__(config, storage, dice, now)
        self._answered = (0, 0)
        self._until = -math.inf

    def step(self, message: Message, now: float) -> None:
        """See `RawNode`."""
        super().step(message, now)
        core = self.core
        if core.role is Role.LEADER:
            answered = (core.term, core.tracker.quorum_round(core.id))
            if answered > self._answered and answered[1]:
                self._answered = answered
                self._until = core.now + LEASE_FRACTION * core.config.election_timeout_s

    def lease_valid(self, now: float) -> bool:
        """See `RawNode`."""
        core = self.core
        leads = core.role is Role.LEADER and self._answered[0] == core.term and not core.lease_forfeited
        return leads and now < self._until


class VoteAfterStart(RawNode):
    """Votes at once after a start, although it may have answered the round on which a lease rests."""

    def __init__(self, config: Config, storage: Storage, dice: Dice, now: float) -> None:
        super().__init__(config, storage, dice, now)
        self.core.silent_until = -math.inf


class CommitOlderTerms(RawNode):
    """Commits what a majority holds, whatever its term (paper, figure 8)."""

    def step(self, message: Message, now: float) -> None:
        """See `RawNode`."""
        super().step(message, now)
        core = self.core
        if core.role is Role.LEADER:
            core.log.committed = max(core.log.committed, min(core.tracker.quorum_match(), core.log.durable_index()))


class CommitWithoutOwnDisk(RawNode):
    """Counts itself before its own disk has the entry."""

    def step(self, message: Message, now: float) -> None:
        """See `RawNode`."""
        super().step(message, now)
        core = self.core
        if core.role is Role.LEADER:
            progress, last = core.tracker.progress, core.log.last_index()
            index = majority_value([last if v == core.id else progress[v].match for v in core.tracker.voters])
            if core.log.committed < index <= last and core.log.term(index) == core.term:
                core.log.committed = index


class HeartbeatCommitsBeyondMatch(RawNode):
    """Tells followers the commit index in heartbeats, whatever they hold there."""

    def ready(self, now: float) -> Ready:
        """See `RawNode`."""
        ready = super().ready(now)
        commit = self.core.log.committed
        beats = MessageKind.HEARTBEAT
        messages = [replace(m, commit=commit) if m.kind is beats else m for m in ready.messages]
        self._out = replace(ready, messages=messages) if self._out is ready else None
        return self._out or replace(ready, messages=messages)


class SnapshotWithoutConf(RawNode):
    """Installs a snapshot and keeps the configuration that it had."""

    def step(self, message: Message, now: float) -> None:
        """See `RawNode`."""
        tracker = self.core.tracker
        before = tracker.conf_state
        super().step(message, now)
        if message.kind is MessageKind.SNAPSHOT and tracker.conf_state is not before:
            tracker.switch_to(before, self.core.log.last_index())


class ChangeAtAppend(RawNode):
    """Makes a configuration active when it is appended, and has several under way."""

    def propose_conf_change(self, change: ConfChange | ConfChanges) -> int:
        """See `RawNode`."""
        self.core.pending_conf_index = 0
        index = super().propose_conf_change(change)
        self.core.switch_conf(next_conf_state(self.core.tracker.conf_state, change))
        return index

    def step(self, message: Message, now: float) -> None:
        """See `RawNode`."""
        last = self.core.log.last_index()
        super().step(message, now)
        for entry in message.entries if message.kind is MessageKind.APPEND else ():
            if entry.index > last and entry.kind is not EntryKind.NORMAL:
                super().apply_conf_change(decode_conf_change(entry))

    def apply_conf_change(self, change: ConfChange | ConfChanges) -> ConfState:
        """See `RawNode`."""
        del change
        return self.core.tracker.conf_state


# --- parts of a node -------------------------------------------------------------------------------------------


class _CuttingLog(RaftLog):
    __slots__ = ()

    def maybe_append(self, prev_index: int, prev_term: int, entries: Sequence[Entry], commit: int) -> int | None:
        if not self.matches(prev_index, prev_term):
            return None
        last_new = prev_index + len(entries)
        if entries:
            self._slice_key = (0, 0)
            self.unstable.append(entries)
        self.commit_to(min(commit, last_new))
        return last_new


class TruncateWithoutConflict(RawNode):
    """Drops what follows an append even where nothing conflicts, as PySyncObj does."""

    def __init__(self, config: Config, storage: Storage, dice: Dice, now: float) -> None:
        super().__init__(config, storage, dice, now)
        self.core.log.__class__ = _CuttingLog


class _CarelessLog(RaftLog):
    __slots__ = ()

    def is_up_to_date(self, index: int, term: int) -> bool:
        del index, term
        return True


class VoteForShorterLog(RawNode):
    """Votes without looking at the candidate's log (paper 5.4.1)."""

    def __init__(self, config: Config, storage: Storage, dice: Dice, now: float) -> None:
        super().__init__(config, storage, dice, now)
        self.core.log.__class__ = _CarelessLog


class _HalfTracker(Tracker):
    __slots__ = ()

    def quorum_match(self) -> int:
        progress = self.progress
        return majority_value([progress[voter].match for voter in self.voters])

    def record_vote(self, member: int, *, granted: bool) -> VoteResult:
        self.votes.setdefault(member, granted)
        return vote_result(self.voters, self.votes)


class OneMajority(RawNode):
    """Asks only the incoming half of a joint configuration (paper 6)."""

    def __init__(self, config: Config, storage: Storage, dice: Dice, now: float) -> None:
        super().__init__(config, storage, dice, now)
        self.core.tracker.__class__ = _HalfTracker
