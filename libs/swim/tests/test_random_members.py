"""Well-formed messages with extreme fields, in random order, to an agent that leads a busy life of its own.

What the fuzzers do to bytes this does to meaning: names of full length, clocks at their ends, addresses that lead
nowhere, answers to nothing. No sequence may raise, and the invariants hold after each step.
"""

import random

import pytest

from lictor_swim import (
    FAST,
    SERF_FAST,
    VERSIONS,
    Datagram,
    Endpoint,
    Framing,
    Keyring,
    MemberState,
    OpenStream,
    QueryId,
    QueryParams,
    SerfNode,
    Status,
    address_bytes,
)
from lictor_swim.serf.lamport import LTIME_MAX
from lictor_swim.serf.wire import (
    ConflictResponse,
    EventSlot,
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    RelayAddress,
    RelayHeader,
    SeenEvent,
    SerfMessage,
    SerfState,
    TagFilter,
    UserEvent,
    encode_node_filter,
    encode_serf,
    encode_tag_filter,
)
from lictor_swim.wire import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Message,
    Nack,
    Ping,
    PushPull,
    Suspect,
    User,
    encode_message,
    encode_stream_message,
    open_packet,
    seal_packet,
    seal_stream,
)
from lictor_swim.wire.messages import NodeState

STEPS = 2500
FRAMING = Framing(compress=False, keyring=Keyring([bytes(32)]))
NONCE = bytes(12)
U32, U64 = (1 << 32) - 1, LTIME_MAX
NAMES = ["me", "a", "b", "c", "", "n" * 512, "n" * 513, "sp ace", "\udcff", "x" * 60_000]
ADDRESSES = [bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]), bytes(4), bytes(16), b"", b"abc", bytes([255] * 4)]
VERSION_VECTORS = [VERSIONS.encode(), bytes(6), b"\x01\x05\x02\x02\x05\x09", b"", bytes([1, 5, 2]), bytes([255] * 6)]
QUERY_NAMES = ["hello", "_serf_ping", "_serf_conflict", "_serf_list-keys", "_serf_install-key", "_serf_what", ""]


class Sayings:
    """Random messages from one seed."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.asked: list[QueryId] = []

    def number(self, top: int) -> int:
        return self.dice.choice([0, 1, 2, 5, self.dice.randrange(50), top - 1, top])

    def name(self) -> str:
        return self.dice.choice(NAMES)

    def octets(self) -> bytes:
        return self.dice.choice([b"", b"x", bytes(512), bytes(513), self.dice.randbytes(40), b"\xff\x80"])

    def claim(self) -> Message:
        dice, incarnation, node, by = self.dice, self.number(U32), self.name(), self.name()
        address, port = dice.choice(ADDRESSES), dice.choice([0, 7946, 65535])
        claims: list[Message] = [
            Alive(incarnation, node, address, port, self.octets(), dice.choice(VERSION_VECTORS)),
            Suspect(incarnation, node, by),
            Dead(incarnation, node, by),
            Ping(incarnation, node, address, port, by),
            IndirectPing(incarnation, address, port, node, dice.random() < 0.5, address, port, by),
            Ack(dice.randrange(200), self.octets()),
            Nack(dice.randrange(200)),
        ]
        return dice.choice(claims)

    def serf(self) -> SerfMessage:
        dice, ltime = self.dice, self.number(U64)
        asked = dice.choice([*self.asked, QueryId(ltime, 7)])
        payload = dice.choice(
            [None, self.octets(), encode_serf(KeyRequest(self.octets())), self.name().encode("utf-8", "replace")[:900]]
        )
        filters = (
            encode_node_filter((self.name()[:600], "me")),
            encode_tag_filter(TagFilter("t", dice.choice(["", "(", "a|b", "["]))),
        )
        answer = dice.choice(
            [
                b"",
                encode_serf(KeyResponse(True, "m", ("k",), "k")),
                encode_serf(ConflictResponse("me")),
                b"\x06\xc0",
                b"\x08",
            ]
        )
        address, port = dice.choice(ADDRESSES), dice.choice([0, 7946])
        query = Query(
            ltime, self.number(U32), address, port, self.name(), dice.choice([None, (), filters[:1], filters, (b"", b"\x09")]),
            dice.randrange(4), dice.choice([0, 1, 255]), dice.choice([-1, 0, 10**9, (1 << 63) - 1]), dice.choice(QUERY_NAMES), payload,
        )  # fmt: skip
        response = QueryResponse(asked.ltime, asked.id, self.name(), dice.randrange(3), answer)
        header = RelayHeader(RelayAddress(address, dice.choice([-5, 0, 7946, 1 << 40])), self.name())
        messages: list[SerfMessage] = [
                JoinIntent(ltime, self.name()), LeaveIntent(ltime, self.name(), dice.random() < 0.5), query, response,
                UserEvent(ltime, self.name(), self.octets(), dice.random() < 0.5), Relay(header, self.octets()), self.state(),
            ]  # fmt: skip
        return dice.choice(messages)

    def state(self) -> SerfState:
        slots = (None, EventSlot(self.number(U64), (SeenEvent(self.name()[:100], self.octets()),)))
        ltimes = {self.name()[:600]: self.number(U64) for _ in range(3)}
        return SerfState(self.number(U64), ltimes, (self.name()[:600],), self.number(U64), slots, self.number(U64))

    def exchange(self) -> bytes:
        dice = self.dice
        rows = tuple(
            NodeState(self.name()[:600], dice.choice(ADDRESSES), 7946, self.octets(), self.number(U32), dice.randrange(-1, 5), dice.choice(VERSION_VECTORS[:2]))
            for _ in range(dice.randrange(4))
        )  # fmt: skip
        user = dice.choice([b"", encode_serf(self.state()), b"\x02\x80", b"junk"])
        return encode_stream_message(PushPull(rows, user, dice.random() < 0.5))


def act(agent: SerfNode, sayings: Sayings, now: float) -> None:
    """Something that the agent's own service does."""
    dice = sayings.dice
    match dice.randrange(7):
        case 0:
            agent.user_event("e", b"x", now=now)
        case 1 if len(sayings.asked) < 200:
            sayings.asked.append(agent.query(QueryParams(name="q", ack=True, relay_factor=3), now))
        case 2:
            agent.force_leave(dice.choice(["a", "b", "me", "nobody"]), now, prune=dice.random() < 0.5)
        case 3:
            agent.set_tags({"t": "v" * dice.randrange(300)}, now)
        case 4 if len(sayings.asked) < 200:
            sayings.asked.append(agent.keys.list_keys(now))
        case 5:
            agent.join(Endpoint("10.0.0.9", 7946), now, replay=dice.random() < 0.5)
        case _:
            agent.queues(now)


