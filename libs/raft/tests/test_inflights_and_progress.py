"""The window per peer, and the three states of replication."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_raft.inflights import Inflights
from lictor_raft.progress import Progress, ProgressState


def peer(match: int = 0, next_index: int = 1, messages_max: int = 3, bytes_max: int = 100) -> Progress:
    return Progress(match=match, next_index=next_index, inflights=Inflights(messages_max, bytes_max), is_learner=False)


def test_a_window_is_full_by_count() -> None:
    window = Inflights(2, 1000)
    window.add(5, 1)
    assert not window.full()
    window.add(6, 1)
    assert window.full()


def test_a_window_is_full_by_bytes_and_the_message_that_crosses_the_bound_still_goes() -> None:
    window = Inflights(10, 100)
    window.add(5, 99)
    assert not window.full()
    window.add(6, 500)
    assert window.full()
    assert window.bytes == 599


def test_sending_into_a_full_window_is_our_own_mistake() -> None:
    window = Inflights(1, 1000)
    window.add(5, 1)
    with pytest.raises(AssertionError, match="full window"):
        window.add(6, 1)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 50)), max_size=20), st.integers(0, 60))
def test_freeing_forgets_exactly_what_ends_at_or_before_the_index(steps: list[tuple[int, int]], freed: int) -> None:
    window = Inflights(1000, 10**6)
    sent = []
    index = 0
    for step, size in steps:
        index += step
        window.add(index, size)
        sent.append((index, size))
    window.free_to(freed)
    left = [(last, size) for last, size in sent if last > freed]
    assert len(window) == len(left)
    assert window.bytes == sum(size for _, size in left)


def test_a_probe_sends_one_append_and_waits() -> None:
    progress = peer(next_index=5)
    progress.sent_entries(2, 20)
    assert progress.is_paused()
    assert progress.next == 5


def test_an_empty_probe_does_not_pause() -> None:
    progress = peer(next_index=5)
    progress.sent_entries(0, 0)
    assert not progress.is_paused()


def test_replication_runs_ahead_until_the_window_is_full() -> None:
    progress = peer(match=4)
    progress.become_replicate()
    assert progress.next == 5
    for _ in range(3):
        assert not progress.is_paused()
        progress.sent_entries(2, 1)
    assert progress.next == 11
    assert progress.is_paused()


def test_a_snapshot_pauses_until_an_acknowledgement_or_a_report() -> None:
    progress = peer(match=3, next_index=4)
    progress.become_snapshot(10)
    assert progress.is_paused()
    assert (progress.next, progress.pending_snapshot) == (11, 10)
    progress.become_probe()
    assert (progress.next, progress.state) == (11, ProgressState.PROBE)


def test_a_failed_snapshot_probes_from_the_match() -> None:
    progress = peer(match=3, next_index=4)
    progress.become_snapshot(10)
    progress.pending_snapshot = 0
    progress.become_probe()
    assert progress.next == 4


@pytest.mark.parametrize(
    ("match", "next_index", "acked", "updated", "match_after", "next_after"),
    [(3, 5, 2, False, 3, 5), (3, 5, 3, False, 3, 5), (3, 5, 4, True, 4, 5), (3, 5, 7, True, 7, 8)],
)
def test_an_acknowledgement_moves_match_and_next_forward_only(
    match: int, next_index: int, acked: int, updated: bool, match_after: int, next_after: int
) -> None:
    progress = peer(match, next_index)
    assert progress.maybe_update(acked) is updated
    assert (progress.match, progress.next) == (match_after, next_after)


@pytest.mark.parametrize(
    ("state", "match", "next_index", "rejected", "hint", "genuine", "next_after"),
    [
        ("replicate", 5, 10, 5, 5, False, 10),
        ("replicate", 5, 10, 4, 4, False, 10),
        ("replicate", 5, 10, 9, 9, True, 6),
        ("probe", 0, 0, 5, 5, False, 0),
        ("probe", 0, 10, 5, 5, False, 10),
        ("probe", 0, 10, 9, 9, True, 9),
        ("probe", 0, 2, 1, 1, True, 1),
        ("probe", 0, 10, 9, 2, True, 3),
        ("probe", 0, 10, 9, 0, True, 1),
        ("probe", 4, 10, 9, 1, True, 5),
    ],
)
def test_a_rejection_moves_next_back_unless_it_is_stale(
    state: str, match: int, next_index: int, rejected: int, hint: int, genuine: bool, next_after: int
) -> None:
    progress = peer(match, next_index)
    progress.state = ProgressState(state)
    assert progress.maybe_decrease_to(rejected, hint) is genuine
    assert progress.next == next_after


def test_a_commit_index_is_worth_sending_only_if_the_peer_could_use_it() -> None:
    progress = peer(match=4)
    progress.become_replicate()
    progress.sent_entries(2, 1)
    progress.sent_commit = 4
    assert progress.can_bump_commit(5)
    progress.sent_commit = 6
    assert not progress.can_bump_commit(7)
    assert not progress.can_bump_commit(6)
