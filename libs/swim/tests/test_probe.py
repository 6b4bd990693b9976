"""The failure detector, claim by claim: SWIM (Das, Gupta, Motivala 2002) and Lifeguard (Dadgar et al. 2017)."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from lictor_swim import LAN, VERSIONS, Datagram, Endpoint, Framing, OpenStream, SwimNode
from lictor_swim.events import MemberFailed, MemberState, MemberSuspected, MemberTrusted, PacketsBlocked
from lictor_swim.wire import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Message,
    Nack,
    Ping,
    Suspect,
    decode_message,
    encode_message,
    encode_stream_message,
    open_packet,
    open_stream,
    seal_packet,
    seal_stream,
)

PLAIN = Framing(compress=False)
MakeNode = Callable[..., SwimNode]


def address(index: int) -> bytes:
    return bytes([10, 0, 1, index])


def endpoint(index: int) -> Endpoint:
    return Endpoint(f"10.0.1.{index}", 7946)


SOMEONE = endpoint(1)


def tell(node: SwimNode, message: Message, now: float, source: Endpoint = SOMEONE) -> None:
    node.receive_datagram(seal_packet([encode_message(message)], PLAIN), source, now)


def introduce(node: SwimNode, count: int, versions: bytes = VERSIONS.encode()) -> None:
    for index in range(1, count + 1):
        tell(node, Alive(1, f"p{index}", address(index), 7946, b"", versions), 0.0)
    node.outgoing()
    node.events()


def sent(node: SwimNode) -> list[tuple[Endpoint, Message]]:
    """What went out by packet since the last look."""
    return [
        (effect.destination, decode_message(message))
        for effect in node.outgoing()
        if isinstance(effect, Datagram)
        for message in open_packet(effect.data, PLAIN)
    ]


def of_type(messages: list[tuple[Endpoint, Message]], kind: type) -> list[tuple[Endpoint, Message]]:
    return [(destination, message) for destination, message in messages if type(message) is kind]


def next_probe(node: SwimNode) -> tuple[float, Endpoint, Ping]:
    """Run the timers up to the next direct probe."""
    for _ in range(1000):
        now = node.next_deadline()
        node.handle_timer(now)
        for destination, message in sent(node):
            if isinstance(message, Ping):
                return now, destination, message
    raise AssertionError("no probe in 1000 timers")


def test_swim_3_1_a_node_probes_one_member_per_interval(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 5)
    times = []
    for _ in range(10):
        now, _, ping = next_probe(node)
        tell(node, Ack(ping.sequence), now + 0.01)
        times.append(now)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == pytest.approx([LAN.probe_interval_s] * 9)


def test_swim_4_3_every_member_is_probed_within_2n_minus_1_intervals(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 6)
    targets = []
    for _ in range(60):
        now, _, ping = next_probe(node)
        targets.append(ping.node)
        tell(node, Ack(ping.sequence), now + 0.01)
    for target in {f"p{index}" for index in range(1, 7)}:
        rounds = [index for index, name in enumerate(targets) if name == target]
        assert max(later - earlier for earlier, later in pairwise(rounds)) <= 2 * 6 - 1
        assert rounds[0] < 6


def test_swim_3_1_a_failed_probe_asks_k_others_with_the_same_sequence_number(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 6)
    now, target, ping = next_probe(node)
    node.handle_timer(now + LAN.probe_timeout_s)
    effects = node.outgoing()
    requests = [
        (effect.destination, message)
        for effect in effects
        if isinstance(effect, Datagram)
        for message in map(decode_message, open_packet(effect.data, PLAIN))
        if isinstance(message, IndirectPing)
    ]
    assert len(requests) == LAN.indirect_checks
    assert len({destination for destination, _ in requests}) == LAN.indirect_checks
    for destination, request in requests:
        assert destination != target
        assert (request.sequence, request.node, request.nack) == (ping.sequence, ping.node, True)
    (stream,) = [effect for effect in effects if isinstance(effect, OpenStream)]
    assert stream.destination == target
    assert open_stream(stream.data, PLAIN) == ping


@pytest.mark.parametrize("answer", ["direct", "late", "relayed", "stream"])
def test_swim_3_1_any_answer_ends_the_probe(swim_node: MakeNode, answer: str) -> None:
    node = swim_node()
    introduce(node, 4)
    now, target, ping = next_probe(node)
    if answer == "direct":
        tell(node, Ack(ping.sequence), now + 0.1)
    node.handle_timer(now + 0.5)
    streams = [effect for effect in node.outgoing() if isinstance(effect, OpenStream)]
    assert bool(streams) is (answer != "direct")
    if answer == "late":
        tell(node, Ack(ping.sequence), now + 0.6, target)
    if answer == "relayed":
        tell(node, Ack(ping.sequence), now + 0.6, endpoint(4))
    if answer == "stream":
        reply = seal_stream(encode_stream_message(Ack(ping.sequence)), PLAIN)
        node.stream_answered(streams[0].stream_id, reply, now + 0.7)
    node.handle_timer(now + 1.0)
    events = node.events()
    assert not [event for event in events if isinstance(event, MemberSuspected)]
    # Only when no packet came through at all is that worth telling.
    assert [type(event) for event in events] == ([PacketsBlocked] if answer == "stream" else [])


def test_swim_4_2_no_answer_at_all_makes_the_member_suspect_and_not_dead(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 4)
    now, _, ping = next_probe(node)
    node.handle_timer(now + 0.5)
    node.handle_timer(now + 0.99)
    assert node.events() == []
    node.handle_timer(now + 1.0)
    (event,) = node.events()
    assert isinstance(event, MemberSuspected)
    assert (event.member.name, event.member.state, event.accuser) == (ping.node, MemberState.SUSPECT, "me")


def test_an_ack_with_another_sequence_number_changes_nothing(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 1)
    now, _, ping = next_probe(node)
    tell(node, Ack(ping.sequence + 1), now + 0.1)
    node.handle_timer(now + 0.5)
    node.handle_timer(now + 1.0)
    assert [type(event) for event in node.events()] == [MemberSuspected]


def test_a_ping_is_answered_where_it_says_or_where_it_came_from(swim_node: MakeNode) -> None:
    node = swim_node()
    source = Endpoint("10.9.9.9", 1234)
    tell(node, Ping(7, "me", address(5), 4444, "p5"), 1.0, source)
    ((answered, ack),) = of_type(sent(node), Ack)
    assert isinstance(ack, Ack)
    assert (answered, ack.sequence) == (Endpoint("10.0.1.5", 4444), 7)
    tell(node, Ping(8), 1.0, source)
    assert [to for to, _ in of_type(sent(node), Ack)] == [source]


def test_a_ping_for_another_node_is_ignored(swim_node: MakeNode) -> None:
    node = swim_node()
    tell(node, Ping(7, "someone else"), 1.0)
    assert of_type(sent(node), Ack) == []
    request = seal_stream(encode_stream_message(Ping(7, "someone else")), PLAIN)
    assert node.receive_stream(request, endpoint(1), 1.0) is None


def test_a_ping_by_stream_is_answered_with_its_number_and_no_payload(swim_node: MakeNode) -> None:
    reply = swim_node().receive_stream(seal_stream(encode_stream_message(Ping(9, "me")), PLAIN), endpoint(1), 1.0)
    assert reply is not None
    assert open_stream(reply, PLAIN) == Ack(9, None)


def test_a_relay_probes_under_its_own_number_and_passes_the_ack_back(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 2)
    tell(node, IndirectPing(105, address(2), 7946, "p2", True, address(1), 7946, "p1"), 1.0)
    ((target, ping),) = of_type(sent(node), Ping)
    assert isinstance(ping, Ping)
    assert (target, ping.node, ping.source_node) == (endpoint(2), "p2", "me")
    tell(node, Ack(ping.sequence, b"payload"), 1.1, endpoint(2))
    assert of_type(sent(node), Ack) == [(endpoint(1), Ack(105, None))]
    node.handle_timer(2.0)
    assert of_type(sent(node), Nack) == []


@pytest.mark.parametrize("asked", [True, False])
def test_lifeguard_a_relay_that_hears_nothing_sends_a_nack_in_time_if_asked(swim_node: MakeNode, asked: bool) -> None:
    node = swim_node()
    introduce(node, 2)
    tell(node, IndirectPing(105, address(2), 7946, "p2", asked, address(1), 7946, "p1"), 1.0)
    node.outgoing()
    node.handle_timer(1.0 + 0.8 * LAN.probe_timeout_s)
    assert of_type(sent(node), Nack) == ([(endpoint(1), Nack(105))] if asked else [])


@pytest.mark.parametrize(("nacks", "score"), [(0, 3), (1, 2), (3, 0), (9, 0)])
def test_lifeguard_missing_nacks_lower_the_nodes_own_health(swim_node: MakeNode, nacks: int, score: int) -> None:
    node = swim_node()
    introduce(node, 5)
    now, _, ping = next_probe(node)
    node.handle_timer(now + 0.5)
    for _ in range(nacks):
        tell(node, Nack(ping.sequence), now + 0.9)
    node.handle_timer(now + 1.0)
    assert node.health_score == score


def test_lifeguard_without_nack_capable_relays_a_failed_probe_costs_one(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 5, bytes([1, 3, 2, 2, 5, 5]))
    now, _, _ = next_probe(node)
    node.handle_timer(now + 0.5)
    assert not [message for _, message in sent(node) if isinstance(message, IndirectPing) and message.nack]
    node.handle_timer(now + 1.0)
    assert node.health_score == 1


def test_lifeguard_a_node_in_bad_health_waits_longer_before_it_accuses(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 4)
    for incarnation in (1, 2, 3):
        tell(node, Suspect(incarnation, "me", "p1"), 0.0)
    assert node.health_score == 3
    now, _, _ = next_probe(node)
    node.events()
    node.handle_timer(now + 0.5)
    node.handle_timer(now + 3.9)
    assert node.events() == []
    node.handle_timer(now + 4.0)
    assert [type(event) for event in node.events()] == [MemberSuspected]


def test_lifeguard_a_suspect_hears_of_the_suspicion_with_its_probe(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 1)
    tell(node, Suspect(1, "p1", "p9"), 0.0)
    now = node.next_deadline()
    while not (packets := [e for e in node.outgoing() if isinstance(e, Datagram)]):
        now = node.next_deadline()
        node.handle_timer(now)
    messages = [decode_message(message) for packet in packets for message in open_packet(packet.data, PLAIN)]
    probes = [index for index, message in enumerate(messages) if isinstance(message, Ping)]
    if not probes:
        _, _, ping = next_probe(node)
        assert ping.node == "p1"
        return
    assert messages[probes[0] + 1] == Suspect(1, "p1", "me")


def test_a_delayed_node_gives_its_relays_their_full_time(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 4)
    now, _, _ = next_probe(node)
    stalled = now + 30.0
    node.handle_timer(stalled)
    assert not [event for event in node.events() if isinstance(event, MemberSuspected)]
    node.handle_timer(stalled + LAN.probe_interval_s - LAN.probe_timeout_s)
    assert [event for event in node.events() if isinstance(event, MemberSuspected)]


def test_the_gone_are_not_probed(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 3)
    tell(node, Dead(1, "p1", "p2"), 0.0)
    tell(node, Dead(1, "p2", "p2"), 0.0)
    for _ in range(6):
        now, _, ping = next_probe(node)
        assert ping.node == "p3"
        tell(node, Ack(ping.sequence), now)


def test_the_dead_still_get_gossip_so_that_they_can_refute(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 1)
    tell(node, Dead(1, "p1", "p2"), 0.0)
    destinations = set()
    for _ in range(20):
        node.handle_timer(node.next_deadline())
        destinations |= {to for to, message in sent(node) if message == Dead(1, "p1", "p2")}
    assert destinations == {endpoint(1)}


def test_a_refuted_suspicion_is_told(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 2)
    tell(node, Suspect(1, "p1", "p2"), 1.0)
    tell(node, Alive(2, "p1", address(1), 7946, b"", VERSIONS.encode()), 2.0)
    assert [type(event) for event in node.events()] == [MemberSuspected, MemberTrusted]


def test_swim_4_1_updates_ride_on_probes_and_acks(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 1)
    tell(node, Ping(1, "me"), 0.0)
    (packet,) = node.outgoing()
    assert isinstance(packet, Datagram)
    kinds = [type(decode_message(message)) for message in open_packet(packet.data, PLAIN)]
    assert kinds[0] is Ack
    assert Alive in kinds
    assert len(packet.data) <= LAN.packet_bytes


def test_no_packet_exceeds_its_budget(swim_node: MakeNode) -> None:
    node = swim_node()
    for index in range(1, 120):
        meta = bytes(index * 4)
        tell(node, Alive(1, f"p{index}", address(index), 7946, meta, VERSIONS.encode()), 0.0)
    sizes = []
    for _ in range(50):
        node.handle_timer(node.next_deadline())
        sizes += [len(effect.data) for effect in node.outgoing() if isinstance(effect, Datagram)]
    checksum_bytes = 5
    assert max(sizes) <= LAN.packet_bytes + checksum_bytes
    assert max(sizes) > LAN.packet_bytes // 2


def test_a_node_that_stood_still_reads_its_socket_before_it_judges(swim_node: MakeNode) -> None:
    """Event loops run timers first: the refutation that waits in the socket must still count."""
    node = swim_node()
    introduce(node, 3)
    tell(node, Suspect(1, "p1", "p2"), 1.0)
    node.handle_timer(1.0)
    due = node.next_deadline()
    assert due < 2.5
    # It wakes long after the suspicion was over.
    node.handle_timer(60.0)
    assert node.health_score == 1
    tell(node, Alive(2, "p1", address(1), 7946, b"", VERSIONS.encode()), 60.0)
    node.handle_timer(60.1)
    kinds = [type(event) for event in node.events()]
    assert MemberTrusted in kinds
    assert MemberFailed not in kinds


def test_a_probe_whose_answer_waited_through_a_standstill_is_no_failure(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 3)
    now, target, ping = next_probe(node)
    assert node.next_deadline() <= now + LAN.probe_timeout_s
    node.handle_timer(now + 30.0)
    tell(node, Ack(ping.sequence), now + 30.0, target)
    node.next_deadline()
    node.handle_timer(now + 30.1)
    assert not [event for event in node.events() if isinstance(event, MemberSuspected)]


def test_timers_that_are_a_little_late_are_no_standstill(swim_node: MakeNode) -> None:
    node = swim_node()
    introduce(node, 3)
    for _ in range(50):
        node.handle_timer(node.next_deadline() + 0.2)
        for destination, message in sent(node):
            if isinstance(message, Ping):
                tell(node, Ack(message.sequence), node.next_deadline(), destination)
    assert node.health_score == 0
