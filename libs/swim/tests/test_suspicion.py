"""Timers of suspicion, health and dissemination against the figures of the papers and of memberlist."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_swim import FAST, LAN, LOCAL, WAN, SwimConfig
from lictor_swim.awareness import Awareness
from lictor_swim.broadcast_queue import BroadcastQueue, retransmit_limit
from lictor_swim.push_pull import push_pull_interval_s
from lictor_swim.suspicion import Suspicion, shortest_suspicion_s, suspicion_s


@pytest.mark.parametrize(
    ("config", "pool", "seconds"),
    [
        (LAN, 1, 4.0),
        (LAN, 10, 4.0),
        (LAN, 100, 8.0),
        (LAN, 1000, 12.0),
        (LAN, 5000, 14.8),
        (LAN, 10_000, 16.0),
        (WAN, 10, 30.0),
        (WAN, 1000, 90.0),
        (LOCAL, 10, 3.0),
        (LOCAL, 5000, 11.1),
        (FAST, 4, 0.6),
    ],
)
def test_the_shortest_suspicion_grows_with_the_logarithm_of_the_pool(
    config: SwimConfig, pool: int, seconds: float
) -> None:
    assert shortest_suspicion_s(config, pool) == pytest.approx(seconds, abs=0.01 * seconds)


@pytest.mark.parametrize(("confirmations", "seconds"), [(0, 24.0), (1, 11.381), (2, 4.0), (3, 4.0)])
def test_confirmations_shorten_a_suspicion_on_a_logarithmic_scale(confirmations: int, seconds: float) -> None:
    assert suspicion_s(confirmations, 2, 4.0, 24.0) == pytest.approx(seconds, abs=0.001)


def test_only_distinct_accusers_confirm_and_only_as_many_as_wanted() -> None:
    suspicion = Suspicion("a", 100.0, LAN, 10)
    assert suspicion.deadline == pytest.approx(124.0)
    assert not suspicion.confirm("a", 101.0)
    assert suspicion.confirm("b", 101.0)
    assert not suspicion.confirm("b", 101.0)
    assert suspicion.deadline == pytest.approx(111.381, abs=0.001)
    assert suspicion.confirm("c", 101.0)
    assert suspicion.deadline == pytest.approx(104.0)
    assert not suspicion.confirm("d", 101.0)


def test_a_late_confirmation_ends_a_suspicion_now_and_not_in_the_past() -> None:
    suspicion = Suspicion("a", 100.0, LAN, 10)
    assert suspicion.confirm("b", 120.0)
    assert suspicion.deadline == 120.0


def test_a_pool_too_small_to_confirm_starts_at_the_shortest_time() -> None:
    assert Suspicion("a", 0.0, LAN, 3).deadline == pytest.approx(4.0)
    assert Suspicion("a", 0.0, LAN, 4).deadline == pytest.approx(24.0)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=12), st.integers(1, 10_000))
def test_confirmations_never_lengthen_a_suspicion(accusers: list[str], pool: int) -> None:
    suspicion = Suspicion("a", 0.0, LAN, pool)
    before = suspicion.deadline
    for accuser in accusers:
        suspicion.confirm(accuser, 0.0)
        assert shortest_suspicion_s(LAN, pool) <= suspicion.deadline <= before
        before = suspicion.deadline


def test_the_health_score_stays_within_its_bounds() -> None:
    awareness = Awareness(8)
    awareness.apply(-1)
    assert awareness.score == 0
    awareness.apply(100)
    assert awareness.score == 7
    assert awareness.scale(1.0) == 8.0


@pytest.mark.parametrize(
    ("multiplier", "pool", "limit"),
    [(4, 1, 4), (4, 9, 4), (4, 10, 8), (4, 100, 12), (4, 1000, 16), (4, 10_000, 20), (2, 9, 2)],
)
def test_each_update_goes_out_lambda_log_n_times(multiplier: int, pool: int, limit: int) -> None:
    assert retransmit_limit(multiplier, pool) == limit


@pytest.mark.parametrize(("pool", "factor"), [(1, 1), (32, 1), (33, 2), (64, 2), (65, 3), (128, 3), (5000, 9)])
def test_large_pools_exchange_state_less_often(pool: int, factor: int) -> None:
    assert push_pull_interval_s(30.0, pool) == 30.0 * factor


def test_updates_that_went_out_least_go_first_and_longer_before_shorter() -> None:
    queue = BroadcastQueue(10, 1400)
    queue.enqueue(b"old", now=0.0)
    assert queue.take(0, 10, 9) == [b"old"]
    queue.enqueue(b"new", now=0.0)
    queue.enqueue(b"longer", now=0.0)
    assert queue.take(0, 100, 9) == [b"longer", b"new", b"old"]


def test_an_update_that_does_not_fit_waits_while_shorter_ones_go() -> None:
    queue = BroadcastQueue(10, 1400)
    queue.enqueue(b"x" * 50, now=0.0)
    queue.enqueue(b"short", now=0.0)
    assert queue.take(2, 20, 9) == [b"short"]
    assert queue.take(2, 52, 9) == [b"x" * 50]
    assert len(queue) == 2


def test_an_update_is_done_after_its_last_transmission() -> None:
    queue = BroadcastQueue(10, 1400)
    broadcast = queue.enqueue(b"news", now=0.0)
    for _ in range(3):
        assert queue.is_pending(broadcast)
        assert queue.take(2, 100, 3) == [b"news"]
    assert not queue.is_pending(broadcast)
    assert queue.take(2, 100, 3) == []


def test_an_update_about_a_node_replaces_the_one_before() -> None:
    queue = BroadcastQueue(10, 1400)
    first = queue.enqueue(b"a is suspect", "a", now=0.0)
    queue.enqueue(b"b is suspect", "b", now=0.0)
    second = queue.enqueue(b"a is alive", "a", now=0.0)
    assert not queue.is_pending(first)
    assert queue.is_pending(second)
    assert set(queue.take(0, 100, 9)) == {b"a is alive", b"b is suspect"}


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=30), st.sampled_from(["", "a", "b"])), max_size=30),
    st.integers(5, 80),
)
def test_a_queue_stays_within_its_depth_and_every_packet_within_its_budget(
    updates: list[tuple[bytes, str]], budget: int
) -> None:
    queue = BroadcastQueue(8, 1400)
    for message, name in updates:
        queue.enqueue(message, name, now=0.0)
        assert len(queue) <= 8
    sent = 0
    while taken := queue.take(2, budget, 3):
        assert sum(len(message) + 2 for message in taken) <= budget
        sent += len(taken)
    assert sent <= 3 * len(updates)
    assert all(len(message) + 2 > budget for message in queue.take(2, 10_000, 1))


@pytest.mark.parametrize(
    "changes", [{"probe_timeout_s": 2.0}, {"suspicion_mult": 0}, {"gossip_interval_s": 0.0}, {"awareness_max": 0}]
)
def test_a_profile_that_cannot_work_is_refused(changes: dict[str, float]) -> None:
    settings = {
        "probe_interval_s": 1.0,
        "probe_timeout_s": 0.5,
        "suspicion_mult": 4,
        "gossip_interval_s": 0.2,
        "gossip_to_the_dead_s": 30.0,
        "push_pull_interval_s": 30.0,
        "stream_timeout_s": 10.0,
    }
    with pytest.raises(ValueError, match="must be"):
        SwimConfig(**{**settings, **changes})  # type: ignore[arg-type]
