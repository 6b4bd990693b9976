"""When a leader without NATS hands over, and to whom."""

import pytest

from lictor_raft_store.bus_watch import BusWatch, Candidate

PATIENCE_S = 1.0
CUT_S = 1.0  # two announcements that did not come back
GOOD, CUT, UNKNOWN = True, False, None


def voter(member, bus_works, match=10, *, active=True):
    return Candidate(member, bus_works, active, match)


def asked(watch, echo_age_s, voters, *moments):
    return [watch.decide(now, echo_age_s, voters) for now in moments]


@pytest.mark.parametrize(
    ("echo_age_s", "voters", "chosen"),
    [
        (0.4, [voter(2, GOOD)], 0),  # nothing is wrong
        (0.9, [voter(2, GOOD)], 0),  # one announcement is late
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
    assert asked(BusWatch(PATIENCE_S), echo_age_s, voters, 100.0, 100.9, 101.0) == [0, 0, chosen]


def test_being_better_off_must_last_an_election_timeout_without_a_break():
    watch, voters = BusWatch(PATIENCE_S), [voter(2, GOOD)]
    assert asked(watch, CUT_S, voters, 100.0, 100.9) == [0, 0]
    assert asked(watch, 0.1, voters, 100.95) == [0]  # we hear ourselves again
    assert asked(watch, CUT_S, voters, 101.0, 101.9) == [0, 0]
    assert asked(watch, CUT_S, [voter(2, CUT)], 101.95) == [0]  # and now nobody is better off
    assert asked(watch, CUT_S, voters, 102.0, 102.9, 103.0) == [0, 0, 2]


def test_it_asks_once_an_election_timeout_and_then_somebody_else():
    watch, voters = BusWatch(PATIENCE_S), [voter(2, GOOD, 9), voter(3, GOOD, 7)]
    assert asked(watch, CUT_S, voters, 99.0, 100.0, 100.5, 101.0, 101.9, 102.0) == [0, 2, 0, 3, 0, 2]


def test_one_that_did_not_take_it_is_asked_again_when_there_is_no_other():
    assert asked(BusWatch(PATIENCE_S), CUT_S, [voter(2, GOOD)], 99.0, 100.0, 101.0) == [0, 2, 2]
