"""Coalescing: what waits, how long, and what is reported of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_swim import (
    VERSIONS,
    LeaveCompleted,
    MemberChange,
    MemberEvent,
    SerfEvent,
    SerfMember,
    Status,
    UserEvent,
    UserEventReceived,
)
from lictor_swim.serf.coalescing import NAMES_MAX, Coalescing

JOINED, FAILED, UPDATED, REAPED = MemberChange.JOINED, MemberChange.FAILED, MemberChange.UPDATED, MemberChange.REAPED


def change(kind: MemberChange, name: str = "a") -> MemberEvent:
    return MemberEvent(kind, SerfMember(name, b"\x0a\0\0\1", 1, {}, Status.ALIVE, 1, VERSIONS.encode(), 1, 0.0))


def user(ltime: int, name: str = "deploy", payload: bytes = b"", *, coalesce: bool = True) -> UserEventReceived:
    return UserEventReceived(UserEvent(ltime, name, payload, coalesce))


def changes(events: list[SerfEvent]) -> list[tuple[str, MemberChange]]:
    return [(event.member.name, event.change) for event in events if isinstance(event, MemberEvent)]


def test_changes_wait_for_a_quiet_second_and_only_the_last_of_each_member_is_reported() -> None:
    waiting = Coalescing()
    assert waiting.take([change(JOINED), change(JOINED, "b")], 10.0) == []
    assert waiting.take([change(FAILED)], 10.9) == []
    assert waiting.deadline() == pytest.approx(11.9)
    assert waiting.due(11.8) == []
    assert changes(waiting.due(11.9)) == [("a", FAILED), ("b", JOINED)]
    assert waiting.deadline() == float("inf")


def test_a_pool_that_is_never_quiet_is_reported_every_three_seconds() -> None:
    waiting = Coalescing()
    reported = []
    for step in range(40):
        now = step * 0.25
        if waiting.take([change(JOINED if step % 2 else FAILED)], now):
            reported.append(now)
    assert reported == [3.0, 6.25, 9.5]


def test_what_was_reported_last_is_not_reported_again_except_updates() -> None:
    waiting = Coalescing()
    for at, kind, seen in ((0, JOINED, 1), (5, FAILED, 1), (10, FAILED, 0), (15, UPDATED, 1), (20, UPDATED, 1)):
        waiting.take([change(kind)], float(at))
        assert len(waiting.due(at + 1.0)) == seen
    # Down and up within the quiet time: nothing happened.
    waiting.take([change(JOINED)], 30.0)
    waiting.due(31.0)
    waiting.take([change(FAILED), change(JOINED)], 40.0)
    assert waiting.due(41.0) == []


def test_a_member_that_is_reaped_is_forgotten() -> None:
    waiting = Coalescing()
    waiting.take([change(REAPED)], 0.0)
    assert changes(waiting.due(1.0)) == [("a", REAPED)]
    waiting.take([change(REAPED)], 5.0)
    assert changes(waiting.due(6.0)) == [("a", REAPED)]


def test_of_user_events_of_one_name_the_newest_are_reported_and_the_others_pass_at_once() -> None:
    waiting = Coalescing()
    urgent = user(9, "urgent", coalesce=False)
    assert waiting.take([user(3), user(5, payload=b"x"), user(4), user(5, payload=b"y"), urgent], 0.0) == [urgent]
    assert waiting.due(1.0) == [user(5, payload=b"x"), user(5, payload=b"y")]


def test_other_events_never_wait() -> None:
    assert Coalescing().take([LeaveCompleted()], 0.0) == [LeaveCompleted()]


def test_a_flood_of_names_is_reported_early_and_not_kept() -> None:
    waiting = Coalescing()
    passed = waiting.take([user(1, f"n{index}") for index in range(NAMES_MAX + 5)], 0.0)
    assert len(passed) == NAMES_MAX
    assert len(waiting.due(10.0)) == 5


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from("ab"), st.sampled_from(MemberChange)), max_size=40))
def test_the_last_report_of_a_member_is_always_its_last_change(story: list[tuple[float, str, MemberChange]]) -> None:
    waiting = Coalescing()
    now, last, reported = 0.0, {}, {}
    for pause, name, kind in story:
        now += pause
        last[name] = kind
        reported.update(dict(changes(waiting.due(now) + waiting.take([change(kind, name)], now))))
    reported.update(dict(changes(waiting.due(now + 3.0))))
    assert reported == last
