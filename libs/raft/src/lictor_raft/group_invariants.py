"""What must hold between the members of a group at every moment, for whoever sees all of them: simulations and tests.

The names are those of the TLA+ specifications (Ongaro's thesis, appendix B; etcd-io/raft), the properties those of the
Raft paper's figure 3. Compared is what the logs still hold: below its first index a member vouches by its snapshot. A
member that is not given, because it is down or unknown, may hold anything.

The cost grows with the square of the members and with the length of the logs: for every so many steps, not for a
service. What happened before and is gone now, such as a leader that stepped down, is the business of a simulation.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations, permutations

from lictor_raft.errors import InvariantViolated, LogUnavailable
from lictor_raft.log import RaftLog
from lictor_raft.messages import Entry, Role
from lictor_raft.node import RawNode
from lictor_raft.quorum import VoteResult, joint_vote_result

_EVERYTHING = 2**63


def check_group(nodes: Iterable[RawNode]) -> None:
    """Check the members that run.

    Raises:
        InvariantViolated: the message begins with the name of the property.
    """
    views = [_View(node) for node in nodes]
    _election_safety(views)
    for one, other in combinations(views, 2):
        _log_matching(one, other)
        _log_inv(one, other)
    for view in views:
        _commit_is_durable(view)
        _quorum_log(view, views)
    for one, other in permutations(views, 2):
        _leader_completeness(one, other)
        _more_up_to_date(one, other)


class _View:
    """What is compared of one member."""

    def __init__(self, node: RawNode) -> None:
        core = node.core
        self.node, self.id, self.term, self.committed = node, core.id, core.term, core.log.committed
        self.leads = core.role is Role.LEADER
        # Before `first` the log is a snapshot; `entries` are all that follow.
        self.first = core.log.first_index()
        self.entries = _all_entries(core.log, self.first)
        self.last = self.first - 1 + len(self.entries)
        self.last_term = core.log.last_term()

    def at(self, index: int) -> Entry:
        return self.entries[index - self.first]

    def holds(self, other: "_View", up_to: int) -> bool:
        """Whether this log holds `other`'s up to an index, as far as both still show it."""
        if up_to > self.last:
            return False
        low = max(self.first, other.first)
        if low > up_to:
            return True
        own = self.entries[low - self.first : up_to + 1 - self.first]
        return own == other.entries[low - other.first : up_to + 1 - other.first]


def _all_entries(log: RaftLog, first: int) -> Sequence[Entry]:
    entries: list[Entry] = []
    try:
        while first + len(entries) <= log.last_index():
            entries += log.committed_between(first + len(entries), log.last_index() + 1, _EVERYTHING)
    except LogUnavailable as error:
        raise InvariantViolated(f"the log from {first} on cannot be read: {error}") from error
    return entries


def _election_safety(views: Sequence[_View]) -> None:
    leaders: dict[int, int] = {}
    for view in views:
        if view.leads and leaders.setdefault(view.term, view.id) != view.id:
            raise InvariantViolated(f"ElectionSafety: {leaders[view.term]} and {view.id} lead term {view.term}")


def _commit_is_durable(view: _View) -> None:
    log = view.node.core.log
    durable = log.durable_index()
    # What a leader learnt from an earlier one it may have learnt before its own disk was done.
    if view.leads and view.committed > durable and log.term_or_zero(view.committed) == view.term:
        raise InvariantViolated(f"CommittedIsDurable: leader {view.id} committed {view.committed}, durable {durable}")


def _quorum_log(view: _View, views: Sequence[_View]) -> None:
    """No quorum may lack what a member knows to be committed: it could elect a leader that lacks it.

    By the configuration as of the commit index; a member that has not applied a change up to there does not know it.
    """
    core = view.node.core
    if core.log.unstable.snapshot is not None or core.has_unapplied_conf_change():
        return
    lacks = {other.id: not other.holds(view, view.committed) for other in views}
    missing = {voter: lacks.get(voter, False) for voter in core.tracker.all_voters}
    halves = core.tracker.voters, core.tracker.outgoing
    if core.tracker.voters and joint_vote_result(*halves, missing) is VoteResult.WON:
        names = sorted(voter for voter in missing if missing[voter])
        raise InvariantViolated(f"QuorumLog: {names} lack what {view.id} committed up to {view.committed}")


def _log_matching(one: _View, other: _View) -> None:
    low = max(one.first, other.first)
    for index in range(min(one.last, other.last), low - 1, -1):
        if one.at(index).term == other.at(index).term:
            if not one.holds(other, index):
                raise InvariantViolated(f"LogMatching: {one.id} and {other.id} agree at {index} and differ before it")
            return


def _log_inv(one: _View, other: _View) -> None:
    committed = min(one.committed, other.committed)
    if not one.holds(other, committed):
        raise InvariantViolated(f"LogInv: {one.id} and {other.id} committed different entries up to {committed}")


def _leader_completeness(leader: _View, other: _View) -> None:
    if leader.leads and leader.term >= other.term and not leader.holds(other, other.committed):
        raise InvariantViolated(
            f"LeaderCompleteness: leader {leader.id} of term {leader.term} lacks what {other.id} committed"
        )


def _more_up_to_date(one: _View, other: _View) -> None:
    if (one.last_term, one.last) >= (other.last_term, other.last) and not one.holds(other, other.committed):
        raise InvariantViolated(f"MoreUpToDateCorrect: {one.id} would get {other.id}'s vote and lacks its commits")
