"""When a proposer goes on gathering: figures by turn of the loop."""

import pytest

from lictor_bus.proposal_gathering import TURNS_MAX, ProposalGathering


@pytest.mark.parametrize(
    ("turns", "sent"),
    [
        ([1, 1, 1], [1, 1, 1]),  # somebody alone never waits
        ([5], [5]),  # the first batch of all has no reason to
        ([5, 3, 31, 31], [5, 31]),  # the rest is right behind the first few
        ([5, 3, 3, 2], [5, 3]),  # a turn that brings nothing ends it
        ([5, 1, 1, 1, 2, 2], [5, 1, 1, 2]),  # one that came alone is the end of the company
    ],
)
def test_a_batch_is_sent_when_a_turn_brings_no_more(turns, sent):
    gathering = ProposalGathering()
    assert [waiting for waiting in turns if not gathering.goes_on(waiting)] == sent


def test_a_stream_that_never_ends_is_cut_into_batches():
    gathering = ProposalGathering()
    gathering.goes_on(2)
    answers = [gathering.goes_on(waiting) for waiting in range(1, 3 * TURNS_MAX)]
    assert answers[: TURNS_MAX + 1] == [True] * TURNS_MAX + [False]
    assert answers.count(False) == 2
