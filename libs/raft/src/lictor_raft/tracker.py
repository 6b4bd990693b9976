"""Who is a member, what is known of each, and what majorities of them have done.

Raft paper 5.2 and 5.3 count votes and matches; in a joint configuration (6) both halves count, each for itself.
Learners (thesis 4.2.1, "non-voting members") receive the log and never count.
"""

from lictor_raft.inflights import Inflights
from lictor_raft.messages import ConfState
from lictor_raft.progress import Progress
from lictor_raft.quorum import EVERYTHING, VoteResult, joint_vote_result, majority_value


class Tracker:
    """The active configuration with one `Progress` per member."""

    __slots__ = (
        "_inflight_bytes_max",
        "_inflight_messages_max",
        "all_voters",
        "conf_state",
        "ids",
        "outgoing",
        "progress",
        "voters",
        "votes",
    )

    def __init__(self, *, inflight_messages_max: int, inflight_bytes_max: int) -> None:
        self._inflight_messages_max = inflight_messages_max
        self._inflight_bytes_max = inflight_bytes_max
        self.conf_state = ConfState()
        self.voters: tuple[int, ...] = ()
        # The second half of a joint configuration, else empty; and who votes in either.
        self.outgoing: tuple[int, ...] = ()
        self.all_voters: tuple[int, ...] = ()
        self.ids: tuple[int, ...] = ()
        self.progress: dict[int, Progress] = {}
        self.votes: dict[int, bool] = {}

    def _new_progress(self, *, match: int, next_index: int, is_learner: bool) -> Progress:
        inflights = Inflights(self._inflight_messages_max, self._inflight_bytes_max)
        return Progress(match=match, next_index=next_index, inflights=inflights, is_learner=is_learner)

    def switch_to(self, conf_state: ConfState, last_index: int) -> None:
        """Make `conf_state` the active configuration; members that stay keep their progress."""
        self.conf_state = conf_state
        self.voters, self.outgoing = conf_state.voters, conf_state.voters_outgoing
        self.all_voters = tuple(sorted({*self.voters, *self.outgoing}))
        self.ids = tuple(sorted({*self.all_voters, *conf_state.learners}))
        progress = {}
        for member in self.ids:
            is_learner = member not in self.all_voters
            known = self.progress.get(member)
            if known is None:
                known = self._new_progress(match=0, next_index=max(last_index, 1), is_learner=is_learner)
                # A member that was just added has had no chance to answer: it must not cost the leader its quorum.
                known.recent_active = True
            known.is_learner = is_learner
            progress[member] = known
        self.progress = progress

    def reset_progress(self, *, self_id: int, last_index: int, durable_index: int) -> None:
        """Forget what was known of the members: a new term, or another role."""
        self.votes = {}
        self.progress = {
            member: self._new_progress(
                # Of itself a leader counts only what is durable: the rest is acknowledged when it has been synced.
                match=durable_index if member == self_id else 0,
                next_index=last_index + 1,
                is_learner=member not in self.all_voters,
            )
            for member in self.ids
        }

    def is_sole_voter(self, member: int) -> bool:
        """Whether `member` alone is the quorum."""
        return self.voters == (member,) and not self.outgoing

    def quorum_match(self) -> int:
        """The index that a majority of voters, of each half, holds."""
        progress = self.progress
        match = majority_value([progress[voter].match for voter in self.voters])
        if self.outgoing:
            match = min(match, majority_value([progress[voter].match for voter in self.outgoing]))
        return match

    def quorum_round(self, self_id: int) -> int:
        """The newest round that a majority of voters, of each half, has answered; `self_id` has answered all."""
        progress = self.progress
        reached = EVERYTHING
        for half in (self.voters, self.outgoing):
            answered = [EVERYTHING if voter == self_id else progress[voter].acked_round for voter in half]
            reached = min(reached, majority_value(answered))
        return reached

    def quorum_active(self) -> bool:
        """Whether a majority of voters, of each half, was heard of since the last check."""
        heard = {voter: self.progress[voter].recent_active for voter in self.all_voters}
        return joint_vote_result(self.voters, self.outgoing, heard) is VoteResult.WON

    def record_vote(self, member: int, *, granted: bool) -> VoteResult:
        """Note an answer (the first one counts) and tell how the vote stands."""
        self.votes.setdefault(member, granted)
        return joint_vote_result(self.voters, self.outgoing, self.votes)
