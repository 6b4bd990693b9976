"""Design §4, Reporters and Brake: who is believed, who is asked, and when nothing is decided."""

from lictor_bus.frames import FailureReport
from lictor_raft_store.leader_duties.failure_judge import (
    BRAKE_HOLD_S,
    HOLD_S,
    NEW_LEADER_WAIT_S,
    REPORT_FRESH_S,
    Ask,
    Decide,
    FailureJudge,
)
from lictor_state.rows import AgentRow

START = NEW_LEADER_WAIT_S


def agent(name, status="alive", index=10):
    return AgentRow(name, f"id-{name}", f"run-{name}", status, "127.0.0.1", 8301, status_index=index)


class Pool:
    def __init__(self, count, brake=0.5):
        self.judge = FailureJudge(since=0.0, brake_fraction=brake)
        self.agents = [agent(f"n{number}") for number in range(count)]
        self.present = {row.node: row.run_id for row in self.agents}
        self.now = START

    def report(self, by, *failed, score=0, instance=None, watched=None):
        if watched is None:
            watched = tuple(row.node for row in self.agents if row.node != by)
        report = FailureReport("c", by, instance or f"run-{by}", score, dict.fromkeys(failed, 1), watched)
        self.judge.report(report, self.now)

    def wanted(self, after=0.0):
        self.now += after
        return self.judge.judge(self.agents, self.present, self.now)

    def settle(self, alive=()):
        """Ask and answer until nothing new is wanted; returns the decisions."""
        decisions = []
        for _ in range(3):
            wanted = self.wanted()
            for one in wanted:
                if isinstance(one, Ask):
                    self.judge.answer(one.node, one.run_id, alive=one.node in alive)
                else:
                    decisions.append((one.node, one.decision))
                    self.agents = [row for row in self.agents if row.node != one.node]
            if not wanted:
                break
        return decisions


def test_two_healthy_reporters_make_a_candidate_which_is_asked_before_it_fails():
    pool = Pool(4)
    pool.report("n0", "n3")
    assert pool.wanted() == []
    pool.report("n1", "n3")
    assert pool.wanted() == [Ask("n3", "run-n3")]
    pool.judge.answer("n3", "run-n3", alive=False)
    (decision,) = pool.wanted()
    assert decision == Decide("n3", "run-n3", 10, "failed", "reported failed by n0, n1")


def test_one_reporter_is_enough_when_there_is_only_one():
    pool = Pool(2)
    pool.report("n0", "n1")
    assert pool.settle() == [("n1", "failed")]


def test_a_candidate_that_answers_is_disputed_and_stays():
    pool = Pool(4)
    pool.report("n0", "n3")
    pool.report("n1", "n3")
    assert pool.settle(alive={"n3"}) == []
    assert pool.judge.disputed == {"n3"}


def test_with_no_other_reporter_lost_presence_makes_the_candidate():
    pool = Pool(1)
    assert pool.wanted() == []
    del pool.present["n0"]
    assert pool.settle() == [("n0", "failed")]


def test_a_node_that_ended_before_the_pool_knew_it_is_known_by_its_presence():
    pool = Pool(3)
    del pool.present["n2"]
    pool.report("n0", watched=("n1",))
    assert pool.wanted() == [], "n1 has not reported yet: it may watch n2"
    pool.report("n1", watched=("n0",))
    assert pool.settle() == [("n2", "failed")]


def test_a_reporter_that_says_nothing_of_a_node_keeps_it_alive():
    pool = Pool(2)
    del pool.present["n1"]
    pool.report("n0")
    assert pool.wanted() == []


def test_a_cut_off_reporter_is_not_believed():
    pool = Pool(4)
    pool.report("n0", "n3", "n2", score=8)
    pool.report("n1", "n3", instance="an older run")
    assert pool.wanted() == []


def test_an_old_report_counts_as_silence():
    pool = Pool(4)
    pool.report("n0", "n3")
    pool.report("n1", "n3")
    assert pool.wanted(after=REPORT_FRESH_S + 0.1) == []


def test_a_new_leader_waits_before_it_decides():
    pool = Pool(2)
    pool.now = NEW_LEADER_WAIT_S - 0.1
    pool.report("n0", "n1")
    assert pool.wanted() == []


def test_a_node_that_stops_on_purpose_is_held():
    pool = Pool(1)
    pool.judge.hold("n0", "run-n0", pool.now)
    del pool.present["n0"]
    assert pool.wanted() == []
    pool.now += HOLD_S
    assert pool.settle() == [("n0", "failed")]


def test_a_failed_node_that_is_present_and_answers_is_alive_again():
    pool = Pool(3)
    pool.agents[2] = agent("n2", "failed")
    assert pool.settle(alive={"n2"}) == [("n2", "alive")]


def test_the_answer_of_another_run_changes_nothing():
    pool = Pool(2)
    pool.report("n0", "n1")
    assert pool.wanted() == [Ask("n1", "run-n1")]
    pool.judge.answer("n1", "an older run", alive=False)
    assert pool.wanted() == []


def test_the_brake_holds_when_most_of_the_pool_would_fail_and_lets_go_with_time():
    pool = Pool(8)
    failed = [f"n{number}" for number in range(3, 8)]
    for by in ("n0", "n1", "n2"):
        pool.report(by, *failed)
    assert pool.settle() == []
    assert pool.judge.brake_until > pool.now
    pool.now = pool.judge.brake_until + 0.1
    for by in ("n0", "n1", "n2"):
        pool.report(by, *failed)
    assert sorted(node for node, _ in pool.settle()) == failed


def test_an_operator_may_confirm_the_brake():
    pool = Pool(8)
    failed = [f"n{number}" for number in range(3, 8)]
    for by in ("n0", "n1", "n2"):
        pool.report(by, *failed)
    assert pool.settle() == []
    pool.judge.confirm_brake(pool.now)
    assert sorted(node for node, _ in pool.settle()) == failed
    assert BRAKE_HOLD_S == 300.0


def test_a_confirmation_holds_for_failures_found_a_round_later_and_not_for_those_of_another_day():
    pool = Pool(20)
    first, later = [f"n{number}" for number in range(3, 14)], [f"n{number}" for number in range(14, 20)]
    for by in ("n0", "n1", "n2"):
        pool.report(by, *first)
    assert pool.settle() == []
    pool.judge.confirm_brake(pool.now)
    assert sorted(node for node, _ in pool.settle()) == sorted(first)
    for by in ("n0", "n1", "n2"):
        pool.report(by, *first, *later)
    assert sorted(node for node, _ in pool.settle()) == sorted(later), "no second brake within the minute"


def test_a_brake_that_nobody_confirmed_says_nothing_of_failures_long_after_it():
    pool = Pool(8)
    failed = [f"n{number}" for number in range(3, 8)]
    for by in ("n0", "n1", "n2"):
        pool.report(by, *failed)
    assert pool.settle() == []
    pool.now = pool.judge.brake_until + 3600.0
    for by in ("n0", "n1", "n2"):
        pool.report(by)
    assert pool.settle() == []
    for by in ("n0", "n1", "n2"):
        pool.report(by, *failed)
    assert pool.settle() == []
    assert pool.judge.brake_until > pool.now


def test_a_small_pool_has_no_brake():
    pool = Pool(4)
    for by in ("n0", "n1"):
        pool.report(by, "n2", "n3")
    assert sorted(node for node, _ in pool.settle()) == ["n2", "n3"]
