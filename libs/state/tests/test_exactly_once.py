from typing import Any

import pytest

from lictor_state import Envelope, apply, dump, exactly_once, restore
from lictor_state.commands import KVSet, RaiseLevel, RegisterProposer, Result, Txn, TxnKV
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


READ = Txn((TxnKV("set", "a"), TxnKV("get", "big")))


def more(state: Any, proposer: Any, number: Any) -> Any:
    """The bytes that are kept for a number, through the record itself."""
    line = state.store.proposers.use(proposer)
    return len(line.results[number].result.more)


def test_what_transactions_show_is_kept_up_to_a_bound_for_each_proposer_the_oldest_going_first(
    state: Any, proposer: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(exactly_once, "MORE_BYTES_MAX", 250)
    state.do(KVSet("big", b"x" * 100))
    first = state.do(READ, proposer, 1)
    assert state.do(READ, proposer, 2).value is True
    assert state.do(READ, proposer, 1) == UNKNOWN, "it took effect, and what it showed is gone"
    assert state.do(READ, proposer, 2).more == first.more
    state.do(READ, proposer, 3, answered_below=3)
    assert more(state, proposer, 3) > 100
    digest = state.store.digest()
    assert state.do(READ, proposer, 3).more == first.more
    assert state.store.digest() == digest


def test_what_transactions_show_is_kept_up_to_a_bound_for_all_proposers(state: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(exactly_once, "ALL_MORE_BYTES_MAX", 600)
    state.do(KVSet("big", b"x" * 100))
    lines = [state.do(RegisterProposer(name)).value for name in "abcde"]
    for line in lines:
        state.do(READ, line, 1)
    kept = [more(state, line, 1) > 0 for line in lines]
    assert kept == [False] + [True] * 4 or kept == [False, False] + [True] * 3
    assert state.do(READ, lines[0], 1) == UNKNOWN
    state.do(READ, lines[4], 2, answered_below=2)
    assert more(state, lines[1], 1) == (0 if not kept[1] else more(state, lines[2], 1)), "an answer made room"


def test_members_forget_the_same_after_a_snapshot_that_was_taken_while_others_made_room(
    state: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(exactly_once, "ALL_MORE_BYTES_MAX", 600)
    monkeypatch.setattr(exactly_once, "PROPOSERS_MAX", 4)
    state.do(KVSet("big", b"x" * 100))
    lines = [state.do(RegisterProposer(name)).value for name in "abcd"]
    for line in (lines[1], lines[0], lines[2]):
        state.do(READ, line, 1)
    index = state.store.index
    parts = dump(state.store)
    head = next(parts)
    entries = [Envelope(line, 2, 0, READ) for line in (lines[3], lines[2], lines[1])]
    entries += [Envelope(0, 0, 0, RegisterProposer("e")), Envelope(lines[1], 3, 3, READ)]
    entries += [Envelope(line, number, 0, READ) for line in lines for number in (1, 2)]
    results = [apply(state.store, index + at, entry) for at, entry in enumerate(entries, 1)]
    twin = restore([head, *parts])
    assert [apply(twin, index + at, entry) for at, entry in enumerate(entries, 1)] == results
    assert list(dump(twin)) == list(dump(state.store))
