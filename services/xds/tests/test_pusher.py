"""The pusher: quiet period, longest wait, first configurations ahead, a rate that delays and never drops."""

from collections.abc import Sequence

import pytest

from lictor_xds.pusher import LONGEST_S, PER_SECOND, QUIET_S, SLICE, Pusher


class Clock:
    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pusher(clock: Clock, per_second: float = PER_SECOND) -> Pusher[int]:
    def rebuild(_keys: Sequence[int]) -> None:
        raise AssertionError("taken by hand")

    return Pusher(rebuild, clock, per_second=per_second)


def test_nothing_marked_waits_for_ever(clock: Clock) -> None:
    assert pusher(clock).wait_s() is None


def test_marks_are_gathered_until_it_is_quiet(clock: Clock) -> None:
    one = pusher(clock)
    one.mark(1)
    clock.now += QUIET_S / 2
    one.mark(2)
    one.mark(1)
    assert one.wait_s() == pytest.approx(QUIET_S)
    clock.now += QUIET_S
    assert one.wait_s() == pytest.approx(0.0)
    assert one.take() == [1, 2]
    assert one.wait_s() is None


def test_a_state_that_never_rests_is_pushed_after_the_longest_wait(clock: Clock) -> None:
    one = pusher(clock)
    started = clock.now
    one.mark(1)
    while one.wait_s() != 0.0 and clock.now < started + 10:
        clock.now += QUIET_S / 2
        one.mark(1)
    assert clock.now - started == pytest.approx(LONGEST_S, abs=QUIET_S)


def test_who_has_nothing_yet_goes_first_and_at_once(clock: Clock) -> None:
    one = pusher(clock)
    one.mark(1)
    one.mark(2)
    one.mark(2, first=True)
    assert one.wait_s() == 0.0
    assert one.take()[0] == 2


def test_the_rate_delays_and_never_drops(clock: Clock) -> None:
    one = pusher(clock, per_second=20)
    for key in range(60):
        one.mark(key)
    started = clock.now
    taken: list[int] = []
    while (wait_s := one.wait_s()) is not None:
        clock.now += wait_s + 1e-6  # a clock always moves on a little
        if wait_s == 0:
            keys = one.take()
            assert len(keys) <= SLICE
            taken += keys
    assert taken == list(range(60))
    assert clock.now - started == pytest.approx((60 - 20) / 20, abs=0.2)


def test_a_forgotten_key_is_not_rebuilt(clock: Clock) -> None:
    one = pusher(clock)
    one.mark(1)
    one.mark(2, first=True)
    one.forget(1)
    one.forget(2)
    assert one.wait_s() is None