def check(agent: SerfNode, now: float) -> None:
    members = agent._swim._membership
    assert agent.own.status in (Status.ALIVE, Status.LEAVING)
    assert members.own.state is MemberState.ALIVE
    assert len(members.probe_order) == len(members.records)
    assert set(members.suspicions) == {r.name for r in members.records.values() if r.state == MemberState.SUSPECT}
    assert 0 <= agent.health_score < FAST.awareness_max
    assert agent.next_deadline() < now + 60.0


@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_of_well_formed_messages_breaks_an_agent(seed: int) -> None:
    dice = random.Random(seed)
    sayings, now = Sayings(dice), 0.0
    agent = SerfNode(
        name="me", address=address_bytes("10.0.0.1"), port=7946, tags={"t": "a"}, swim=FAST, serf=SERF_FAST,
        framing=FRAMING, dice=random.Random(seed + 100),
    )  # fmt: skip
    agent.start(now)
    stranger = Endpoint("10.7.7.7", 7946)
    for _ in range(STEPS):
        now += dice.choice([0.0, 0.01, 0.1, 1.0])
        framing = agent._swim.framing
        match dice.randrange(5):
            case 0:
                act(agent, sayings, now)
            case 1:
                agent.receive_stream(seal_stream(sayings.exchange(), framing, nonce=NONCE), stranger, now)
            case 2:
                agent.handle_timer(now)
            case _:
                message = sayings.claim() if dice.random() < 0.5 else User(encode_serf(sayings.serf()))
                data = encode_message(message)
                if len(data) < 65_000:
                    agent.receive_datagram(seal_packet([data], framing, nonce=NONCE), stranger, now)
        for effect in agent.outgoing():
            if isinstance(effect, OpenStream):
                if dice.random() < 0.5:
                    agent.stream_failed(effect.stream_id, "refused", now)
                else:
                    agent.stream_answered(effect.stream_id, seal_stream(sayings.exchange(), framing, nonce=NONCE), now)
            elif isinstance(effect, Datagram):
                open_packet(effect.data, framing)  # what it sends can be read
        agent.events()
        check(agent, now)
