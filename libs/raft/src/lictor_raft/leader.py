"""What a leader does: takes proposals, counts acknowledgements, commits, confirms reads, hands over.

Raft paper 5.3 (replication), 5.4.2 (only entries of the own term are committed by counting), 6 (changes), 8 (reads);
thesis 3.10 (transfer), 4.2.2 (a removed leader), 6.4 (read index). How messages to peers are made is in `replication`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lictor_raft.confchange import LEAVE_JOINT, encode_conf_change, next_conf_state, require_member_ids
from lictor_raft.errors import ConfChangeRefused, ProposalDropped, ReadDropped
from lictor_raft.kinds import APPEND_RESPONSE, HEARTBEAT_RESPONSE, LEADER
from lictor_raft.messages import NO_MEMBER, Entry, EntryKind, Message, MessageKind, ReadState
from lictor_raft.progress import PROBE, REPLICATE, SNAPSHOT
from lictor_raft.replication import broadcast_append, broadcast_heartbeat, send_append

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lictor_raft.confchange import ConfChange, ConfChanges
    from lictor_raft.core import Core
    from lictor_raft.progress import Progress


def tick(core: Core) -> None:
    """One tick: heartbeats, and once per election timeout the question whether a quorum is still there."""
    core.heartbeat_elapsed += 1
    if core.election_elapsed >= core.config.election_ticks:
        core.election_elapsed = 0
        if core.config.check_quorum and not _check_quorum(core):
            return
        # A transfer that did not happen within one election timeout is off.
        core.transferee = NO_MEMBER
        leave_joint_if_due(core)
    if core.heartbeat_elapsed >= core.config.heartbeat_ticks:
        core.heartbeat_elapsed = 0
        broadcast_heartbeat(core)


def _check_quorum(core: Core) -> bool:
    if not core.tracker.quorum_active():
        core.become_follower(core.term, NO_MEMBER)
        return False
    for member, peer in core.tracker.progress.items():
        peer.recent_active = member == core.id
    return True


# --- proposals ------------------------------------------------------------------------------------------------


def propose(core: Core, kind: EntryKind, datas: Sequence[bytes]) -> int:
    """Append proposals and send them; returns the index of the first.

    Raises:
        ProposalDropped: this leader is not a member any more, is handing over, or holds too much that is not applied.
    """
    if core.id not in core.tracker.progress or _is_leaving(core):
        raise ProposalDropped("this member was removed from the configuration")
    if core.transferee != NO_MEMBER:
        raise ProposalDropped("leadership is being transferred", core.transferee)
    first = append_entries(core, kind, datas)
    broadcast_append(core)
    return first


def append_entries(core: Core, kind: EntryKind, datas: Sequence[bytes]) -> int:
    """Append entries of the own term; they are acknowledged to oneself once they are durable.

    Raises:
        ProposalDropped: over the limit on payload that is not applied.
    """
    size = sum(map(len, datas))
    # An empty payload always passes: a new leader and the end of a change must not depend on the backlog. One payload
    # of any size passes an empty backlog.
    if size and core.uncommitted_bytes and core.uncommitted_bytes + size > core.config.uncommitted_bytes_max:
        raise ProposalDropped(f"{core.uncommitted_bytes} bytes are not applied yet, the limit is near", core.id)
    core.uncommitted_bytes += size
    log = core.log
    term, first = core.term, log.last_index() + 1
    log.append([Entry(term, index, kind, data) for index, data in enumerate(datas, first)])
    acknowledgement = Message(APPEND_RESPONSE, core.id, core.id, term, index=first + len(datas) - 1)
    queue = core.messages_after_append
    if queue and queue[-1].to == core.id and queue[-1].kind is APPEND_RESPONSE:
        # Both would be released by the same sync, and the later one says everything.
        queue.pop()
    core.send(acknowledgement)
    return first


def propose_conf_change(core: Core, change: ConfChange | ConfChanges) -> int:
    """Append a configuration change; returns its index.

    etcd-io/raft appends an empty entry in place of a change that it refuses, and the proposer has to find out. Here
    nothing is appended and the proposer is told. The log of the group is the same but for that empty entry, which
    means nothing to anybody: no member ever sees the refused change in either case.

    Raises:
        ConfChangeRefused: an earlier change may not be applied yet, or it does not fit the configuration.
        ProposalDropped: as for any proposal.
    """
    require_member_ids(change)
    if not core.config.disable_conf_change_validation:
        if core.pending_conf_index > core.log.applied:
            raise ConfChangeRefused(f"the change at index {core.pending_conf_index} may not be applied yet", core.id)
        # Everything that could change the configuration is applied here, so what fits now fits when it is applied.
        next_conf_state(core.tracker.conf_state, change)
    kind, data = encode_conf_change(change)
    index = propose(core, kind, [data])
    core.pending_conf_index = index
    return index


def after_apply(core: Core, size: int) -> None:
    """Entries were applied: their `size` of payload no longer counts, and a joint configuration may be left now."""
    if core.uncommitted_bytes:
        # Entries of earlier leaders were never counted here.
        core.uncommitted_bytes = max(0, core.uncommitted_bytes - size)
    if core.tracker.conf_state.auto_leave:
        leave_joint_if_due(core)


def leave_joint_if_due(core: Core) -> None:
    """Propose to leave a joint configuration that is applied and wants to be left, once.

    Any leader does, whoever proposed the joint change. During a transfer the proposal is dropped: then the next leader
    makes it, or this one when the transfer has failed or another entry is applied.
    """
    if core.role is LEADER and core.tracker.conf_state.auto_leave and core.log.applied >= core.pending_conf_index:
        with suppress(ProposalDropped):
            propose_conf_change(core, LEAVE_JOINT)


# --- commitment -----------------------------------------------------------------------------------------------


def maybe_commit(core: Core) -> bool:
    """Commit what a majority holds, if it is of the own term (paper 5.4.2) and durable here too.

    The last condition costs nothing, because entries are applied only when they are durable here, and keeps what a
    leader commits within what it would still hold after a crash.
    """
    log = core.log
    match = core.tracker.quorum_match()
    if match <= log.committed:
        return False
    index = min(match, log.durable_index())
    if index > log.committed and log.term_or_zero(index) == core.term:
        log.committed = index
        return True
    return False


def has_committed_in_term(core: Core) -> bool:
    """Whether the commit index is of the own term, and so at least that of every earlier leader."""
    return core.log.term_or_zero(core.log.committed) == core.term


def _after_commit(core: Core) -> None:
    for context in core.reads.unpark():
        _accept_read(core, context)
    broadcast_append(core)


# --- responses ------------------------------------------------------------------------------------------------


def step(core: Core, message: Message) -> None:
    """Take a message of the current term as its leader."""
    kind = message.kind
    peer = core.tracker.progress.get(message.from_)
    if peer is None:
        if message.from_ == core.id and maybe_commit(core):
            # A removed leader does not count itself, but what the others hold may have waited for its disk.
            _after_commit(core)
            _leave_if_done(core)
        return  # removed, or not applied here yet
    if kind is APPEND_RESPONSE:
        _note_contact(core, peer, message)
        if message.reject:
            _handle_rejection(core, peer, message)
        else:
            _handle_acknowledgement(core, peer, message)
    elif kind is HEARTBEAT_RESPONSE:
        _note_contact(core, peer, message)
        peer.paused = False
        # Sent even into a full window, and to a peer in PROBE that lacks nothing: the answer moves it on.
        if peer.match < core.log.last_index() or peer.state is PROBE:
            send_append(core, message.from_)
    elif kind is MessageKind.TRANSFER_LEADER:
        transfer(core, message.from_)


def _note_contact(core: Core, peer: Progress, message: Message) -> None:
    peer.recent_active = True
    peer.last_contact = core.now
    if message.context > peer.acked_round and message.from_ != core.id:
        peer.acked_round = message.context
        if len(core.reads):
            release_reads(core)


def _handle_rejection(core: Core, peer: Progress, message: Message) -> None:
    next_probe = message.reject_hint
    if message.log_term > 0:
        # The follower has skipped its terms above ours; skip our terms above its hint (paper 5.3, last paragraphs).
        next_probe, _ = core.log.find_conflict_by_term(message.reject_hint, message.log_term)
    if peer.maybe_decrease_to(message.index, next_probe):
        if peer.state is REPLICATE:
            peer.become_probe()
        send_append(core, message.from_)


def _handle_acknowledgement(core: Core, peer: Progress, message: Message) -> None:
    index = message.index
    # An old index still tells a probe that the logs agree there, when it confirms exactly what is known to match.
    if not (peer.maybe_update(index) or (peer.match == index and peer.state is PROBE)):
        return
    if peer.state is PROBE:
        peer.become_replicate()
    elif peer.state is SNAPSHOT:
        if peer.match + 1 >= core.log.first_index():
            # The log can go on from here, with or without the snapshot that was sent.
            peer.become_probe()
            peer.become_replicate()
    else:
        peer.inflights.free_to(index)
    to = message.from_
    if maybe_commit(core):
        _after_commit(core)
    elif to != core.id and peer.can_bump_commit(core.log.committed):
        send_append(core, to)
    if to == core.id:
        return
    last = core.log.last_index()
    while peer.next <= last and send_append(core, to, even_if_empty=False):
        pass  # one acknowledgement may make room for several appends
    if to == core.transferee and peer.match == last:
        _send_timeout_now(core, to)
    _leave_if_done(core)


def answer_may_wait(core: Core, message: Message) -> bool:
    """Whether nobody waits for what this message tells a leader, so that it may be stepped with the next one.

    That is an acknowledgement by which nothing can be committed: of what is committed already, or while the own log is
    not durable so far. It must not hold up a read, a transfer, or entries that the peer lacks.
    """
    if (
        message.kind is not APPEND_RESPONSE
        or message.reject
        or message.term != core.term
        or core.transferee != NO_MEMBER
        or len(core.reads)
        or _is_leaving(core)
    ):
        return False
    peer = core.tracker.progress.get(message.from_)
    log = core.log
    if peer is None or peer.state is not REPLICATE or peer.next <= log.last_index():
        return False
    return message.index <= log.committed or log.durable_index() <= log.committed


def own_write_may_wait(core: Core) -> bool:
    """Whether the end of a leader's own write lets it commit nothing: nobody else is known to hold more."""
    if core.tracker.is_sole_voter(core.id) or _is_leaving(core):
        return False
    committed = core.log.committed
    return all(peer.match <= committed for member, peer in core.tracker.progress.items() if member != core.id)


