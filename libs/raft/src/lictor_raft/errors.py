# ruff: noqa: N818 - the names say what happened, as LookupError does not; most are outcomes and not failures
"""What can go wrong, by remedy.

RaftError
├── ConfigError              a setting breaks a rule: mend it and start again
├── ProposalDropped          nothing was appended: go to `leader`, or try again later
│   └── ConfChangeRefused    the change is invalid here, or another one is still in flight
├── ReadDropped              the read was not accepted: go to `leader`, or try again later
├── LogUnavailable           the log does not hold that index
│   └── LogCompacted         ... because it lies below the first index
├── SnapshotUnavailable      no snapshot at hand right now: the core asks again later
├── LogDamaged               durable state is lost or contradicts the cluster: stop this member
├── ReadyMisuse              the driver broke the order ready -> advance
└── InvariantViolated        the core itself is wrong: stop this member and keep its disk
"""

from lictor_raft.messages import NO_MEMBER


class RaftError(Exception):
    """The root of everything that this library raises on purpose."""


class ConfigError(RaftError, ValueError):
    """A setting breaks a rule; the message names the field and the rule."""


class ProposalDropped(RaftError):
    """The proposal was not appended and will never be committed.

    Attributes:
        leader: the member to ask instead, or `NO_MEMBER` where none is known or asking elsewhere would not help.
    """

    def __init__(self, reason: str, leader: int = NO_MEMBER) -> None:
        super().__init__(reason)
        self.reason = reason
        self.leader = leader


class ConfChangeRefused(ProposalDropped):
    """The configuration change is not possible now, or never."""


class ReadDropped(RaftError):
    """The read request was not accepted.

    Attributes:
        leader: the member to ask instead, or `NO_MEMBER`.
    """

    def __init__(self, reason: str, leader: int = NO_MEMBER) -> None:
        super().__init__(reason)
        self.reason = reason
        self.leader = leader


class LogUnavailable(RaftError, LookupError):
    """The log does not hold the index that was asked for."""


class LogCompacted(LogUnavailable):
    """The index lies below the first one that the log still holds."""


class SnapshotUnavailable(RaftError):
    """The storage has no snapshot at hand right now."""


class LogDamaged(RaftError):
    """Durable state was lost or contradicts what the cluster knows to be committed."""


class ReadyMisuse(RaftError):
    """`ready` and `advance` were not called in turn."""


class InvariantViolated(RaftError):
    """A property that the protocol guarantees does not hold."""
