"""What must hold in one member at every moment, as far as it can see alone.

The properties are those of the TLA+ specifications of Raft (Ongaro's thesis, appendix B) that one member can judge:
order of the indexes, monotone term, vote and commit, match before next, a leader's commit index within its durable log.
Properties of a group, such as one leader a term, need a view of all members and belong to the simulation.

Cheap enough to call after every step of a simulation; a service does not call it.
"""

import msgspec

from lictor_raft.errors import InvariantViolated
from lictor_raft.messages import NO_MEMBER, Role
from lictor_raft.node import RawNode
from lictor_raft.progress import ProgressState


class Observation(msgspec.Struct, frozen=True, gc=False):
    """What must not go back between two checks of one member; keep it across restarts only as far as it was durable."""

    term: int
    vote: int
    commit: int
    applied: int


def check_invariants(node: RawNode, earlier: Observation | None = None) -> Observation:
    """Check one member; `earlier` is what the last check of the same run returned.

    Raises:
        InvariantViolated: the message names the property and the values.
    """
    core, log = node.core, node.core.log
    first, last, durable = log.first_index(), log.last_index(), log.durable_index()
    leads = core.role is Role.LEADER

    _require(log.applied <= log.committed, f"applied {log.applied} <= commit {log.committed}")
    _require(log.committed <= last, f"commit {log.committed} <= last {last}")
    _require(first - 1 <= log.committed, f"first - 1 {first - 1} <= commit {log.committed}")
    _require(log.last_term() <= core.term, f"last term {log.last_term()} <= term {core.term}")
    _require(not set(core.tracker.conf_state.voters) & set(core.tracker.conf_state.learners), "voters are no learners")
    _require((core.leader == core.id) == leads, f"leader {core.leader} is itself only as leader")
    if core.role in (Role.CANDIDATE, Role.LEADER):
        _require(core.vote == core.id, f"a candidate or leader votes for itself, not {core.vote}")
    for offset, entry in enumerate(log.unstable.entries):
        _require(entry.index == log.unstable.offset + offset, f"entry {entry.index} stands at its index")
    if leads:
        _require(log.committed <= durable, f"leader commit {log.committed} <= durable {durable}")
        _check_peers(node, last)
    if earlier is not None:
        _require(earlier.term <= core.term, f"term {earlier.term} <= {core.term}")
        if earlier.term == core.term and earlier.vote != NO_MEMBER:
            _require(earlier.vote == core.vote, f"vote {earlier.vote} stays in term {core.term}, is {core.vote}")
        _require(earlier.commit <= log.committed, f"commit {earlier.commit} <= {log.committed}")
        _require(earlier.applied <= log.applied, f"applied {earlier.applied} <= {log.applied}")
    return Observation(core.term, core.vote, log.committed, log.applied)


def _check_peers(node: RawNode, last: int) -> None:
    core = node.core
    own = core.tracker.progress.get(core.id)
    if own is not None:
        _require(own.match <= core.log.durable_index(), f"own match {own.match} is durable")
    for member, peer in core.tracker.progress.items():
        _require(peer.match < peer.next, f"match {peer.match} < next {peer.next} of {member}")
        _require(peer.match <= last, f"match {peer.match} of {member} <= last {last}")
        if member != core.id:
            _require(peer.next <= last + 1, f"next {peer.next} of {member} <= last + 1 {last + 1}")
        if peer.state is not ProgressState.REPLICATE:
            _require(len(peer.inflights) == 0, f"no appends in flight to {member} in {peer.state}")
        if peer.state is ProgressState.SNAPSHOT:
            _require(peer.pending_snapshot > 0, f"{member} waits for a snapshot")


def _require(holds: bool, claim: str) -> None:
    if not holds:
        raise InvariantViolated(claim)
