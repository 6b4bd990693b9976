"""Configuration changes: what they are, how they are encoded, and the configuration that follows.

Raft paper 6 and thesis 4.1, 4.3. A change of one member (`ConfChange`) needs no joint phase: two configurations that
differ by one voter share a member in every pair of majorities. A change of several (`ConfChanges`) that moves more than
one voter goes through a joint configuration, in which every decision needs a majority of the old half and of the new:

    (1 2 3)  ──enter──▶  (3 4 5) + (1 2 3)  ──leave──▶  (3 4 5)

A change takes effect when it is applied, at every member at the same index, and at most one may be in the log
unapplied. A voter that is to become a learner stays a voter of the outgoing half until that is left; until then it
stands in `learners_next`.

This module computes; when a change may be proposed, and who leaves a joint configuration, is decided by the leader.
"""

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from lictor_raft.errors import ConfChangeRefused, LogDamaged
from lictor_raft.messages import MEMBER_ID_MAX, NO_MEMBER, ConfState, Entry, EntryKind


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


class Transition(IntEnum):
    """How several changes take effect."""

    AUTO = 0
    """At once where at most one voter moves, else as `IMPLICIT`."""
    IMPLICIT = 1
    """Through a joint configuration that the leader leaves by itself."""
    EXPLICIT = 2
    """Through a joint configuration that stays until an empty change is proposed."""


class ConfChange(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The data of an entry of kind `CONF_CHANGE`; `context` is the proposer's own and means nothing here.

    A driver may apply a change of `NO_MEMBER` in place of one that it refuses itself: it changes nothing.
    """

    kind: ConfChangeKind
    member: int
    context: bytes = b""


class ConfChanges(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The data of an entry of kind `CONF_CHANGES`; without `changes` it leaves the joint configuration."""

    changes: tuple[ConfChange, ...] = ()
    transition: Transition = Transition.AUTO
    context: bytes = b""


LEAVE_JOINT = ConfChanges()

_encoder = msgspec.msgpack.Encoder()
_decode_one = msgspec.msgpack.Decoder(ConfChange).decode
_decode_several = msgspec.msgpack.Decoder(ConfChanges).decode


def encode_conf_change(change: ConfChange | ConfChanges) -> tuple[EntryKind, bytes]:
    """The entry kind and data of a change; a plain leave is empty, so that no limit on payload can hold it up."""
    if isinstance(change, ConfChange):
        return EntryKind.CONF_CHANGE, _encoder.encode(change)
    return EntryKind.CONF_CHANGES, b"" if change == LEAVE_JOINT else _encoder.encode(change)


def decode_conf_change(entry: Entry) -> ConfChange | ConfChanges:
    """The change in an entry of a kind other than `NORMAL`.

    Raises:
        LogDamaged: the data is not a change; every member proposes only what `encode_conf_change` made.
    """
    try:
        if entry.kind is EntryKind.CONF_CHANGE:
            return _decode_one(entry.data)
        return _decode_several(entry.data) if entry.data else LEAVE_JOINT
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LogDamaged(f"the configuration change at {entry.index} cannot be decoded: {error}") from error


def is_leave(change: ConfChange | ConfChanges) -> bool:
    """Whether `change` leaves the joint configuration."""
    return isinstance(change, ConfChanges) and not change.changes


def require_member_ids(change: ConfChange | ConfChanges) -> None:
    """A proposal must name members.

    Raises:
        ConfChangeRefused: an id is out of range.
    """
    for one in _changes_of(change):
        if not 1 <= one.member <= MEMBER_ID_MAX:
            raise ConfChangeRefused("member must lie within 1 and 2**63 - 1")


def next_conf_state(conf: ConfState, change: ConfChange | ConfChanges) -> ConfState:
    """The configuration after `change`; repeating a change that has happened already changes nothing.

    Raises:
        ConfChangeRefused: it does not fit `conf`; the message says why.
    """
    if is_leave(change):
        return leave_joint(conf)
    changes = _changes_of(change)
    if isinstance(change, ConfChanges) and change.transition is not Transition.AUTO:
        return enter_joint(conf, changes, auto_leave=change.transition is Transition.IMPLICIT)
    if len(changes) > 1 and voters_moved(conf, _changed(conf, changes)) > 1:
        return enter_joint(conf, changes, auto_leave=True)
    return simple(conf, changes)


def _changes_of(change: ConfChange | ConfChanges) -> tuple[ConfChange, ...]:
    return (change,) if isinstance(change, ConfChange) else change.changes


def simple(conf: ConfState, changes: Sequence[ConfChange]) -> ConfState:
    """Change at once.

    Raises:
        ConfChangeRefused: `conf` is joint, or more than one voter would move: old and new majorities need not meet.
    """
    if conf.voters_outgoing:
        raise ConfChangeRefused("the configuration is joint: leave it before another change")
    after = _changed(conf, changes)
    if voters_moved(conf, after) > 1:
        raise ConfChangeRefused("more than one voter would move without a joint configuration")
    return after


def enter_joint(conf: ConfState, changes: Sequence[ConfChange], *, auto_leave: bool) -> ConfState:
    """The joint configuration of `conf` and what the changes make of it.

    Raises:
        ConfChangeRefused: `conf` is joint already, or has no voters.
    """
    if conf.voters_outgoing:
        raise ConfChangeRefused("the configuration is joint already")
    if not conf.voters:
        raise ConfChangeRefused("a configuration without voters cannot become joint")
    joint = ConfState(conf.voters, conf.learners, conf.voters, (), auto_leave)
    return _changed(joint, changes)


def leave_joint(conf: ConfState) -> ConfState:
    """The incoming half alone.

    Raises:
        ConfChangeRefused: `conf` is not joint.
    """
    if not conf.voters_outgoing:
        raise ConfChangeRefused("the configuration is not joint: there is nothing to leave")
    return ConfState(conf.voters, tuple(sorted({*conf.learners, *conf.learners_next})))


def voters_moved(before: ConfState, after: ConfState) -> int:
    """How many members of the incoming half begin or cease to vote."""
    return len(set(before.voters) ^ set(after.voters))


def _changed(conf: ConfState, changes: Sequence[ConfChange]) -> ConfState:
    """Apply the changes one by one to the incoming half; the outgoing half never changes."""
    voters, learners, learners_next = set(conf.voters), set(conf.learners), set(conf.learners_next)
    for change in changes:
        member = change.member
        if member == NO_MEMBER:
            continue
        if change.kind is ConfChangeKind.PROMOTE and member not in voters | learners | learners_next:
            raise ConfChangeRefused(f"member {member} is no learner and cannot be promoted")
        voters.discard(member)
        learners.discard(member)
        learners_next.discard(member)
        if change.kind in (ConfChangeKind.ADD_VOTER, ConfChangeKind.PROMOTE):
            voters.add(member)
        elif change.kind is ConfChangeKind.ADD_LEARNER:
            (learners_next if member in conf.voters_outgoing else learners).add(member)
    if not voters:
        raise ConfChangeRefused("no voter would remain: the last voter cannot be removed")
    return ConfState(
        tuple(sorted(voters)),
        tuple(sorted(learners)),
        conf.voters_outgoing,
        tuple(sorted(learners_next)),
        conf.auto_leave,
    )
