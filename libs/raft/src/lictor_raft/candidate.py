"""What a pre-candidate or candidate does.

Raft paper 5.2: it wins, it learns of another leader, or time runs out. Thesis 9.6 for the pre-vote before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lictor_raft import follower, replication
from lictor_raft.messages import NO_MEMBER, Message, MessageKind, Role
from lictor_raft.quorum import VoteResult

if TYPE_CHECKING:
    from lictor_raft.core import Core


def step(core: Core, message: Message) -> None:
    """Take a message of the current term as a candidate."""
    kind = message.kind
    if kind in (MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.SNAPSHOT):
        # A leader of this term exists: follow it and treat its message so.
        core.become_follower(message.term, message.from_)
        follower.step(core, message)
        return
    expected = MessageKind.PRE_VOTE_RESPONSE if core.role is Role.PRE_CANDIDATE else MessageKind.VOTE_RESPONSE
    if kind is not expected:
        return
    result = core.tracker.record_vote(message.from_, granted=not message.reject)
    if result is VoteResult.LOST:
        core.become_follower(core.term, NO_MEMBER)
    elif result is VoteResult.WON:
        if core.role is Role.PRE_CANDIDATE:
            core.campaign_for_term()
        else:
            core.become_leader()
            replication.broadcast_append(core)
