"""What a Serf node tells its driver; drained with `events()` together with the events of the SWIM node below."""

from enum import Enum, IntEnum
from typing import NamedTuple

from msgspec import Struct

from lictor_swim.addresses import Endpoint, endpoint_of
from lictor_swim.events import (
    InputRefused,
    JoinFailed,
    JoinSucceeded,
    MemberSuspected,
    MemberTrusted,
    NameConflict,
    PacketsBlocked,
    Refuted,
)
from lictor_swim.serf.wire import Query, UserEvent


class Status(IntEnum):
    """A member's status, with Serf's numbers."""

    NONE = 0
    ALIVE = 1
    LEAVING = 2
    LEFT = 3
    FAILED = 4


class SerfMember(Struct, frozen=True):
    """One member at one moment, as Serf sees it.

    Attributes:
        address: 4 or 16 bytes, exactly as the member announced it.
        status_ltime: Lamport time of the newest intent about it; 0 when none was seen.
        versions: six bytes: memberlist's minimum, maximum and current version, then Serf's.
        incarnation: the member's own count of its announcements, as of its last change.
        changed_at: when it last joined, left or failed; seconds on the driver's clock.
    """

    name: str
    address: bytes
    port: int
    tags: dict[str, str]
    status: Status
    status_ltime: int
    versions: bytes
    incarnation: int
    changed_at: float

    @property
    def endpoint(self) -> Endpoint:
        """Where the member listens."""
        return endpoint_of(self.address, self.port)


class MemberChange(Enum):
    """What happened to a member. REAPED: it is forgotten."""

    JOINED = "joined"
    LEAVING = "leaving"
    LEFT = "left"
    FAILED = "failed"
    UPDATED = "updated"
    REAPED = "reaped"


class MemberEvent(Struct, frozen=True, gc=False):
    """A change of one member; `member` is how it is afterwards."""

    change: MemberChange
    member: SerfMember


class UserEventReceived(Struct, frozen=True, gc=False):
    """A user event reached this node for the first time."""

    event: UserEvent


class QueryReceived(Struct, frozen=True, gc=False):
    """A query that this node may answer before `deadline` (seconds on the driver's clock)."""

    query: Query
    deadline: float


class QueryId(NamedTuple):
    """Names a query that this node asked: its Lamport time and its number."""

    ltime: int
    id: int


class QueryAck(Struct, frozen=True, gc=False):
    """A member has received a query of this node that wants acks."""

    query: QueryId
    member: str


class QueryAnswer(Struct, frozen=True, gc=False):
    """A member's answer to a query of this node; at most one of each member."""

    query: QueryId
    member: str
    payload: bytes


class QueryDone(Struct, frozen=True, gc=False):
    """A query's time is over; so many acks and answers came in."""

    query: QueryId
    acks: int
    answers: int


class KeyOperation(Enum):
    """What a key rotation query asks of every member; the value is the query's name without its prefix."""

    INSTALL = "install-key"
    USE = "use-key"
    REMOVE = "remove-key"
    LIST = "list-keys"


class KeysDone(Struct, frozen=True):
    """What became of a key rotation query: the outcome member by member, as `serf keys` shows it.

    Attributes:
        query: what `SerfNode.keys` returned when it was asked.
        operation: what was asked.
        members: how many members were alive when it was asked, this one included.
        answered: how many answered before the time was over.
        failed: how many of them refused.
        messages: what members said, by name: the reasons of those that refused, and remarks of others.
        keys: how many members hold each key (base64); filled by LIST only.
        primary_keys: how many members encrypt with each key (base64); filled by LIST only, and by peers that say so.
    """

    query: QueryId
    operation: KeyOperation
    members: int
    answered: int
    failed: int
    messages: dict[str, str]
    keys: dict[str, int]
    primary_keys: dict[str, int]

    @property
    def error(self) -> str:
        """Why it did not succeed everywhere, in Serf's words; empty when it did."""
        if self.failed:
            return f"{self.failed}/{self.members} nodes reported failure"
        if self.answered != self.members:
            return f"{self.answered}/{self.members} nodes reported success"
        return ""


class KeyringChanged(Struct, frozen=True, gc=False):
    """This node's keys are others now, the first one encrypts: a driver that keeps them in a file writes it anew."""

    keys: tuple[bytes, ...]


class NameLost(Struct, frozen=True, gc=False):
    """Another node has this node's name, and too few members know it at our address: this node should stop."""

    claimed: Endpoint
    votes: int
    for_us: int


class LeaveStarted(Struct, frozen=True, gc=False):
    """This node begins to leave: a snapshot notes it at once."""


class LeaveCompleted(Struct, frozen=True, gc=False):
    """This node has left and may stop."""


SerfEvent = (
    MemberEvent
    | UserEventReceived
    | QueryReceived
    | QueryAck
    | QueryAnswer
    | QueryDone
    | KeysDone
    | KeyringChanged
    | NameLost
    | LeaveStarted
    | LeaveCompleted
    | JoinSucceeded
    | JoinFailed
    | InputRefused
    | NameConflict
    | PacketsBlocked
    | Refuted
    | MemberSuspected
    | MemberTrusted
)
