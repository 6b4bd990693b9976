from typing import Any

import pytest

from lictor_state import dump, exactly_once, restore
from lictor_state.commands import KVSet, RaiseLevel, RegisterProposer, Result
from lictor_state.exactly_once import PROPOSERS_MAX, RESULTS_MAX, Proposers

UNKNOWN = Result(error="outcome unknown", status=500)


@pytest.fixture
def proposer(state: Any) -> Any:
    return state.do(RegisterProposer("catalog-1")).value


def test_a_proposers_id_is_its_entrys_index(state: Any) -> None:
    assert state.do(RegisterProposer("a")) == Result(value=1)
    assert state.do(RegisterProposer("b")) == Result(value=2)


def test_a_repeated_number_gets_the_recorded_result_and_changes_nothing(state: Any, proposer: Any) -> None:
    assert state.do(KVSet("k", b"1", cas=0), proposer, 1) == Result(value=True)
    first = state.last
    digest = state.store.digest()
    assert state.do(KVSet("k", b"1", cas=0), proposer, 1) == Result(value=True)
    assert state.last.index == first.index == 2
    assert state.last.changes == ()
    assert state.store.digest() == digest
    assert state.store.index == 3


def test_errors_are_recorded_too(state: Any, proposer: Any) -> None:
    first = state.do(KVSet("k", b"1", cas=77), proposer, 1)
    state.do(KVSet("k", b"1"), proposer, 2)
    assert state.do(KVSet("k", b"1", cas=77), proposer, 1) == first == Result(value=False)


def test_a_number_below_the_mark_is_refused_and_never_applied(state: Any, proposer: Any) -> None:
    state.do(KVSet("a", b"1"), proposer, 5, answered_below=5)
    assert state.do(KVSet("b", b"1"), proposer, 4) == UNKNOWN
    assert state.store.kv("b") is None
    assert state.last.changes == ()


def test_the_mark_never_goes_down(state: Any, proposer: Any) -> None:
    state.do(KVSet("a", b"1"), proposer, 9, answered_below=9)
    assert state.do(KVSet("b", b"1"), proposer, 3, answered_below=1) == UNKNOWN


def test_an_unknown_proposer_is_refused(state: Any) -> None:
    assert state.do(KVSet("a", b"1"), 42, 1) == UNKNOWN
    assert state.store.kv("a") is None


def test_numbers_may_arrive_out_of_order(state: Any, proposer: Any) -> None:
    state.do(KVSet("k", b"2"), proposer, 2)
    assert state.do(KVSet("k", b"1"), proposer, 1) == Result(value=True)
    assert state.store.kv("k").value == b"1"


def test_at_most_so_many_results_are_kept_per_proposer(state: Any, proposer: Any) -> None:
    for number in range(1, RESULTS_MAX + 3):
        state.do(RaiseLevel(1), proposer, number)
    assert state.do(RaiseLevel(1), proposer, 2) == UNKNOWN
    assert state.do(RaiseLevel(1), proposer, 3) == Result(value=False)
    assert len(state.store.proposers.use(proposer).results) == RESULTS_MAX


def test_a_leap_of_numbers_costs_no_more_than_what_is_kept(state: Any, proposer: Any) -> None:
    state.do(RaiseLevel(1), proposer, 1)
    state.do(RaiseLevel(1), proposer, 2**62, answered_below=2**62)
    assert list(state.store.proposers.use(proposer).results) == [2**62]


def test_the_proposer_that_was_used_least_recently_goes_first() -> None:
    subject = Proposers()
    for number in range(PROPOSERS_MAX):
        subject.open(number, "p")
    subject.use(0)
    subject.open(PROPOSERS_MAX, "p")
    assert len(subject) == PROPOSERS_MAX
    assert subject.use(1) is None
    assert subject.use(0) is not None


def test_snapshots_carry_results_marks_and_the_order_of_use(state: Any, proposer: Any, monkeypatch: Any) -> None:
    other = state.do(RegisterProposer("other")).value
    state.do(KVSet("a", b"1"), proposer, 7, answered_below=6)
    copy = restore(dump(state.store))
    line: Any = copy.proposers.use(proposer)
    assert (line.name, line.floor) == ("catalog-1", 6)
    assert line.results[7].result == Result(value=True)
    monkeypatch.setattr(exactly_once, "PROPOSERS_MAX", 2)
    copy.proposers.open(99, "new")
    assert copy.proposers.use(other) is None
