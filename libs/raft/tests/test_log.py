"""The log, its unstable end and the storage, by tables and against a plain list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_raft import (
    ConfState,
    Entry,
    LogCompacted,
    LogDamaged,
    LogUnavailable,
    MemoryStorage,
    Snapshot,
    SnapshotMeta,
    SnapshotUnavailable,
)
from lictor_raft.log import RaftLog
from lictor_raft.storage import cut_to_bytes
from lictor_raft.unstable import Unstable


def entries(first: int, *terms: int) -> list[Entry]:
    return [Entry(term, first + position, data=b"%d" % term) for position, term in enumerate(terms)]


def log_of(*terms: int, stable: int | None = None, committed: int = 0) -> RaftLog:
    """A log from index 1, of which the first `stable` entries are durable."""
    storage = MemoryStorage(ConfState((1,)))
    everything = entries(1, *terms)
    count = len(everything) if stable is None else stable
    storage.append(everything[:count])
    log = RaftLog(storage)
    log.append(everything[count:])
    log.committed = committed
    return log


def terms_of(log: RaftLog) -> list[int]:
    return [log.term(index) for index in range(log.first_index(), log.last_index() + 1)]


@pytest.mark.parametrize(
    ("prev", "prev_term", "new", "commit", "result", "terms", "committed"),
    [
        (3, 3, (), 3, 3, [1, 2, 3], 3),  # nothing new, commit moves
        (3, 3, (), 9, 3, [1, 2, 3], 3),  # commit is capped at what is known to match
        (3, 3, (4,), 4, 4, [1, 2, 3, 4], 4),
        (3, 2, (4,), 4, None, [1, 2, 3], 1),  # the term before differs
        (4, 4, (4,), 4, None, [1, 2, 3], 1),  # a gap
        (1, 1, (2, 3), 3, 3, [1, 2, 3], 3),  # all known
        (1, 1, (2,), 1, 2, [1, 2, 3], 1),  # shorter and equal: the rest stays
        (1, 1, (4, 4), 1, 3, [1, 4, 4], 1),  # a conflict cuts
        (2, 2, (4, 4, 4), 5, 5, [1, 2, 4, 4, 4], 5),
    ],
)
@pytest.mark.parametrize("stable", [0, 2, 3])
def test_an_append_is_taken_as_the_table_says(
    prev: int,
    prev_term: int,
    new: tuple[int, ...],
    commit: int,
    result: int | None,
    terms: list[int],
    committed: int,
    stable: int,
) -> None:
    log = log_of(1, 2, 3, stable=stable, committed=1)
    assert log.maybe_append(prev, prev_term, entries(prev + 1, *new), commit) == result
    assert terms_of(log) == terms
    assert log.committed == committed


def test_cutting_what_is_committed_is_damage() -> None:
    log = log_of(1, 2, 3, committed=3)
    with pytest.raises(LogDamaged):
        log.maybe_append(1, 1, entries(2, 4), 1)


def test_a_commit_index_above_the_log_is_damage() -> None:
    with pytest.raises(LogDamaged, match="was the disk lost"):
        log_of(1).commit_to(5)


@pytest.mark.parametrize(
    ("index", "term", "result"),
    [(4, 9, True), (3, 4, True), (1, 4, True), (3, 3, True), (4, 3, True), (2, 3, False), (9, 2, False)],
)
def test_a_log_is_up_to_date_by_last_term_and_then_length(index: int, term: int, result: bool) -> None:
    assert log_of(1, 2, 3).is_up_to_date(index, term) is result


@pytest.mark.parametrize(
    ("terms", "index", "term", "found"),
    [
        ((2, 2, 5, 5, 5), 5, 5, (5, 5)),
        ((2, 2, 5, 5, 5), 5, 4, (2, 2)),
        ((2, 2, 5, 5, 5), 5, 2, (2, 2)),
        ((2, 2, 5, 5, 5), 5, 1, (0, 0)),
        ((2, 2, 5, 5, 5), 1, 9, (1, 2)),
        ((1, 3), 7, 3, (7, 0)),
    ],
)
def test_the_search_for_agreement_skips_whole_terms(
    terms: tuple[int, ...], index: int, term: int, found: tuple[int, int]
) -> None:
    assert log_of(*terms).find_conflict_by_term(index, term) == found


def test_entries_are_cut_by_bytes_but_never_to_nothing() -> None:
    log = log_of(1, 1, 1, 1, stable=2)
    assert [e.index for e in log.entries(1, 2)[0]] == [1, 2]
    assert [e.index for e in log.entries(1, 3)[0]] == [1, 2, 3]
    assert [e.index for e in log.entries(3, 0)[0]] == [3]
    assert log.entries(2, 100) == (tuple(entries(2, 1, 1, 1)), 3)
    assert log.entries(5, 100) == ((), 0)


def test_the_kept_slice_does_not_outlive_a_change_of_the_log() -> None:
    log = log_of(1, 1, 2, committed=1)
    assert log.entries(2, 100)[0] == tuple(entries(2, 1, 2))
    log.append(entries(2, 3, 3))
    assert log.entries(2, 100)[0] == tuple(entries(2, 3, 3))


def test_only_durable_entries_are_handed_out_for_applying() -> None:
    log = log_of(1, 1, 1, stable=1, committed=3)
    assert [e.index for e in log.next_committed(100)] == [1]
    log.storage.append(entries(2, 1, 1))  # type: ignore[attr-defined]
    log.unstable.stable_to(3, 1)
    assert [e.index for e in log.next_committed(100)] == [1, 2, 3]
    assert [e.index for e in log.next_committed(2)] == [1, 2]


def test_nothing_is_applied_while_a_snapshot_waits() -> None:
    log = log_of(1, 1, committed=2)
    log.restore(Snapshot(SnapshotMeta(9, 4, ConfState((1,)))))
    assert (log.first_index(), log.last_index(), log.committed) == (10, 9, 9)
    assert log.term(9) == 4
    assert not log.has_next_committed()


def test_a_late_report_of_replaced_entries_changes_nothing() -> None:
    unstable = Unstable(1)
    unstable.append(entries(1, 1, 1))
    unstable.append(entries(2, 2))
    unstable.stable_to(2, 1)
    assert [e.term for e in unstable.entries] == [1, 2]
    unstable.stable_to(2, 2)
    assert (unstable.entries, unstable.offset) == ([], 3)


def test_storage_answers_within_its_bounds_and_says_which_one_was_broken() -> None:
    storage = MemoryStorage()
    storage.append(entries(1, 1, 1, 2, 2))
    with pytest.raises(SnapshotUnavailable):
        storage.snapshot()
    storage.create_snapshot(2, ConfState((1,)))
    storage.compact(2)
    assert (storage.first_index(), storage.last_index(), storage.term(2)) == (3, 4, 1)
    with pytest.raises(LogCompacted):
        storage.term(1)
    with pytest.raises(LogCompacted):
        storage.entries(2, 4, 100)
    with pytest.raises(LogUnavailable):
        storage.term(5)
    with pytest.raises(LogUnavailable):
        storage.append(entries(6, 3))
    with pytest.raises(LogCompacted):
        storage.create_snapshot(2, ConfState((1,)))
    storage.append(entries(2, 7, 7))
    assert [storage.term(index) for index in (2, 3)] == [1, 7]


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 30))
def test_cutting_takes_the_longest_prefix_within_the_bytes(sizes: list[int], bytes_max: int) -> None:
    full = [Entry(1, index, data=bytes(size)) for index, size in enumerate(sizes)]
    cut = cut_to_bytes(full, bytes_max)
    assert list(cut) == full[: len(cut)]
    assert len(cut) <= 1 or sum(sizes[: len(cut)]) <= bytes_max
    assert len(cut) == len(full) or sum(sizes[: len(cut) + 1]) > bytes_max
    assert cut or not full


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 8), st.integers(1, 4), st.integers(1, 3)),
        max_size=25,
    )
)
def test_log_and_storage_together_behave_like_one_list(steps: list[tuple[bool, int, int, int]]) -> None:
    storage = MemoryStorage()
    log = RaftLog(storage)
    model: list[Entry] = []
    term = 0
    for sync, at, count, gap in steps:
        if sync:
            pending = list(log.unstable.entries)
            storage.append(pending)
            if pending:
                log.unstable.stable_to(pending[-1].index, pending[-1].term)
        else:
            term += gap
            first = min(at, len(model)) + 1
            new = entries(first, *[term] * count)
            model[first - 1 :] = new
            log.append(new)
        assert log.last_index() == len(model)
        assert list(log.entries(1, 10**6)[0]) == model
        assert [log.term(entry.index) for entry in model] == [entry.term for entry in model]
