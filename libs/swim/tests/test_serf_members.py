"""Serf's table of members, its clocks, tags, filters and rings of recent messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_swim import VERSIONS, Member, MemberChange, MemberEvent, MemberState, Status, WireError
from lictor_swim.serf import Coordinate, SerfConfig, decode_coordinate, decode_tags, encode_coordinate, encode_tags
from lictor_swim.serf.filters import matches_filters, matches_plain
from lictor_swim.serf.lamport import LTIME_MAX, LamportClock
from lictor_swim.serf.members import SerfMembers
from lictor_swim.serf.recent import RING_SLOTS, SLOT_ENTRIES_MAX, RecentRing
from lictor_swim.serf.wire import JoinIntent, LeaveIntent, TagFilter, encode_node_filter, encode_tag_filter

CONFIG = SerfConfig(reap_interval_s=1, reconnect_timeout_s=100, tombstone_timeout_s=50, recent_intent_timeout_s=10)
PEER = Member("peer", bytes([10, 0, 0, 2]), 7946, encode_tags({"role": "db"}), VERSIONS.encode(), 1, MemberState.ALIVE)


class Table:
    """Members as one observer sees them, with `peer` brought to a status at status time 5."""

    def __init__(self, status: Status = Status.NONE) -> None:
        self.events: list[MemberEvent] = []
        self.members = SerfMembers("me", CONFIG, self.events.append)
        if status is Status.NONE:
            return
        self.members.joined(PEER, 0.0)
        self.members.join_intent(JoinIntent(4 if status in (Status.LEAVING, Status.LEFT) else 5, "peer"), 0.0)
        if status in (Status.LEAVING, Status.LEFT):
            self.members.leave_intent(LeaveIntent(5, "peer"), 0.0)
        if status in (Status.LEFT, Status.FAILED):
            self.members.gone(PEER, 0.0)
        self.events.clear()

    def status(self) -> Status:
        peer = self.members.find("peer")
        return Status.NONE if peer is None else peer.status

    def changes(self) -> list[MemberChange]:
        return [event.change for event in self.events]


N, A, V, L, F = Status.NONE, Status.ALIVE, Status.LEAVING, Status.LEFT, Status.FAILED
JOINED, LEAVING, LEFT, FAILED, REAPED = (
    MemberChange.JOINED,
    MemberChange.LEAVING,
    MemberChange.LEFT,
    MemberChange.FAILED,
    MemberChange.REAPED,
)


@pytest.mark.parametrize(
    ("before", "act", "after", "change", "passed_on"),
    [
        (N, "join", A, JOINED, None), (A, "join", A, JOINED, None), (V, "join", A, JOINED, None),
        (L, "join", A, JOINED, None), (F, "join", A, JOINED, None),
        (N, "gone", N, None, None), (A, "gone", F, FAILED, None), (V, "gone", L, LEFT, None),
        (L, "gone", L, None, None), (F, "gone", F, None, None),
        (N, "leave 6", N, None, True), (A, "leave 6", V, LEAVING, True), (V, "leave 6", V, None, True),
        (L, "leave 6", L, None, True), (F, "leave 6", L, LEFT, True),
        (A, "leave 5", A, None, False), (V, "leave 5", V, None, False), (F, "leave 5", F, None, False),
        (N, "intent 6", N, None, True), (A, "intent 6", A, None, True), (V, "intent 6", A, JOINED, True),
        (L, "intent 6", L, None, True), (F, "intent 6", F, None, True),
        (A, "intent 5", A, None, False), (V, "intent 5", V, None, False),
        (N, "prune 6", N, None, True), (L, "prune 6", N, REAPED, True),
    ],
)  # fmt: skip
def test_every_input_in_every_status(
    before: Status, act: str, after: Status, change: MemberChange | None, passed_on: bool | None
) -> None:
    table = Table(before)
    assert table.status() == before
    kind, _, ltime = act.partition(" ")
    result = None
    match kind:
        case "join":
            table.members.joined(PEER, 1.0)
        case "gone":
            table.members.gone(PEER, 1.0)
        case "intent":
            result = table.members.join_intent(JoinIntent(int(ltime), "peer"), 1.0)
        case _:
            result = table.members.leave_intent(LeaveIntent(int(ltime), "peer", kind == "prune"), 1.0)
    assert table.status() == after
    assert table.changes() == ([change] if change else [])
    assert result == passed_on


def test_pruning_a_failed_member_makes_it_leave_and_then_disappear() -> None:
    table = Table(F)
    table.members.leave_intent(LeaveIntent(6, "peer", prune=True), 1.0)
    assert table.changes() == [LEFT, REAPED]
    assert table.status() == N


def test_a_pruned_member_that_is_still_leaving_disappears_later() -> None:
    table = Table(V)
    table.members.leave_intent(LeaveIntent(6, "peer", prune=True), 1.0)
    deadline = table.members.reap_deadline()
    assert deadline == pytest.approx(7.0)
    table.members.reap(6.9)
    assert table.status() == V
    table.members.reap(deadline)
    assert table.status() == N
    assert table.members.reap_deadline() == float("inf")


@pytest.mark.parametrize("way", ["join intent", "alive claim"])
def test_a_leaving_member_that_refutes_is_not_pruned(way: str) -> None:
    table = Table(V)
    table.members.leave_intent(LeaveIntent(6, "peer", prune=True), 1.0)
    if way == "join intent":
        table.members.join_intent(JoinIntent(7, "peer"), 2.0)
    else:
        table.members.joined(PEER, 2.0)
    table.members.reap(100.0)
    assert table.status() == A
    assert table.members.reap_deadline() == float("inf")


@pytest.mark.parametrize(("status", "lives_s"), [(F, 100), (L, 50)])
def test_the_gone_are_shown_for_their_time_and_then_reaped(status: Status, lives_s: float) -> None:
    table = Table(status)
    table.members.reap(lives_s)
    assert table.status() == status
    table.members.reap(lives_s + 0.1)
    assert table.changes() == [REAPED]


@pytest.mark.parametrize(
    ("intents", "status", "ltime"),
    [
        ([JoinIntent(7, "peer")], A, 7),
        ([LeaveIntent(7, "peer")], V, 7),
        ([LeaveIntent(7, "peer"), JoinIntent(8, "peer")], A, 8),
        ([JoinIntent(8, "peer"), LeaveIntent(9, "peer")], V, 9),
    ],
)
def test_intents_about_unknown_nodes_are_kept_until_the_node_appears(
    intents: list[JoinIntent | LeaveIntent], status: Status, ltime: int
) -> None:
    table = Table()
    for intent in intents:
        keep = table.members.join_intent if isinstance(intent, JoinIntent) else table.members.leave_intent
        assert keep(intent, 0.0)  # type: ignore[arg-type]
        assert not keep(intent, 0.0), "the same intent is not passed on twice"  # type: ignore[arg-type]
    table.members.joined(PEER, 1.0)
    assert table.members.status_ltimes() == {"peer": ltime}
    assert table.status() == status


def test_kept_intents_expire() -> None:
    table = Table()
    table.members.leave_intent(LeaveIntent(7, "peer"), 0.0)
    table.members.reap(10.0)
    table.members.joined(PEER, 11.0)
    assert table.status() == A


def test_tables_of_members_and_intents_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lictor_swim.serf.members.MEMBERS_MAX", 1)
    monkeypatch.setattr("lictor_swim.serf.members.INTENTS_MAX", 1)
    table = Table(F)
    table.members.joined(Member("next", *_rest(PEER)), 1.0)
    assert [member.name for member in table.members.values()] == ["next"]
    assert table.members.join_intent(JoinIntent(1, "x"), 1.0)
    assert not table.members.join_intent(JoinIntent(1, "y"), 1.0)


def _rest(member: Member) -> tuple[bytes, int, bytes, bytes, int, MemberState]:
    return (member.address, member.port, member.meta, member.versions, member.incarnation, member.state)


@given(st.lists(st.integers(0, LTIME_MAX), max_size=20))
def test_a_clock_is_always_beyond_what_it_witnessed(times: list[int]) -> None:
    clock = LamportClock()
    for ltime in times:
        before = clock.time
        clock.witness(ltime)
        assert clock.time >= max(before, min(ltime + 1, LTIME_MAX))
        sent = clock.advance()
        assert sent <= LTIME_MAX


def test_a_ring_admits_each_message_once_and_none_that_is_too_old() -> None:
    ring: RecentRing[str] = RecentRing()
    assert ring.admit(5, "a")
    assert ring.admit(5, "b")
    assert not ring.admit(5, "a")
    assert ring.admit(5 + RING_SLOTS, "a")
    assert not ring.admit(5, "c"), "the slot holds something newer"
    assert ring.admit(3 * RING_SLOTS, "x")
    assert not ring.admit(2 * RING_SLOTS, "old")
    ring.oldest_accepted = 4 * RING_SLOTS
    assert not ring.admit(4 * RING_SLOTS - 1, "before we joined")
    assert ring.admit(4 * RING_SLOTS, "after")


def test_one_slot_of_a_ring_is_bounded() -> None:
    ring: RecentRing[int] = RecentRing()
    assert sum(ring.admit(1, entry) for entry in range(100)) == SLOT_ENTRIES_MAX


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=5))
def test_tags_decode_as_they_were_encoded(tags: dict[str, str]) -> None:
    assert decode_tags(encode_tags(tags)) == tags


def test_tags_have_their_limit_and_their_older_form() -> None:
    with pytest.raises(ValueError, match="512"):
        encode_tags({"key": "x" * 512})
    assert decode_tags(b"") == {}
    assert decode_tags(b"web") == {"role": "web"}
    assert decode_tags(b"\xff\x81\xc1") == {}


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x02\x80", b"\x01\x81\xa3Vec\x91\x00", encode_coordinate(Coordinate(error=float("nan")))],
)
def test_broken_coordinates_are_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_coordinate(payload)


def tag(expression: str) -> bytes:
    return encode_tag_filter(TagFilter("role", expression))


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        (None, True),
        ((encode_node_filter(("me", "you")),), True),
        ((encode_node_filter(("you",)),), False),
        ((tag("db"),), True),
        ((tag("^d.$"),), True),
        ((tag("^(web|db)$"),), False),
        ((tag("web|db"),), True),
        ((tag("d.*b"),), True),
        ((tag("[cd]b"),), True),
        ((tag("web"),), False),
        ((tag("db"), encode_node_filter(("you",))), False),
        ((encode_tag_filter(TagFilter("absent", "^$")),), True),
        ((b"\x07\x80",), False),
        ((b"",), False),
        ((tag("(a+)+$"),), False),
        ((tag(".*.*.*.*x"),), False),
        ((tag("[" * 3),), False),
        ((tag("x" * 300),), False),
    ],
)
def test_filters_decide_whom_a_query_is_for(filters: tuple[bytes, ...] | None, matches: bool) -> None:
    assert (
        matches_filters(filters, "me", {"role": "dbb" if filters == (tag("d.*b"),) else "db"}, matches_plain) is matches
    )
