"""The messages between the raft-store and everybody else, as MessagePack arrays.

Each carries the cluster id; fields are only added at the end with a default. Store indexes are Consul indexes (Raft
log index plus the replicated offset). Raft's own messages are `lictor_raft.messages` and travel in `RaftFrame`s.
"""

from typing import Any, Literal, TypeVar

import msgspec

MESSAGE_BYTES_MAX = 900 * 1024
"""Largest payload we put on NATS: below its default limit of 1 MiB, with room for headers."""

SNAPSHOT_PART_BYTES = 256 * 1024
"""One part of a snapshot on its way to a view: four of them in flight fill the pipe without delaying heartbeats."""


class Member(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A raft-store member as the beacon names it; `address` is `host:port` as Consul shows Raft peers.

    `direct` is where its direct lane listens, empty when it has none.
    """

    member_id: int
    name: str
    address: str
    voter: bool = True
    direct: str = ""


class Beacon(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The leader's sign of life (every 250 ms under lease, at once when new).

    `applied` is the store index applied; `stream_last` names, per stream, the last index that changed it: a view at
    or beyond it may move its index to `applied`. `conf` has the ids of the whole configuration as of that index.
    `reconnects` counts how often the leader's NATS connection was made anew: when it grows, questions to the leader and
    answers from it may have been lost.
    """

    cluster: str
    epoch: int
    term: int
    leader: int
    applied: int
    stream_last: dict[str, int]
    members: tuple[Member, ...]
    level: int = 1
    held: str = ""
    conf: tuple[int, ...] = ()
    reconnects: int = 0


class ProposeBatch(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Commands on their way to the leader: encoded `lictor_state.commands.Envelope`s, one log entry each.

    `with_feed`: the answer shall bring the changes too; its road is faster than that of the feed.
    """

    cluster: str
    envelopes: list[bytes]
    with_feed: bool = False


class ProposeAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What became of a batch: for `ok`, per envelope its index and encoded `Result`; else why not, and who leads.

    `feed` holds encoded `Feed`s of the stream `all`, as they were published before this answer.
    """

    status: Literal["ok", "not-leader", "full", "lost", "refused", "no-space"]
    leader: int = 0
    term: int = 0
    results: list[tuple[int, bytes]] = []
    reason: str = ""
    feed: list[bytes] = []


class ReadAsk(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Asks the leader for its commit index; with `consistent` after a quorum round that began after the ask."""

    cluster: str
    consistent: bool


class ReadAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The leader's applied index, taken after the ask came in, with the streams' last indexes."""

    status: Literal["ok", "not-leader", "no-quorum"]
    leader: int = 0
    term: int = 0
    epoch: int = 0
    applied: int = 0
    stream_last: dict[str, int] = {}


class Feed(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Changes of one stream: `groups` are encoded by `lictor_state.codec.encode_group`, one per index, in order.

    `prev` is the last earlier index that changed the stream, `last` the newest one in here. A change too large for
    one message is cut into `parts` numbered from 0, whose `groups` hold slices of the one encoded group; with
    `resume` the change is too large for the feed at all and readers must ask a member.
    """

    cluster: str
    epoch: int
    prev: int
    last: int
    groups: list[bytes]
    part: int = 0
    parts: int = 1
    resume: bool = False


class ResumeAsk(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A view asks a member for what it missed since `index` (of `epoch`), up to at least `target`.

    With `session` it asks for one part of the snapshot that an earlier answer offered.
    """

    cluster: str
    stream: str
    epoch: int
    index: int
    target: int
    session: int = 0
    part: int = 0


class ResumeAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`changes`: groups up to `index`. `snapshot`: `parts` parts wait under `session`; with `body`, one of them."""

    status: Literal["changes", "snapshot", "part", "declined", "busy", "gone"]
    epoch: int = 0
    index: int = 0
    groups: list[bytes] = []
    session: int = 0
    parts: int = 0
    body: bytes = b""
    more: bool = False


class PresenceFrame(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One process says that it is there; `instance` is unique per start, `record` holds what its role tells others."""

    role: str
    node: str
    instance: str
    record: dict[str, Any]
    leaving: bool = False


class FailureReport(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A reporter's whole list of failed nodes that it watches, as node → incarnation, with its own health score.

    `left` names nodes that left by intent. `watched` names all nodes that it is a reporter for and sees, so that
    silence about one of them means alive.
    """

    cluster: str
    reporter: str
    instance: str
    health_score: int
    failed: dict[str, int]
    watched: tuple[str, ...]
    left: tuple[str, ...] = ()


class AliveAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A node's gossip answers the leader's question in person."""

    node: str
    run_id: str
    leaving: bool = False


class HoldRequest(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A gossip stops on purpose: the leader decides nothing about this run of its node for 15 s."""

    node: str
    run_id: str


class FoundingHello(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A member without a cluster, or one that has promised, during founding; `cluster` set means veto.

    `heard` is the candidate list that the sender saw in its last round; `promise` is the member set it has fsynced;
    `given_up` are ids that the sender bore before, whose promises came to nothing.
    """

    member_id: int
    slot: int
    expect: int
    heard: tuple[int, ...]
    promise: tuple[int, ...] = ()
    promised_cluster: str = ""
    cluster: str = ""
    given_up: tuple[int, ...] = ()


class RaftFrame(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Raft messages from one member to another, with the sender's run so that a second live run is refused."""

    cluster: str
    sender: int
    run_id: str
    messages: list[bytes]


class PeerProgress(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the leader knows of one member: how far its log matches, and the seconds since it last answered."""

    member_id: int
    match: int
    state: str
    contact_age_s: float | None
    inflight_bytes: int


class MemberHealth(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One member of the configuration as the leader's autopilot judges it.

    `contact_age_s` are the seconds since the leader heard it, or has led without hearing it. `stable_since` is in Unix
    seconds by the leader's clock; None while the member is not stable.
    """

    member_id: int
    name: str
    voter: bool
    healthy: bool
    contact_age_s: float
    match: int
    stable_since: float | None


class NodeJudgement(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the leader holds of a node that some reporter finds failed, or that stops on purpose.

    `found_by` are the reporters that find it failed, `watchers` how many watch it; `disputed`: it answered the leader
    in person all the same. Nothing is decided about it for another `held_s` seconds.
    """

    node: str
    found_by: tuple[str, ...]
    watchers: int
    disputed: bool
    held_s: float = 0.0


class StatusAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A member about itself, for operators.

    `leader_contact_s` are the seconds since it heard a leader (0 for the leader itself, None for never). Told by the
    leader only: `peers`, `joining` (names of processes that wait to become members), `healths`, how many healthy
    voters may still be lost (negative: so many are missing), and what it holds of nodes that may have failed.
    """

    member_id: int
    name: str
    term: int
    role: str
    leader: int
    commit_index: int
    applied: int
    digest: int
    run_id: str
    store_index: int = 0
    first_index: int = 0
    last_index: int = 0
    durable_index: int = 0
    leader_contact_s: float | None = None
    voters: tuple[int, ...] = ()
    learners: tuple[int, ...] = ()
    cluster: str = ""
    epoch: int = 0
    level: int = 0
    peers: tuple[PeerProgress, ...] = ()
    joining: tuple[str, ...] = ()
    healths: tuple[MemberHealth, ...] = ()
    failure_tolerance: int = 0
    judgements: tuple[NodeJudgement, ...] = ()


Order = Literal["remove", "transfer", "confirm-brake"]


class OperatorOrder(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An order for the leader: remove a member, hand leadership to it (0: to whoever is furthest), or end a brake."""

    cluster: str
    order: Order
    member_id: int = 0


class OperatorAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What became of an order."""

    status: Literal["ok", "not-leader", "refused"]
    reason: str = ""


_encoder = msgspec.msgpack.Encoder()

encode = _encoder.encode
T = TypeVar("T")
_decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {}


class FrameError(ValueError):
    """Bytes from the bus are not the frame they should be."""


def decode(data: bytes, kind: type[T]) -> T:
    """Decode one frame.

    Raises:
        FrameError: the bytes are not a frame of this kind.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        return decoder.decode(data)  # type: ignore[no-any-return]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FrameError(f"{kind.__name__}: {error}") from error
