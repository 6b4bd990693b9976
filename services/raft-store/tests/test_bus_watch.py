"""When a leader without NATS hands over, and to whom."""

import pytest

from lictor_raft_store.bus_watch import BusWatch, Candidate

PATIENCE_S = 1.0
CUT_S = 1.5  # an announcement every half second, and one election timeout
GOOD, CUT, UNKNOWN = True, False, None


def voter(member, bus_works, match=10, *, active=True):
    return Candidate(member, bus_works, active, match)


@pytest.mark.parametrize(
    ("echo_age_s", "voters", "chosen"),
    [
        (0.4, [voter(2, GOOD)], 0),  # nothing is wrong
        (1.4, [voter(2, GOOD)], 0),  # a reconnect
        (CUT_S, [voter(2, GOOD)], 2),
        (CUT_S, [voter(2, CUT), voter(3, CUT)], 0),  # nobody is better off: no churn
        (CUT_S, [voter(2, UNKNOWN), voter(3, UNKNOWN)], 0),  # no direct lane: check-quorum decides
        (CUT_S, [voter(2, CUT, 99), voter(3, GOOD, 1)], 3),
        (CUT_S, [voter(2, GOOD, 7), voter(3, GOOD, 9)], 3),  # the one that has most to catch up comes last
        (CUT_S, [voter(2, GOOD, 9, active=False), voter(3, GOOD, 7)], 3),
        (float("inf"), [voter(2, GOOD)], 2),  # never heard itself at all
        (CUT_S, [], 0),
    ],
)
def test_a_leader_hands_over_when_its_own_nats_is_gone_and_another_voters_is_not(echo_age_s, voters, chosen):
    assert BusWatch(PATIENCE_S).decide(100.0, echo_age_s, voters) == chosen


def test_it_asks_once_an_election_timeout_and_then_somebody_else():
    watch = BusWatch(PATIENCE_S)
    voters = [voter(2, GOOD, 9), voter(3, GOOD, 7)]
    assert [watch.decide(now, CUT_S, voters) for now in (100.0, 100.5, 101.0, 101.9, 102.0)] == [2, 0, 3, 0, 2]


def test_one_that_did_not_take_it_is_asked_again_when_there_is_no_other():
    watch = BusWatch(PATIENCE_S)
    assert [watch.decide(now, CUT_S, [voter(2, GOOD)]) for now in (100.0, 101.0)] == [2, 2]