# --- reads ----------------------------------------------------------------------------------------------------


def read_index(core: Core, context: int) -> None:
    """Take a read request; the answer comes as a read state.

    Raises:
        ReadDropped: too many requests wait.
    """
    if core.reads.full():
        raise ReadDropped("too many reads wait for a quorum", core.id)
    if has_committed_in_term(core):
        _accept_read(core, context)
    else:
        core.reads.park(context)


def _accept_read(core: Core, context: int) -> None:
    committed = core.log.committed
    if core.tracker.is_sole_voter(core.id):
        core.read_states.append(ReadState(committed, context))
        return
    # All requests up to the next `flush_reads` share one round, which begins after each of them.
    core.reads.wait_for(core.rounds.newest + 1, committed, context)
    core.read_round_due = True


def flush_reads(core: Core) -> None:
    """Start the round that accepted reads wait for, if it was not started meanwhile."""
    if core.read_round_due:
        broadcast_heartbeat(core)
        if core.tracker.is_sole_voter(core.id):
            release_reads(core)  # the other voters were removed meanwhile: nobody has to answer


def _quorum_round(core: Core) -> int:
    return core.tracker.quorum_round(core.id)


def release_reads(core: Core) -> None:
    """Confirm every read whose round a quorum has answered."""
    core.read_states += core.reads.confirm(min(_quorum_round(core), core.rounds.newest))


