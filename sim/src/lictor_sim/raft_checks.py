"""The properties of a Raft group, checked while it runs.

Raft paper, figure 3: election safety, log matching, leader completeness and state machine safety (as: nothing committed
is ever different or lost, and every member has the same state and configuration after the same entry). From the TLA+
specifications: what is committed is durable at a quorum, nobody vouches for what is not durable, term and vote survive
a restart, a leader commits by counting only what is of its own term (5.4.2). For clients: no read is answered at an
index below what was committed when it began, and no command takes effect twice.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping

from lictor_raft import (
    FOUNDING_INDEX,
    ConfState,
    Entry,
    LogUnavailable,
    MemoryStorage,
    Message,
    MessageKind,
    RawNode,
    Ready,
    Role,
)
from lictor_sim.state_machine import Command


class PropertyBrokenError(AssertionError):
    """A property of the protocol does not hold; the message names it."""


class GroupChecker:
    """What the whole group has done so far.

    Args:
        founding: the configuration in which the group was founded.
    """

    def __init__(self, founding: ConfState) -> None:
        self.leaders: dict[int, int] = {}
        self.committed: dict[int, Entry] = {}
        self.commit_max = FOUNDING_INDEX
        self.reads_confirmed = 0
        self.lease_reads = 0
        self.images: Mapping[int, MemoryStorage] = {}
        """What is durable at each member; set by the group."""
        self._leading: dict[int, tuple[int, int]] = {}
        self._entries: dict[tuple[int, int], tuple[int, Entry]] = {}
        self._votes: dict[tuple[int, int], int] = {}
        self._terms: dict[int, int] = {}
        self._digests: dict[int, int] = {}
        self._effects: dict[tuple[int, int], int] = {}
        self._conf_indexes = [FOUNDING_INDEX]
        self._conf_states = [founding]

    # --- members ----------------------------------------------------------------------------------------------

    def saw_start(self, node: RawNode) -> None:
        """A member starts from its disk: what it promised before still binds it."""
        core = node.core
        self._leading.pop(core.id, None)
        promised = self._terms.get(core.id, 0)
        self._require(core.term >= promised, f"{core.id} starts in term {core.term} and answered in term {promised}")
        vote = self._votes.get((core.id, core.term))
        if vote is not None:
            self._require(core.vote == vote, f"{core.id} voted for {vote} in term {core.term} and has forgotten it")

    def saw_node(self, node: RawNode) -> None:
        """Look at a member after a step."""
        core = node.core
        committed = core.log.committed
        term, before = self._leading.get(core.id, (0, 0))
        if core.role is not Role.LEADER and (term != core.term or committed <= self.commit_max):
            self._require(committed <= self.commit_max, f"{core.id} commits {committed} before any leader")
            return
        # Who leads, or led this term a step ago: a removed leader may commit and step down in one step. Once it follows
        # it may also be told of older commits, with a refused vote.
        if term != core.term:
            holder = self.leaders.setdefault(core.term, core.id)
            self._require(holder == core.id, f"term {core.term} has two leaders, {holder} and {core.id}")
            self._check_completeness(node)
        elif committed > before:
            of = core.log.term_or_zero(committed)
            self._require(of == core.term, f"leader {core.id} of term {core.term} commits {committed} of term {of}")
        self._leading[core.id] = (core.term, committed)
        if committed > self.commit_max:
            self._check_durability(node, committed)
            self.commit_max = committed

    def _check_completeness(self, node: RawNode) -> None:
        """A leader must hold everything that was ever committed (paper 5.4)."""
        log = node.core.log
        for index, entry in self.committed.items():
            if index >= log.first_index() and entry.term < node.core.term:
                self._require(log.term_or_zero(index) == entry.term, f"leader {node.core.id} lacks entry {index}")

    def _check_durability(self, node: RawNode, index: int) -> None:
        """What a leader commits is durable at a majority, of each half of a joint configuration."""
        conf, term = node.core.tracker.conf_state, node.core.log.term(index)
        for voters in (conf.voters, conf.voters_outgoing):
            holders = [voter for voter in voters if self._holds(voter, index, term)]
            self._require(
                not voters or len(holders) > len(voters) // 2,
                f"leader {node.core.id} commits {index}, durable only at {holders} of {voters}",
            )

    def _holds(self, member: int, index: int, term: int) -> bool:
        image = self.images[member]
        if index < image.first_index():
            return True
        try:
            return image.term(index) == term
        except LogUnavailable:
            return False

    # --- what members do --------------------------------------------------------------------------------------

    def saw_ready(self, node: RawNode, ready: Ready) -> None:
        """Look at what a member persists and applies."""
        log = node.core.log
        for position, entry in enumerate(ready.entries):
            before = ready.entries[position - 1].term if position else log.term_or_zero(entry.index - 1)
            known = self._entries.setdefault((entry.index, entry.term), (before, entry))
            self._require(known == (before, entry), f"logs differ at {entry.index}, term {entry.term}")
        for entry in ready.committed_entries:
            known_entry = self.committed.setdefault(entry.index, entry)
            self._require(known_entry == entry, f"two entries were committed at {entry.index}")

    def saw_vouching(self, message: Message, image: MemoryStorage) -> None:
        """A member answers another: what it says must be on its disk."""
        sender, term = message.from_, message.term
        if message.kind is MessageKind.PRE_VOTE_RESPONSE:
            return  # a pre-vote promises nothing
        hard_state = image.initial_state()[0]
        self._require(hard_state.term >= term, f"{sender} answers in term {term}, which is not durable")
        self._terms[sender] = max(term, self._terms.get(sender, 0))
        if message.reject:
            return
        if message.kind is MessageKind.VOTE_RESPONSE:
            durable = hard_state.term > term or hard_state.vote == message.to
            self._require(durable, f"the vote of {sender} for {message.to} in term {term} is not durable")
            vote = self._votes.setdefault((sender, term), message.to)
            self._require(vote == message.to, f"{sender} votes for {vote} and {message.to} in term {term}")
        elif message.kind is MessageKind.APPEND_RESPONSE:
            last = image.last_index()
            durable = hard_state.term > term or message.index <= last
            self._require(durable, f"{sender} acknowledges {message.index} and holds only {last}")

    def saw_applied(self, index: int, digest: int, effective: Command | None, active: ConfState) -> None:
        """A member has applied an entry; its state now has this digest, and `active` is its configuration."""
        known = self._digests.setdefault(index, digest)
        self._require(known == digest, f"states differ after entry {index}")
        expected = self.conf_at(index)
        self._require(active == expected, f"{active} is active after entry {index} instead of {expected}")
        if effective is not None and effective.session:
            first = self._effects.setdefault((effective.session, effective.number), index)
            self._require(first == index, f"one command took effect at {first} and {index}")

    def saw_conf_change(self, index: int, active: ConfState) -> None:
        """A configuration became active by a change at `index`."""
        if index > self._conf_indexes[-1]:
            self._conf_indexes.append(index)
            self._conf_states.append(active)
        else:
            self.saw_conf(index, active)

    def saw_conf(self, index: int, active: ConfState) -> None:
        """A snapshot says that `active` was the configuration at `index`."""
        known = self.conf_at(index)
        self._require(known == active, f"configurations differ at {index}: {known} and {active}")

    def conf_at(self, index: int) -> ConfState:
        """The configuration as of `index`, as far as anybody has applied changes."""
        return self._conf_states[bisect_right(self._conf_indexes, index) - 1]

    def confs_since(self, index: int) -> Iterable[ConfState]:
        """The configuration as of `index` and all later ones."""
        return self._conf_states[bisect_right(self._conf_indexes, index) - 1 :]

    # --- reads ------------------------------------------------------------------------------------------------

    def read_confirmed(self, index: int, floor: int) -> None:
        """A read that began when `floor` was committed may be answered at `index`."""
        self.reads_confirmed += 1
        self._require(index >= floor, f"a confirmed read at {index} misses a write at {floor}")

    def lease_read(self, index: int) -> None:
        """A leader answered by its lease."""
        self.lease_reads += 1
        self._require(index >= self.commit_max, f"a leased read at {index} misses a write at {self.commit_max}")

    @staticmethod
    def _require(holds: bool, claim: str) -> None:
        if not holds:
            raise PropertyBrokenError(claim)
