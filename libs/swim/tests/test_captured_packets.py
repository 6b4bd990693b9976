"""Packets and streams captured from real agents decode, and encode again to the same bytes."""

from pathlib import Path

import pytest

from lictor_swim.serf import Coordinate, decode_coordinate, encode_coordinate
from lictor_swim.serf.tags import decode_tags, encode_tags
from lictor_swim.serf.wire import (
    ConflictResponse,
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    SerfState,
    TagFilter,
    UserEvent,
    decode_filter,
    decode_serf,
    encode_node_filter,
    encode_serf,
    encode_tag_filter,
)
from lictor_swim.wire import (
    Ack,
    Alive,
    Dead,
    ErrorReply,
    Framing,
    IndirectPing,
    Keyring,
    Message,
    Nack,
    Ping,
    PushPull,
    Suspect,
    User,
    decode_message,
    encode_message,
    encode_stream_message,
    open_packet,
    open_stream,
    seal_packet,
    seal_stream,
)
from lictor_swim.wire.packet import strip_label

KEY = bytes(range(32))
PLAIN = Framing(compress_from_bytes=0)
ENCRYPTED = Framing(keyring=Keyring([KEY]), compress_from_bytes=0)


def _captured() -> dict[str, tuple[str, bytes]]:
    text = (Path(__file__).parent / "testdata" / "captured.txt").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if not line.startswith("#")]
    return {name: (title, bytes.fromhex(data)) for name, title, data in rows}


CAPTURED = _captured()
STREAMS = [name for name, (title, _) in CAPTURED.items() if "TCP" in title]
PACKETS = [name for name in CAPTURED if name not in STREAMS]


def _framing(name: str) -> Framing:
    return ENCRYPTED if CAPTURED[name][0].startswith("Encrypted") else PLAIN


def _messages(name: str) -> list[Message]:
    return [decode_message(data) for data in open_packet(CAPTURED[name][1], _framing(name))]


def _user(name: str) -> object:
    (message,) = _messages(name)
    assert isinstance(message, User)
    return decode_serf(message.payload)


@pytest.mark.parametrize("name", PACKETS)
def test_every_captured_packet_encodes_to_the_same_bytes(name: str) -> None:
    data, framing = CAPTURED[name][1], _framing(name)
    plain = framing.keyring.open(data) if framing.keyring else data
    again = [encode_message(message) for message in _messages(name)]
    sealed = seal_packet(again, framing, nonce=data[1:13], checksum=plain[0] == 12)
    assert sealed == data


@pytest.mark.parametrize("name", STREAMS)
def test_every_captured_stream_encodes_to_the_same_bytes(name: str) -> None:
    data, framing = CAPTURED[name][1], _framing(name)
    message = open_stream(data, framing)
    assert seal_stream(encode_stream_message(message), framing, nonce=data[6:18]) == data


@pytest.mark.parametrize("name", PACKETS)
def test_every_captured_serf_message_encodes_to_the_same_bytes(name: str) -> None:
    for message in _messages(name):
        if isinstance(message, User):
            assert encode_serf(decode_serf(message.payload)) == message.payload


def test_a_ping_names_its_target_and_where_to_answer() -> None:
    assert _messages("V1") == [Ping(1, "a1", bytes([127, 0, 0, 12]), 7946, "a2")]


@pytest.mark.parametrize("name", ["V2", "V3"])
def test_an_ack_carries_a_coordinate(name: str) -> None:
    (ack,) = _messages(name)
    assert isinstance(ack, Ack)
    assert ack.sequence == 1
    assert ack.payload is not None
    coordinate = decode_coordinate(ack.payload)
    assert encode_coordinate(coordinate) == ack.payload
    if name == "V3":
        assert coordinate == Coordinate()
    else:
        assert coordinate.error == pytest.approx(1.434166119910332)


def test_gossip_carries_two_alive_claims_with_tags() -> None:
    first, second = _messages("V4")
    assert first == Alive(1, "a1", bytes([127, 0, 0, 11]), 7946, first.meta, bytes([1, 5, 2, 2, 5, 5]))  # type: ignore[union-attr]
    assert isinstance(first, Alive)
    assert decode_tags(first.meta) == {"role": "web", "dc": "dc1"}
    assert isinstance(second, Alive)
    assert second.meta == encode_tags({})


