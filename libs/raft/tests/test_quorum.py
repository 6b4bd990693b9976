"""Majorities against a table and against counting by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_raft.quorum import EVERYTHING, VoteResult, majority_value, vote_result


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
