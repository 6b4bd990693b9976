"""What a node knows of one member, itself included, and which claims can enter its list at all."""

from msgspec import Struct

from lictor_swim.config import Versions
from lictor_swim.events import Member, MemberState
from lictor_swim.wire.messages import META_BYTES_MAX, Alive

NAME_BYTES_MAX = 512
"""Longest name accepted; a longer one would not fit a packet beside full metadata."""

_VERSION_BYTES = 6
_ADDRESS_BYTES = (4, 16)


class Identity(Struct, frozen=True, kw_only=True):
    """Who this node is.

    Attributes:
        name: unique in the pool.
        address: advertised, 4 or 16 bytes.
        port: advertised; also assumed for peers that announce port 0.
        meta: at most 512 bytes.
        versions: announced protocol versions.
    """

    name: str
    address: bytes
    port: int
    meta: bytes = b""
    versions: Versions


class Record(Struct, frozen=True):
    """What is known of one member. `changed_at` is when its state last changed, seconds.

    `is_known` tells a member that was seen alive from a name that just came up.
    """

    name: str
    address: bytes
    port: int
    meta: bytes
    versions: bytes
    incarnation: int
    state: MemberState
    changed_at: float
    is_known: bool = False

    def member(self) -> Member:
        """The record as a value."""
        return Member(
            self.name, self.address, self.port, self.meta, self.versions, self.incarnation, MemberState(self.state)
        )

    @property
    def is_gone(self) -> bool:
        """Dead or left."""
        return self.state in (MemberState.DEAD, MemberState.LEFT)

    @property
    def protocol_max(self) -> int:
        """The newest memberlist protocol that it understands."""
        return self.versions[1]


def fault_of(claim: Alive) -> str:
    """Why a claim cannot enter the list; empty when it can."""
    if not 0 < len(claim.node.encode("utf-8", "surrogateescape")) <= NAME_BYTES_MAX:
        return f"a node name has 1 to {NAME_BYTES_MAX} bytes"
    if len(claim.address) not in _ADDRESS_BYTES:
        return f"address has {len(claim.address)} bytes, neither 4 nor 16"
    if len(claim.meta) > META_BYTES_MAX:
        return f"metadata has {len(claim.meta)} bytes, more than {META_BYTES_MAX}"
    if len(claim.versions) != _VERSION_BYTES:
        return f"version vector has {len(claim.versions)} bytes, not {_VERSION_BYTES}"
    if not 0 < claim.versions[0] <= claim.versions[1]:
        return f"protocol versions {claim.versions[0]} to {claim.versions[1]} are not a range"
    return ""
