"""What a follower does, and what everyone does with a leader's messages.

Raft paper 5.3 (append entries, with the term-skipping hint at its end), 7 (install snapshot); thesis 3.10 (timeout
now). Votes were answered before, in `core`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lictor_raft.config import ReadMode
from lictor_raft.kinds import APPEND, APPEND_RESPONSE, HEARTBEAT, HEARTBEAT_RESPONSE, SNAPSHOT
from lictor_raft.messages import NO_MEMBER, Message, MessageKind, Role

if TYPE_CHECKING:
    from lictor_raft.core import Core

NEVER = float("-inf")


def step(core: Core, message: Message) -> None:
    """Take a message of the current term as a follower."""
    kind = message.kind
    if kind is APPEND:
        handle_append(core, message)
    elif kind is HEARTBEAT:
        handle_heartbeat(core, message)
    elif kind is SNAPSHOT:
        handle_snapshot(core, message)
    elif kind is MessageKind.TIMEOUT_NOW:
        core.campaign(transfer=True)
    elif kind is MessageKind.TRANSFER_LEADER:
        forward_transfer(core, message.from_)


def forward_transfer(core: Core, transferee: int) -> None:
    """Pass the wish that `transferee` should lead to the leader; without one it is lost."""
    if core.leader != NO_MEMBER:
        core.send(Message(MessageKind.TRANSFER_LEADER, transferee, core.leader, core.term))


def forget_leader(core: Core) -> bool:
    """Forget the leader and the promise not to vote against it; the timers go on. Returns whether there was one."""
    if core.role is not Role.FOLLOWER or core.leader == NO_MEMBER or core.config.read_mode is ReadMode.LEASE:
        return False
    core.leader = NO_MEMBER
    core.heard_until = NEVER
    return True


def _heard_leader(core: Core, leader_id: int) -> None:
    core.leader = leader_id
    core.election_elapsed = 0
    core.leader_contact = core.now
    core.heard_until = core.now + core.config.election_timeout_s


def handle_append(core: Core, message: Message) -> None:
    """Take entries from the leader of this term, or say where the logs may agree."""
    _heard_leader(core, message.from_)
    log = core.log
    if message.index < log.committed:
        # An old append: what is committed is never checked again, and never cut.
        _acknowledge(core, message, log.committed)
        return
    last_new = log.maybe_append(message.index, message.log_term, message.entries, message.commit)
    if last_new is not None:
        _acknowledge(core, message, last_new)
        return
    # Skip our entries of terms above the leader's: they cannot match anything before its index.
    hint_index, hint_term = log.find_conflict_by_term(min(message.index, log.last_index()), message.log_term)
    core.send(
        Message(
            APPEND_RESPONSE,
            core.id,
            message.from_,
            core.term,
            index=message.index,
            log_term=hint_term,
            reject=True,
            reject_hint=hint_index,
            context=message.context,
        )
    )


def handle_heartbeat(core: Core, message: Message) -> None:
    """Follow the leader's commit index and echo its round."""
    _heard_leader(core, message.from_)
    core.log.commit_to(message.commit)
    core.send(
        Message(HEARTBEAT_RESPONSE, core.id, message.from_, core.term, context=message.context),
    )


def handle_snapshot(core: Core, message: Message) -> None:
    """Install the snapshot, or say how far the log is committed without it."""
    _heard_leader(core, message.from_)
    installed = message.snapshot is not None and core.restore(message.snapshot)
    _acknowledge(core, message, core.log.last_index() if installed else core.log.committed)


def _acknowledge(core: Core, message: Message, index: int) -> None:
    core.send(Message(APPEND_RESPONSE, core.id, message.from_, core.term, index=index, context=message.context))
