"""What a node tells the layer above: facts, never log lines. All are drained with `events()`."""

from enum import IntEnum

from msgspec import Struct

from lictor_swim.addresses import Endpoint, endpoint_of


class MemberState(IntEnum):
    """A record's state, with memberlist's numbers. LEFT is a voluntary departure, DEAD is a detected one."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


class Member(Struct, frozen=True, gc=False):
    """One member at one moment.

    Attributes:
        address: 4 or 16 bytes, exactly as the member announced it.
        meta: opaque metadata; with Serf, the encoded tags.
        versions: six bytes: memberlist's minimum, maximum and current version, then Serf's.
    """

    name: str
    address: bytes
    port: int
    meta: bytes
    versions: bytes
    incarnation: int
    state: MemberState

    @property
    def endpoint(self) -> Endpoint:
        """Where the member listens."""
        return endpoint_of(self.address, self.port)


class MemberJoined(Struct, frozen=True, gc=False):
    """A member that was not alive before is alive."""

    member: Member


class MemberUpdated(Struct, frozen=True, gc=False):
    """A living member's metadata changed."""

    member: Member


class MemberSuspected(Struct, frozen=True, gc=False):
    """`accuser` could not reach the member; it has a while to refute."""

    member: Member
    accuser: str


class MemberTrusted(Struct, frozen=True, gc=False):
    """A suspected member has refuted."""

    member: Member


class MemberFailed(Struct, frozen=True, gc=False):
    """The member is dead: it did not refute in time. `accuser` says so."""

    member: Member
    accuser: str


class MemberLeft(Struct, frozen=True, gc=False):
    """The member left of its own will."""

    member: Member


class PacketsBlocked(Struct, frozen=True, gc=False):
    """The member answered a probe on a stream, but neither directly nor through others by packet.

    Packets do not get through, in one direction at least: a firewall, a full link. The member counts as alive.
    """

    member: Member


class NameConflict(Struct, frozen=True, gc=False):
    """Someone claims a living member's name from another address; the claim was dropped."""

    member: Member
    claimed: Endpoint


class Refuted(Struct, frozen=True, gc=False):
    """This node contradicted a claim that it is suspect, dead or different; now at `incarnation`."""

    incarnation: int


class JoinSucceeded(Struct, frozen=True, gc=False):
    """The exchange of state with a seed worked."""

    seed: Endpoint
    stream_id: int


class JoinFailed(Struct, frozen=True, gc=False):
    """The exchange of state with a seed did not work; `reason` says why."""

    seed: Endpoint
    stream_id: int
    reason: str


class InputRefused(Struct, frozen=True, gc=False):
    """A peer sent something that this node does not accept; it had no effect."""

    source: str
    reason: str


Event = (
    MemberJoined
    | MemberUpdated
    | MemberSuspected
    | MemberTrusted
    | MemberFailed
    | MemberLeft
    | PacketsBlocked
    | NameConflict
    | Refuted
    | JoinSucceeded
    | JoinFailed
    | InputRefused
)