def test_claims_and_relays_read_as_they_were_captured() -> None:
    assert _messages("V6") == [
        IndirectPing(105, bytes([127, 0, 0, 13]), 7946, "a3", True, bytes([127, 0, 0, 11]), 7946, "a1")
    ]
    assert _messages("V7") == [Nack(105)]
    assert _messages("V8") == [Ping(107, "a3", bytes([127, 0, 0, 12]), 7946, "a2"), Suspect(1, "a3", "a2")]
    assert _messages("V9") == [Dead(1, "a3", "a1")]
    assert _messages("V11") == [Dead(2, "a3", "a3")]
    assert _messages("V21") == [Ping(1, "e3", bytes([127, 0, 0, 21]), 7946, "e1")]
    assert [message.node for message in _messages("V22") if isinstance(message, Alive)] == ["e3", "e2", "e1"]


def test_intents_events_and_acks_of_queries_read_as_they_were_captured() -> None:
    assert _user("V5") == JoinIntent(1, "a2")
    assert _user("V10") == LeaveIntent(4, "a3", False)
    events = [decode_serf(message.payload) for message in _messages("V12") if isinstance(message, User)]
    assert events == [UserEvent(2, "restart", None, True), UserEvent(1, "deploy", b"v1.2.3", False)]
    assert _user("V14") == QueryResponse(1, 930196147, "a3", 1, None)


def test_a_query_carries_filters_flags_and_a_relay_factor() -> None:
    query = _user("V13")
    assert isinstance(query, Query)
    assert (query.ltime, query.id, query.name, query.flags, query.relay_factor) == (3, 1554187843, "hello", 1, 1)
    assert query.timeout_ns == 3_200_000_000
    assert query.filters is not None
    filters = [decode_filter(encoded) for encoded in query.filters]
    assert filters == [("a3",), TagFilter("role", "db")]
    assert query.filters == (encode_node_filter(("a3",)), encode_tag_filter(TagFilter("role", "db")))


def test_a_relayed_answer_names_its_destination() -> None:
    relay = _user("V15")
    assert isinstance(relay, Relay)
    assert (relay.header.destination_node, relay.header.destination.port) == ("a2", 7946)
    assert decode_serf(relay.inner) == QueryResponse(3, 1554187843, "a3", 0, b"hi-from-a3\n")


def test_a_conflict_answer_holds_a_member() -> None:
    response = _user("V16")
    assert isinstance(response, QueryResponse)
    assert response.payload is not None
    vote = decode_serf(response.payload)
    assert vote == ConflictResponse(
        "a1", bytes([127, 0, 0, 11]), 7946, {"role": "web", "dc": "dc1"}, 1, 1, 5, 2, 2, 5, 5
    )
    # The order of tags is free on the wire; everything else is fixed.
    assert sorted(encode_serf(vote)) == sorted(response.payload)


def test_a_join_exchanges_rows_and_serf_state() -> None:
    for name in ("V17", "V23"):
        message = open_stream(CAPTURED[name][1], _framing(name))
        assert isinstance(message, PushPull)
        assert message.join
        assert len(message.nodes) == 1
        state = decode_serf(message.user_state)
        assert isinstance(state, SerfState)
        assert (state.ltime, state.event_ltime, state.query_ltime) == (1, 1, 1)
        assert state.events == (None,) * 512
        assert encode_serf(state) == message.user_state


def test_stream_pings_acks_and_errors_read_as_they_were_captured() -> None:
    assert open_stream(CAPTURED["V18"][1], PLAIN) == Ping(143, "a3", bytes([127, 0, 0, 11]), 7946, "a1")
    assert open_stream(CAPTURED["V19"][1], PLAIN) == Ack(143, None)
    assert open_stream(CAPTURED["V20"][1], PLAIN) == ErrorReply(
        "Remote state is encrypted and encryption is not configured"
    )


def test_key_queries_and_answers_read_as_they_were_captured() -> None:
    query = _user("V24")
    assert isinstance(query, Query)
    assert query.name == "_serf_list-keys"
    assert query.payload is not None
    assert decode_serf(query.payload) == KeyRequest(b"")
    assert encode_serf(KeyRequest(bytes(range(16)))).hex() == "0781a34b6579b0" + bytes(range(16)).hex()
    for name, expected in (
        ("V25", KeyResponse(False, "Keyring is empty (encryption not enabled)", None, "")),
        ("V26", KeyResponse(True, "", None, "")),
    ):
        response = _user(name)
        assert isinstance(response, QueryResponse)
        assert response.payload is not None
        assert decode_serf(response.payload) == expected
        assert encode_serf(expected) == response.payload


def test_without_a_label_nothing_is_stripped() -> None:
    data = CAPTURED["V1"][1]
    assert strip_label(data, b"") == data
