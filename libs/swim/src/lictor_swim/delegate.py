"""What a SWIM node asks of the layer above it (Serf), and the answer of a pool without one.

The calls are synchronous and happen inside the node's own methods, in the order in which the protocol needs them.
"""

from typing import Protocol

from lictor_swim.events import Event, Member


class Delegate(Protocol):
    """The layer above the membership protocol."""

    def refusal(self, name: str, meta: bytes) -> str:
        """Why a node with this metadata may not be in this pool; empty when it may."""
        ...

    def notify(self, event: Event, now: float) -> None:
        """Something happened. The same event is also drained with the node's `events()`."""
        ...

    def user_message(self, payload: bytes, now: float) -> None:
        """A message for this layer arrived, by packet or by stream.

        Raises:
            WireError: the payload is malformed.
        """
        ...

    def has_broadcasts(self) -> bool:
        """Whether this layer has something to gossip."""
        ...

    def broadcasts(self, overhead_bytes: int, budget_bytes: int) -> list[bytes]:
        """Payloads to gossip in one packet: each costs its length and the overhead."""
        ...

    def local_state(self, *, join: bool) -> bytes:
        """This layer's part of an exchange of state."""
        ...

    def merge_state(self, state: bytes, now: float, *, joining: bool) -> None:
        """The peer's part of an exchange of state; the members are merged already.

        `joining` tells that this node asked for the exchange in order to join, as a newcomer.

        Raises:
            WireError: the state is malformed.
        """
        ...

    def ack_payload(self) -> bytes | None:
        """What to put into the ack of a probe."""
        ...

    def probe_completed(self, member: Member, round_trip_s: float, payload: bytes) -> None:
        """A direct probe of `member` was answered in time."""
        ...


class NullDelegate:
    """No layer above: nothing is gossiped, received or exchanged besides the members."""

    def refusal(self, name: str, meta: bytes) -> str:  # noqa: ARG002  (the protocol's shape)
        """Every node is welcome."""
        return ""

    def notify(self, event: Event, now: float) -> None:
        """Nobody listens."""

    def user_message(self, payload: bytes, now: float) -> None:
        """Dropped."""

    def has_broadcasts(self) -> bool:
        """Never."""
        return False

    def broadcasts(self, overhead_bytes: int, budget_bytes: int) -> list[bytes]:  # noqa: ARG002  (the protocol's shape)
        """None."""
        return []

    def local_state(self, *, join: bool) -> bytes:  # noqa: ARG002  (the protocol's shape)
        """Empty."""
        return b""

    def merge_state(self, state: bytes, now: float, *, joining: bool) -> None:
        """Dropped."""

    def ack_payload(self) -> bytes | None:
        """None."""
        return None

    def probe_completed(self, member: Member, round_trip_s: float, payload: bytes) -> None:
        """Dropped."""
