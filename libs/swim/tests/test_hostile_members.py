"""Members of the pool that say what no member should: nothing breaks, and nothing grows without a bound."""

import random

from lictor_swim import (
    FAST,
    SERF_FAST,
    VERSIONS,
    Endpoint,
    Framing,
    HistoryKind,
    InputRefused,
    Keyring,
    NameConflict,
    QueryAck,
    QueryParams,
    SerfNode,
    UserEventReceived,
    address_bytes,
)
from lictor_swim.broadcast_queue import NEVER_QUEUED, BroadcastQueue
from lictor_swim.record import NAME_BYTES_MAX
from lictor_swim.serf.asking import OPEN_MAX
from lictor_swim.serf.delegate import USER_EVENT_BYTES_MAX
from lictor_swim.serf.tags import encode_tags
from lictor_swim.serf.wire import (
    FLAG_ACK,
    EventSlot,
    JoinIntent,
    KeyRequest,
    Query,
    QueryResponse,
    SeenEvent,
    SerfMessage,
    SerfState,
    UserEvent,
    encode_serf,
)
from lictor_swim.wire import Alive, Suspect, User, encode_message, encode_stream_message, seal_packet
from lictor_swim.wire.messages import Dead
from lictor_swim.wire.stream import PushPull

PLAIN = Framing(compress=False)
STRANGER = Endpoint("10.7.7.7", 7946)
ASKER = bytes([10, 7, 7, 7])


def started(name: str = "me", framing: Framing = PLAIN) -> SerfNode:
    agent = SerfNode(
        name=name, address=address_bytes("10.0.0.1"), port=7946, tags={}, swim=FAST, serf=SERF_FAST,
        framing=framing, dice=random.Random(1),
    )  # fmt: skip
    agent.start(0.0)
    agent.events()
    agent.outgoing()
    return agent


def tell(agent: SerfNode, message: Alive | Suspect | Dead | SerfMessage, now: float = 1.0) -> list[object]:
    """Say something by packet; the events that follow."""
    inner = message if isinstance(message, Alive | Suspect | Dead) else User(encode_serf(message))
    framing = agent._swim.framing
    agent.receive_datagram(seal_packet([encode_message(inner)], framing, nonce=bytes(12)), STRANGER, now)
    return list(agent.events())


def refusals(events: list[object]) -> list[str]:
    return [event.reason for event in events if isinstance(event, InputRefused)]


def test_a_vote_that_fits_no_answer_is_refused_and_nothing_else_happens() -> None:
    agent = started()
    name = "n" * 480
    meta = encode_tags({"t": "v" * 495})
    tell(agent, Alive(1, name, bytes([10, 0, 0, 2]), 7946, meta, VERSIONS.encode()))
    events = tell(agent, Query(3, 9, ASKER, 7946, "x", name="_serf_conflict", payload=name.encode()))
    assert len(refusals(events)) == 1
    assert "_serf_conflict" in refusals(events)[0]


def test_a_list_of_keys_that_fits_no_answer_under_a_long_name_is_refused() -> None:
    keys = [bytes([index]) * 32 for index in range(40)]
    agent = started("n" * 500, Framing(keyring=Keyring(keys)))
    request = encode_serf(KeyRequest())
    events = tell(agent, Query(3, 9, ASKER, 7946, "x", name="_serf_list-keys", payload=request))
    assert len(refusals(events)) == 1


def test_names_of_responders_that_no_member_has_are_not_kept() -> None:
    agent = started()
    query = agent.query(QueryParams(name="q", ack=True), 1.0)
    agent.events()
    response = QueryResponse(query.ltime, query.id, "x" * (NAME_BYTES_MAX + 1), FLAG_ACK)
    assert not [event for event in tell(agent, response) if isinstance(event, QueryAck)]
    response = QueryResponse(query.ltime, query.id, "x" * NAME_BYTES_MAX, FLAG_ACK)
    assert [event for event in tell(agent, response) if isinstance(event, QueryAck)]


def test_intents_about_names_that_no_member_can_have_are_neither_kept_nor_passed_on() -> None:
    agent = started()
    tell(agent, JoinIntent(5, "x" * (NAME_BYTES_MAX + 1)))
    assert agent.queues(1.0)["intents"].depth == 0
    tell(agent, JoinIntent(6, "x" * NAME_BYTES_MAX))
    assert agent.queues(1.0)["intents"].depth == 1


def test_what_fits_no_packet_is_not_queued() -> None:
    queue = BroadcastQueue(10, 100)
    assert queue.enqueue(bytes(101), now=0.0) == NEVER_QUEUED
    assert not queue.is_pending(NEVER_QUEUED)
    assert queue.is_pending(queue.enqueue(bytes(100), now=0.0))
    assert len(queue) == 1


def test_user_events_beyond_serfs_own_limit_are_not_kept_however_they_come() -> None:
    agent = started()
    huge = SeenEvent("e", bytes(USER_EVENT_BYTES_MAX + 1))
    state = encode_serf(SerfState(3, {}, (), 9, (EventSlot(8, (huge, SeenEvent("fine", b"x"))),), 3))
    agent.receive_stream(encode_stream_message(PushPull((), state, False)), STRANGER, 1.0)
    heard = [event.event.name for event in agent.events() if isinstance(event, UserEventReceived)]
    assert heard == ["fine"]
    assert refusals(tell(agent, UserEvent(12, "e", bytes(USER_EVENT_BYTES_MAX + 1))))


def test_a_conflict_while_no_further_query_can_be_asked_is_only_told() -> None:
    agent = started()
    for _ in range(OPEN_MAX):
        agent.query(QueryParams(name="q", timeout_s=60.0), 1.0)
    agent.events()
    claim = Alive(4, "me", bytes([10, 0, 0, 9]), 7946, b"", VERSIONS.encode())
    assert [type(event) for event in tell(agent, claim)] == [NameConflict]


def test_a_thousand_claims_of_this_nodes_name_make_one_vote_at_a_time() -> None:
    agent = started()
    for index in range(1000):
        tell(agent, Alive(4 + index, "me", bytes([10, 0, 0, 9]), 7946, b"", VERSIONS.encode()))
    assert agent.queues(1.0)["queries"].depth == 1


def test_accusations_of_this_node_itself_are_remembered_with_the_accuser() -> None:
    agent = started()
    tell(agent, Suspect(1, "me", "liar"), 2.0)
    tell(agent, Dead(2, "me", "gravedigger"), 3.0)
    assert [(entry.at, entry.what, entry.by) for entry in agent.history("me")] == [
        (2.0, HistoryKind.SUSPECTED, "liar"),
        (2.0, HistoryKind.REFUTED, "me"),
        (3.0, HistoryKind.FAILED, "gravedigger"),
        (3.0, HistoryKind.REFUTED, "me"),
    ]
