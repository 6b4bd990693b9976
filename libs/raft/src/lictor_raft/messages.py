"""The values that members exchange, persist and hand to their driver.

What travels follows the Raft paper (figures 2 and 13) with the extensions of the thesis: pre-vote (9.6), leadership
transfer (3.10), read index (6.4). One struct serves every message kind, so that a codec has one type to encode. The
structs are `array_like`: a message is a short array on the wire, and fields may only be added at the end, with a
default.

This module holds no rules: who may send what, and when, is decided in `core` and the role modules.
"""

from enum import IntEnum

import msgspec

NO_MEMBER = 0
"""Stands for "nobody" where a member id is expected: no vote given, no leader known."""

MEMBER_ID_MAX = 2**63 - 1
"""Ids fit a signed 64-bit integer, so that every codec and database in the house can hold one."""

LOCAL_APPEND = 2**64 - 1
"""Stands for this member's own log writer, as sender or receiver: above every member id (see `storage_writes`)."""

LOCAL_APPLY = 2**64 - 2
"""Stands for this member's own state machine."""

CAMPAIGN_TRANSFER = 1
"""The `context` of a vote request that a leader itself asked for (thesis 3.10): it overrides the voters' lease rule."""


class Role(IntEnum):
    """What a member currently is; a learner is a follower that is not among the voters."""

    FOLLOWER = 0
    PRE_CANDIDATE = 1
    CANDIDATE = 2
    LEADER = 3


class EntryKind(IntEnum):
    """What the `data` of a log entry means."""

    NORMAL = 0
    """A command of the state machine; empty data is the first entry of a new leader."""
    CONF_CHANGE = 1
    """An encoded `ConfChange`: one member."""
    CONF_CHANGES = 2
    """An encoded `ConfChanges`: several members; empty data leaves the joint configuration."""


class MessageKind(IntEnum):
    """The kinds of messages between members, named as in the paper."""

    APPEND = 1
    """Entries after (`index`, `log_term`), the leader's `commit`; `context` is the leader's round."""
    APPEND_RESPONSE = 2
    """`index` is the last matching index, or with `reject` the refused one; `reject_hint` and `log_term` say where to
    go on."""
    HEARTBEAT = 3
    """`commit` capped at what the receiver is known to hold; `context` is the leader's round."""
    HEARTBEAT_RESPONSE = 4
    """Echoes `context`."""
    VOTE = 5
    """The candidate's last (`index`, `log_term`); `context` may be `CAMPAIGN_TRANSFER`."""
    VOTE_RESPONSE = 6
    """With `reject`, what the voter has committed (`commit`, `log_term`); earlier builds leave it at 0, unread."""
    PRE_VOTE = 7
    """As a vote, at the term that the sender would campaign for."""
    PRE_VOTE_RESPONSE = 8
    """Granted: at the requested term. Rejected: at the voter's own term, with what a refused vote says."""
    SNAPSHOT = 9
    """Delivered to the core when the data behind `snapshot.reference` is complete at the receiver."""
    TIMEOUT_NOW = 10
    """The receiver campaigns at once."""
    TRANSFER_LEADER = 11
    """A follower passes on the wish that `from_` should lead."""
    STORAGE_APPEND = 12
    """To `LOCAL_APPEND`: persist `snapshot`, `entries` and `hard_state`, then deliver `responses`."""
    STORAGE_APPEND_RESPONSE = 13
    """From `LOCAL_APPEND`: the log is durable up to (`index`, `log_term`), as of `term`; `snapshot` is installed."""
    STORAGE_APPLY = 14
    """To `LOCAL_APPLY`: apply `entries`, then deliver `responses`."""
    STORAGE_APPLY_RESPONSE = 15
    """From `LOCAL_APPLY`: `entries` are applied."""


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One position of the replicated log."""

    term: int
    index: int
    kind: EntryKind = EntryKind.NORMAL
    data: bytes = b""


class HardState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What must be durable before any response that depends on it leaves the member."""

    term: int = 0
    vote: int = NO_MEMBER
    commit: int = 0


class SoftState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is worth knowing but never persisted."""

    leader: int = NO_MEMBER
    role: Role = Role.FOLLOWER


class ConfState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Who is a member (paper 6); the tuples are sorted.

    A joint configuration has two halves: `voters` is the half that comes, `voters_outgoing` the one that goes, and
    every decision needs a majority of each. Learners vote in neither.
    """

    voters: tuple[int, ...] = ()
    learners: tuple[int, ...] = ()
    voters_outgoing: tuple[int, ...] = ()
    """Empty unless the configuration is joint."""
    learners_next: tuple[int, ...] = ()
    """Voters of the outgoing half that become learners when it is left; as long as they vote they are no learners."""
    auto_leave: bool = False
    """Whether the leader leaves the joint configuration by itself, as soon as it is applied."""


class SnapshotMeta(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The last entry that a snapshot covers, and the configuration as of that entry."""

    index: int = 0
    term: int = 0
    conf_state: ConfState = ConfState()


class Snapshot(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A snapshot as the core sees it: where it stands, and an opaque name for data that only the driver reads."""

    meta: SnapshotMeta = SnapshotMeta()
    reference: bytes = b""


class Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One message between two members; which fields count depends on `kind`."""

    kind: MessageKind
    from_: int
    to: int
    term: int
    index: int = 0
    log_term: int = 0
    entries: tuple[Entry, ...] = ()
    commit: int = 0
    reject: bool = False
    reject_hint: int = 0
    context: int = 0
    snapshot: Snapshot | None = None
    hard_state: HardState | None = None
    responses: tuple["Message", ...] = ()
    """Only in messages to the own storage, which never travel."""


class ReadState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A confirmed read: once `index` is applied, the caller's request `context` may be answered."""

    index: int
    context: int
