"""What a node remembers against others: who accused, who confirmed, how late, and how well it was itself."""

from collections.abc import Callable

from lictor_swim import LAN, Datagram, Endpoint, HistoryKind, SwimNode
from lictor_swim.history import ENTRIES_MAX, NAMES_MAX, History, HistoryEntry
from lictor_swim.wire import Ack, Nack, Suspect, encode_message, open_packet, seal_packet
from lictor_swim.wire.messages import Alive, Dead, IndirectPing, Message, Ping, decode_message
from lictor_swim.wire.packet import Framing

PLAIN = Framing(compress=False)
PEER = Endpoint("10.0.0.2", 7946)
VERSION = b"\x01\x05\x02\x02\x05\x05"


def tell(node: SwimNode, message: Message, now: float) -> None:
    node.receive_datagram(seal_packet([encode_message(message)], PLAIN), PEER, now)


def sent(node: SwimNode, kind: type[Message]) -> list[Message]:
    found: list[Message] = []
    for effect in node.outgoing():
        if isinstance(effect, Datagram):
            found.extend(m for m in map(decode_message, open_packet(effect.data, PLAIN)) if isinstance(m, kind))
    return found


def alive(name: str, last: int, incarnation: int = 1) -> Alive:
    return Alive(incarnation, name, bytes([10, 0, 0, last]), 7946, b"", VERSION)


def kinds(node: SwimNode, name: str) -> list[HistoryKind]:
    return [entry.what for entry in node.history(name)]


def test_a_healthy_member_has_no_story(swim_node: Callable[..., SwimNode]) -> None:
    node = swim_node()
    tell(node, alive("peer", 2), 1.0)
    assert node.history("peer") == ()
    assert node.history("nobody") == ()


def test_a_story_names_the_accuser_the_confirmers_and_the_end(swim_node: Callable[..., SwimNode]) -> None:
    node = swim_node()
    for index, name in enumerate(("peer", "a", "b", "c")):
        tell(node, alive(name, index + 2), 1.0)
    tell(node, Suspect(1, "peer", "a"), 2.0)
    tell(node, Suspect(1, "peer", "b"), 2.5)
    tell(node, Suspect(1, "peer", "b"), 2.6)  # again: no news
    tell(node, Dead(1, "peer", "c"), 4.0)
    tell(node, alive("peer", 2, 2), 9.0)
    story = node.history("peer")
    assert [(entry.at, entry.what, entry.by, entry.incarnation) for entry in story] == [
        (2.0, HistoryKind.SUSPECTED, "a", 1),
        (2.5, HistoryKind.CONFIRMED, "b", 1),
        (4.0, HistoryKind.FAILED, "c", 1),
        (9.0, HistoryKind.RETURNED, "peer", 2),
    ]


def test_a_refutation_and_a_departure_are_told(swim_node: Callable[..., SwimNode]) -> None:
    node = swim_node()
    tell(node, alive("peer", 2), 1.0)
    tell(node, Suspect(1, "peer", "a"), 2.0)
    tell(node, alive("peer", 2, 2), 3.0)
    tell(node, Dead(2, "peer", "peer"), 4.0)
    assert kinds(node, "peer") == [HistoryKind.SUSPECTED, HistoryKind.REFUTED, HistoryKind.LEFT]


def test_a_failed_probe_tells_what_relays_said_and_an_answer_after_all_how_late_it_was(
    swim_node: Callable[..., SwimNode],
) -> None:
    node = swim_node(LAN)
    for index, name in enumerate(("peer", "relay")):
        tell(node, alive(name, index + 2), 0.0)
    asked: list[Message] = []
    now = 0.0
    target = ""
    while not node.history(target):
        now += 0.05
        node.handle_timer(now)
        for message in sent(node, object):  # type: ignore[arg-type]
            if isinstance(message, Ping) and not target:
                asked.append(message)
                target = message.node
            if isinstance(message, IndirectPing):
                tell(node, Nack(message.sequence), now + 0.01)
        assert now < 5.0
    first = node.history(target)[0]
    assert first.what is HistoryKind.PROBE_FAILED
    assert first.by == "me"
    assert first.after_s >= LAN.probe_interval_s
    assert "1 of 1 relays" in first.detail
    assert isinstance(asked[0], Ping)
    tell(node, Ack(asked[0].sequence), now + 0.7)
    late = node.history(target)[-1]
    assert late.what is HistoryKind.ACK_LATE
    assert late.after_s > first.after_s + 0.6


def test_an_ack_between_timeout_and_the_probes_end_is_late_but_saves_the_member(
    swim_node: Callable[..., SwimNode],
) -> None:
    node = swim_node(LAN)
    tell(node, alive("peer", 2), 0.0)
    now, probe = 0.0, None
    while probe is None:
        now += 0.01
        node.handle_timer(now)
        probe = next(iter(sent(node, Ping)), None)
    assert isinstance(probe, Ping)
    node.handle_timer(now + 0.6)
    tell(node, Ack(probe.sequence), now + 0.7)
    assert kinds(node, "peer") == [HistoryKind.ACK_LATE]
    assert 0.6 < node.history("peer")[0].after_s < 0.8


def test_stories_are_bounded_in_length_and_number() -> None:
    history = History()
    for index in range(3 * ENTRIES_MAX):
        history.record("x", HistoryEntry(float(index), HistoryKind.SUSPECTED, "a", 1, 0))
    assert len(history.of("x")) == ENTRIES_MAX
    assert history.of("x")[-1].at == 3 * ENTRIES_MAX - 1
    for index in range(2 * NAMES_MAX):
        history.record(f"n{index}", HistoryEntry(0.0, HistoryKind.SUSPECTED, "a", 1, 0))
        history.record("x", HistoryEntry(0.0, HistoryKind.SUSPECTED, "a", 1, 0))
    assert history.of("n0") == ()
    assert history.of("x")
    assert history.of(f"n{2 * NAMES_MAX - 1}")
