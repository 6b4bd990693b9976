"""What a Serf node tells its driver; drained with `events()` together with the events of the SWIM node below."""

from enum import Enum, IntEnum

from msgspec import Struct

from lictor_swim.addresses import Endpoint, endpoint_of
from lictor_swim.events import (
    InputRefused,
    JoinFailed,
    JoinSucceeded,
    MemberSuspected,
    MemberTrusted,
    NameConflict,
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


class LeaveCompleted(Struct, frozen=True, gc=False):
    """This node has left and may stop."""


SerfEvent = (
    MemberEvent
    | UserEventReceived
    | QueryReceived
    | LeaveCompleted
    | JoinSucceeded
    | JoinFailed
    | InputRefused
    | NameConflict
    | Refuted
    | MemberSuspected
    | MemberTrusted
)
