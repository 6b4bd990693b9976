"""One member of a large simulated pool: the real SWIM core, with two parts changed so that thousands fit one process.

- Members share one list. A pool starts converged, so everybody's list is the same; each keeps only the rows that it
  has changed. Rows that nobody has changed are left out of exchanges of state, where they would change nothing.
- Messages travel as values. What the bytes of a packet would be is `lictor_swim`'s business and proven there; claims
  are still encoded once by whoever passes them on, since their lengths decide what fits a packet.
"""

from collections.abc import Iterator, MutableMapping
from functools import lru_cache

from msgspec import Struct

from lictor_swim import VERSIONS, Endpoint, Identity, MemberState, SwimConfig, SwimNode, address_bytes
from lictor_swim.dice import Dice
from lictor_swim.membership import Membership
from lictor_swim.outbox import Outbox
from lictor_swim.record import Record
from lictor_swim.wire import Framing
from lictor_swim.wire.messages import Message, NodeState, decode_message
from lictor_swim.wire.packet import COMPOUND_PART_BYTES
from lictor_swim.wire.stream import StreamMessage

PORT = 7946
MESSAGE_BYTES = {"Ping": 66, "Ack": 154, "IndirectPing": 92, "Nack": 9}
"""About what a message takes in a packet (with Serf's coordinate in the ack): its room is not free for claims."""

DECODED_MAX = 65_536

decode_claim = lru_cache(DECODED_MAX)(decode_message)
"""A claim is received thousands of times and is the same each time."""


class Parcel(Struct, frozen=True, gc=False):
    """A packet: perhaps one message as a value, and encoded claims beside it."""

    destination: Endpoint
    message: Message | None
    claims: list[bytes]


class Call(Struct, frozen=True, gc=False):
    """A stream that is opened with one message."""

    stream_id: int
    destination: Endpoint
    message: StreamMessage
    deadline: float


class ParcelOutbox(Outbox):
    """Collects parcels and calls in the place of bytes."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # exactly the base's own arguments
        self._posted: list[Parcel | Call] = []
        self._calls = 0

    def posted(self) -> list[Parcel | Call]:
        """What has collected since the last call."""
        posted, self._posted = self._posted, []
        return posted

    def send(self, destination: Endpoint, message: Message) -> None:
        """Send a message with as many claims as fit beside it."""
        room = self._room() - COMPOUND_PART_BYTES - MESSAGE_BYTES[type(message).__name__]
        self._posted.append(Parcel(destination, message, self._broadcasts(COMPOUND_PART_BYTES, room)))

    def send_encoded(self, destination: Endpoint, messages: list[bytes], *, checksum: bool = False) -> None:  # noqa: ARG002  (the base's shape)
        """Send exactly these."""
        self._posted.append(Parcel(destination, None, messages))

    def open_stream(self, destination: Endpoint, message: StreamMessage, deadline: float) -> int:
        """Start a stream; its id."""
        self._calls += 1
        self._posted.append(Call(self._calls, destination, message, deadline))
        return self._calls


class SharedRecords(MutableMapping[str, Record]):
    """One member's list: what all share, and the rows that are different here (None: forgotten here)."""

    __slots__ = ("_base", "_length", "own_rows")

    def __init__(self, base: dict[str, Record]) -> None:
        self._base = base
        self._length = len(base)
        self.own_rows: dict[str, Record | None] = {}

    def __getitem__(self, name: str) -> Record:
        record = self.own_rows[name] if name in self.own_rows else self._base[name]
        if record is None:
            raise KeyError(name)
        return record

    def get(self, name: str, default: Record | None = None) -> Record | None:  # type: ignore[override]  # narrower on purpose
        """A row, without the cost of an exception."""
        if name in self.own_rows:
            return self.own_rows[name] or default
        return self._base.get(name, default)

    def __setitem__(self, name: str, record: Record) -> None:
        if self.get(name) is None:
            self._length += 1
        self.own_rows[name] = record

    def __delitem__(self, name: str) -> None:
        self[name]
        self._length -= 1
        self.own_rows[name] = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        for name in self._base:
            if name not in self.own_rows:
                yield name
        for name, record in self.own_rows.items():
            if record is not None:
                yield name


class SharedMembership(Membership):
    """The member list's rules over a list that is shared until it differs."""

    def share(self, base: dict[str, Record], order: list[str]) -> None:
        """Start with everybody known; the order of probes is shared until the first round ends."""
        self.records: SharedRecords = SharedRecords(base)
        self.probe_order = order

    def bootstrap(self, now: float) -> None:  # noqa: ARG002  (the base's shape)
        """This node is in the shared list already, at its first incarnation."""
        self._incarnation = 1

    def snapshot(self) -> tuple[NodeState, ...]:
        """The rows that differ, and this node's own: the others are the same at the peer, or newer there."""
        rows = [
            self.own,
            *(row for row in self.records.own_rows.values() if row is not None and row.name != self.own.name),
        ]
        return tuple(
            [NodeState(r.name, r.address, r.port, r.meta, r.incarnation, int(r.state), r.versions) for r in rows]
        )


class BulkMember(SwimNode):
    """One member of a pool that starts converged."""

    membership_type = SharedMembership
    outbox_type = ParcelOutbox

    def __init__(
        self, identity: Identity, config: SwimConfig, dice: Dice, base: dict[str, Record], order: list[str]
    ) -> None:
        super().__init__(identity, config, Framing(compress=False), dice)
        assert isinstance(self._membership, SharedMembership)
        self._membership.share(base, order)

    def posted(self) -> list[Parcel | Call]:
        """What this member wants sent."""
        assert isinstance(self._outbox, ParcelOutbox)
        return self._outbox.posted()

    def receive(self, parcel: Parcel, source: Endpoint, now: float) -> None:
        """A packet arrived."""
        if parcel.message is not None:
            self.handle(parcel.message, source, now)
        for claim in parcel.claims:
            self.handle(decode_claim(claim), source, now)


def identities(size: int) -> list[Identity]:
    """Members m0, m1, ... at addresses of their own."""
    return [
        Identity(
            name=f"m{index}",
            address=address_bytes(f"10.{index // 65_025}.{index // 255 % 255}.{index % 255 + 1}"),
            port=PORT,
            meta=b"\xff\x80",
            versions=VERSIONS,
        )
        for index in range(size)
    ]


def shared_list(members: list[Identity]) -> dict[str, Record]:
    """Everybody alive at the first incarnation."""
    return {
        one.name: Record(
            one.name, one.address, one.port, one.meta, one.versions.encode(), 1, MemberState.ALIVE, 0.0, is_known=True
        )
        for one in members
    }