def lease_holds(core: Core, now: float) -> bool:
    """Whether no other leader can exist at `now`."""
    if core.lease_forfeited or not core.config.check_quorum or not core.tracker.voters:
        return False
    return core.rounds.lease_holds(_quorum_round(core), now)


# --- leadership and configuration -----------------------------------------------------------------------------


def transfer(core: Core, to: int) -> None:
    """Hand leadership to a voter: catch it up, then let it campaign at once. A new target replaces an older one."""
    peer = core.tracker.progress.get(to)
    if peer is None or peer.is_learner or to in (core.id, core.transferee):
        return
    core.transferee = to
    # The transfer has one election timeout, counted from here.
    core.election_elapsed = 0
    if peer.match == core.log.last_index():
        _send_timeout_now(core, to)
    else:
        send_append(core, to)


def _send_timeout_now(core: Core, to: int) -> None:
    # From now on a campaign may succeed that overrides the voters' promise, even much later: no lease in this term
    # again.
    core.lease_forfeited = True
    core.send(Message(MessageKind.TIMEOUT_NOW, core.id, to, core.term))


def report_unreachable(core: Core, member: int) -> None:
    """What was sent there last is probably lost: stop running ahead."""
    peer = core.tracker.progress.get(member)
    if peer is not None and peer.state is REPLICATE:
        peer.become_probe()


def report_snapshot(core: Core, member: int, *, ok: bool) -> None:
    """The snapshot was delivered, or was not; either way wait for the peer before sending more."""
    peer = core.tracker.progress.get(member)
    if peer is None or peer.state is not SNAPSHOT:
        return
    if not ok:
        peer.pending_snapshot = 0
    peer.become_probe()
    peer.paused = True


def after_conf_change(core: Core) -> None:
    """A change was applied: commit and probe by the new members, and leave if this leader was removed."""
    if not core.tracker.voters:
        return
    if core.transferee not in core.tracker.all_voters:
        core.transferee = NO_MEMBER
    if len(core.reads):
        release_reads(core)
    if maybe_commit(core):
        _after_commit(core)
    else:
        for member in core.tracker.ids:
            if member != core.id:
                send_append(core, member, even_if_empty=False)
    _leave_if_done(core)


def _is_leaving(core: Core) -> bool:
    return core.config.step_down_on_removal and core.id not in core.tracker.all_voters


def _leave_if_done(core: Core) -> None:
    """Step down as a removed leader, once a majority of those who stay holds the whole log (thesis 4.2.2).

    Not at once: those who have not applied the removal still ask this member for a vote, and it could grant none to a
    shorter log. Two voters, of which the leader is removed, would never elect again.
    """
    if _is_leaving(core) and core.tracker.quorum_match() >= core.log.last_index():
        core.become_follower(core.term, NO_MEMBER)
