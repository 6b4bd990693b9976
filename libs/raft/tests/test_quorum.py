"""Majorities against a table and against counting by hand."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_raft import ConfState
from lictor_raft.quorum import EVERYTHING, VoteResult, joint_vote_result, majority_value, vote_result
from lictor_raft.tracker import Tracker


@pytest.mark.parametrize(
    ("values", "reached"),
    [
        ([], EVERYTHING),
        ([7], 7),
        ([7, 0], 0),
        ([7, 5], 5),
        ([7, 5, 0], 5),
        ([7, 0, 0], 0),
        ([1, 2, 3, 4], 2),
        ([5, 5, 5, 1], 5),
        ([1, 2, 3, 4, 5], 3),
        ([0, 0, 9, 9, 9], 9),
    ],
)
def test_a_majority_reaches_the_value_that_the_table_says(values: list[int], reached: int) -> None:
    assert majority_value(values) == reached


@given(st.lists(st.integers(0, 20), min_size=1, max_size=9))
def test_the_majority_value_is_the_largest_that_more_than_half_have_reached(values: list[int]) -> None:
    by_hand = max(v for v in values if sum(other >= v for other in values) * 2 > len(values))
    assert majority_value(list(values)) == by_hand


@pytest.mark.parametrize(
    ("voters", "yes", "no", "result"),
    [
        ((), (), (), VoteResult.WON),
        ((1,), (), (), VoteResult.PENDING),
        ((1,), (1,), (), VoteResult.WON),
        ((1,), (), (1,), VoteResult.LOST),
        ((1, 2), (1,), (), VoteResult.PENDING),
        ((1, 2), (1,), (2,), VoteResult.LOST),
        ((1, 2, 3), (1, 2), (), VoteResult.WON),
        ((1, 2, 3), (1,), (2,), VoteResult.PENDING),
        ((1, 2, 3), (1,), (2, 3), VoteResult.LOST),
        ((1, 2, 3, 4), (1, 2), (3,), VoteResult.PENDING),
        ((1, 2, 3, 4), (1, 2), (3, 4), VoteResult.LOST),
        ((1, 2, 3), (8, 9), (7,), VoteResult.PENDING),
    ],
)
def test_a_vote_stands_as_the_table_says(
    voters: tuple[int, ...], yes: tuple[int, ...], no: tuple[int, ...], result: VoteResult
) -> None:
    votes = dict.fromkeys(yes, True) | dict.fromkeys(no, False)
    assert vote_result(voters, votes) is result


@given(st.sets(st.integers(1, 9), min_size=1), st.dictionaries(st.integers(1, 12), st.booleans()))
def test_a_vote_is_decided_exactly_when_no_further_answer_can_change_it(
    voters: set[int], votes: dict[int, bool]
) -> None:
    needed = len(voters) // 2 + 1
    yes = sum(votes.get(voter, False) for voter in voters)
    best = sum(votes.get(voter, True) for voter in voters)
    expected = VoteResult.WON if yes >= needed else VoteResult.PENDING if best >= needed else VoteResult.LOST
    assert vote_result(sorted(voters), votes) is expected


# --- both halves of a joint configuration ---------------------------------------------------------------------

HALVES = st.tuples(st.sets(st.integers(1, 6), min_size=1, max_size=5), st.sets(st.integers(1, 6), max_size=5))


def tracker(voters: set[int], outgoing: set[int]) -> Tracker:
    made = Tracker(inflight_messages_max=1, inflight_bytes_max=1)
    made.switch_to(ConfState(tuple(sorted(voters)), (7,), tuple(sorted(outgoing))), last_index=9)
    return made


def decides(voters: set[int], outgoing: set[int], some: set[int]) -> bool:
    return all(2 * len(some & half) > len(half) for half in (voters, outgoing) if half)


@given(HALVES, st.lists(st.integers(0, 9), min_size=7, max_size=7))
def test_a_joint_group_has_reached_what_a_majority_of_each_half_has(
    halves: tuple[set[int], set[int]], reached: list[int]
) -> None:
    joint = tracker(*halves)
    for member, peer in joint.progress.items():
        peer.match = peer.acked_round = reached[member - 1]
    by_hand = max(
        value
        for value in range(10)
        if decides(*halves, {member for member in joint.all_voters if reached[member - 1] >= value})
    )
    assert joint.quorum_match() == by_hand
    assert joint.quorum_round(self_id=0) == by_hand


@given(HALVES, st.sets(st.integers(1, 7)))
def test_a_joint_group_is_there_when_a_majority_of_each_half_is(
    halves: tuple[set[int], set[int]], heard: set[int]
) -> None:
    joint = tracker(*halves)
    for member, peer in joint.progress.items():
        peer.recent_active = member in heard
    assert joint.quorum_active() is decides(*halves, heard)


@given(HALVES, st.dictionaries(st.integers(1, 8), st.booleans()))
def test_a_joint_vote_is_decided_exactly_when_no_further_answer_can_change_it(
    halves: tuple[set[int], set[int]], votes: dict[int, bool]
) -> None:
    open_votes = sorted((halves[0] | halves[1]) - votes.keys())
    yes = {member for member, granted in votes.items() if granted}
    ends = {
        decides(*halves, yes | {voter for voter, granted in zip(open_votes, rest, strict=True) if granted})
        for rest in product((False, True), repeat=len(open_votes))
    }
    expected = VoteResult.PENDING if len(ends) > 1 else VoteResult.WON if True in ends else VoteResult.LOST
    result = joint_vote_result(sorted(halves[0]), sorted(halves[1]), votes)
    if result is not expected:
        # Two halves that share voters may rule each other out before either is lost by itself; counting halves sees
        # that later, with the last answers, and never the other way round.
        assert (result, expected) == (VoteResult.PENDING, VoteResult.LOST)


def test_a_joint_group_is_alone_only_in_one_half() -> None:
    assert tracker({1}, set()).is_sole_voter(1)
    assert not tracker({1}, {1}).is_sole_voter(1)
    assert not tracker({1}, {1, 2}).is_sole_voter(1)
