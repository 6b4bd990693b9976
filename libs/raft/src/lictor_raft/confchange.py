"""Configuration changes of one member at a time.

Raft paper 6 and thesis 4.1: two configurations that differ by one voter share a member in every pair of majorities, so
no joint phase is needed. A change takes effect when it is applied, and at most one may be in the log unapplied.

This module computes the next configuration; when a change may be proposed is decided by the leader.
"""

from enum import IntEnum

import msgspec

from lictor_raft.errors import ConfChangeRefused, LogDamaged
from lictor_raft.messages import MEMBER_ID_MAX, ConfState


class ConfChangeKind(IntEnum):
    """What happens to one member."""

    ADD_VOTER = 0
    """Adds a voter; a learner becomes one."""
    ADD_LEARNER = 1
    """Adds a learner; a voter becomes one."""
    PROMOTE = 2
    """Makes a voter of an existing learner; refused for anyone else."""
    REMOVE = 3
    """Removes a voter or learner."""


class ConfChange(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The data of an entry of kind `CONF_CHANGE`; `context` is the proposer's own and means nothing here."""

    kind: ConfChangeKind
    member: int
    context: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ConfChange)


def encode_conf_change(change: ConfChange) -> bytes:
    """The entry data of a change."""
    return _encoder.encode(change)


def decode_conf_change(data: bytes) -> ConfChange:
    """The change in an entry's data.

    Raises:
        LogDamaged: the data is not a change; every member proposes only what `encode_conf_change` made.
    """
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise LogDamaged(f"a committed configuration change cannot be decoded: {error}") from error


def next_conf_state(conf: ConfState, change: ConfChange) -> ConfState:
    """The configuration after `change`; repeating a change that has happened already changes nothing.

    Raises:
        ConfChangeRefused: the id is out of range, a member to promote is no learner, or no voter would remain.
    """
    member = change.member
    if not 1 <= member <= MEMBER_ID_MAX:
        raise ConfChangeRefused("member must lie within 1 and 2**63 - 1")
    voters, learners = set(conf.voters), set(conf.learners)
    if change.kind is ConfChangeKind.PROMOTE and member not in voters | learners:
        raise ConfChangeRefused(f"member {member} is no learner and cannot be promoted")
    voters.discard(member)
    learners.discard(member)
    if change.kind in (ConfChangeKind.ADD_VOTER, ConfChangeKind.PROMOTE):
        voters.add(member)
    elif change.kind is ConfChangeKind.ADD_LEARNER:
        learners.add(member)
    if conf.voters and not voters:
        raise ConfChangeRefused("the last voter cannot be removed")
    return ConfState(tuple(sorted(voters)), tuple(sorted(learners)))
