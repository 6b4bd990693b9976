"""Cuts: each shows its own moment to the end, whatever is written meanwhile, and leaves nothing behind."""

import gc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_state import Store, Table, apply, dump, restore
from lictor_state.commands import Envelope, KVDelete, KVDeleteTree, KVSet, RegisterProposer
from lictor_state.snapshot import SLICE_STEPS, dump_slices, dump_stream_slices

KEYS = st.sampled_from([f"{letter}/{number}" for letter in "ab" for number in range(4)])
WRITES = st.one_of(
    st.builds(KVSet, KEYS, st.binary(max_size=2)),
    st.builds(KVSet, KEYS, st.just(b"cas"), st.just(0), st.sampled_from([0, 1, 5])),
    st.builds(KVDelete, KEYS),
    st.builds(KVDeleteTree, st.sampled_from(["a/", "b/", ""])),
)
STEPS = st.lists(
    st.one_of(
        WRITES,
        st.just("cut"),
        st.just("abandon"),
        st.tuples(st.just("read"), st.integers(0, 3), st.integers(1, 5)),
    ),
    max_size=80,
)


def _dicts(store: Store) -> list[Any]:
    """What a copy of every table and of every line would be, in order."""
    rows = [(table, key, row) for table, held in store._tables.items() for key, row in held.items()]
    return [*rows, *(line.state() for proposer, line in store.proposers._lines.items())]


class _Open:
    """A cut half read, and the copy that it must come to."""

    def __init__(self, store: Store) -> None:
        self.expected = _dicts(store)
        rows, lines = store.cut(Table), store.proposers.cut()
        self.source = (piece for part in (rows, lines) for piece in part)
        self.seen: list[Any] = []

    def read(self, count: int) -> bool:
        for _ in range(count):
            piece = next(self.source, None)
            if piece is None:
                assert self.seen == self.expected
                return False
            self.seen.append(piece)
        return True


@settings(deadline=None)
@given(STEPS)
def test_several_cuts_at_once_each_show_the_copy_that_was_not_made(steps: Any) -> None:
    store, index, cuts = Store("c"), 0, []
    proposers = []
    for number in range(2):
        index += 1
        apply(store, index, Envelope(0, 0, 0, RegisterProposer(f"p{number}")))
        proposers.append(index)
    number = 0
    for step in steps:
        match step:
            case "cut":
                cuts.append(_Open(store))
            case "abandon":
                del cuts[:1]
            case ("read", place, count):
                if place < len(cuts) and not cuts[place].read(count):
                    del cuts[place]
            case command:
                index, number = index + 1, number + 1
                apply(store, index, Envelope(proposers[number % 3 % 2], number, max(0, number - 3), command))
    while cuts:
        if not cuts[-1].read(1):
            cuts.pop()
    assert not store._cuts.kept
    assert not store.proposers._cuts.kept


def test_an_abandoned_dump_leaves_nothing_behind(state: Any) -> None:
    state.do(KVSet("a", b"1"))
    never_begun, half_read = dump(state.store), dump(state.store)
    next(half_read)
    assert len(state.store._cuts.kept) == len(state.store.proposers._cuts.kept) == 2
    del never_begun, half_read
    gc.collect()
    state.do(KVSet("a", b"2"))
    assert not state.store._cuts.kept
    assert not state.store.proposers._cuts.kept


def test_what_a_cut_remembers_is_bounded_by_what_changes_while_it_is_read(state: Any) -> None:
    for number in range(100):
        state.do(KVSet(f"k{number}", b"1"))
    parts = dump(state.store)
    for _ in range(50):
        state.do(KVSet("k1", b"2"))
    (kept,) = state.store._cuts.kept
    assert len(kept) == 2, "the key and the index of the table"
    assert restore(parts).kv("k1") is not None


def test_a_dump_steps_through_rows_that_its_stream_does_not_carry(state: Any) -> None:
    for number in range(SLICE_STEPS * 2):
        state.register(f"n{number}", "web")
    empty = [part for part in dump_stream_slices(state.store, "mesh") if not part]
    assert len(empty) >= len(list(state.store.rows(Table.SERVICES))) // SLICE_STEPS
    assert b"".join(dump_slices(state.store)) == b"".join(dump(state.store))


def test_a_store_that_was_replaced_is_let_go_of_a_little_with_each_later_index(state: Any, new_history: Any) -> None:
    for number in range(5000):
        state.do(KVSet(f"k{number}", b"1"))
    state.register("n1", "web")
    old, history = state.store, new_history()
    reading = dump(old)
    history.store.retire(old)
    assert restore(reading).kv("k4999") is not None, "who reads its tables goes on with them"
    del reading
    gc.collect()
    assert not old._cuts.kept
    history.store.retire(old)
    steps = 0
    while history.store._retired:
        history.do(KVSet("x", b"%d" % steps))
        steps += 1
    assert 4 < steps < 100
    assert old.count(Table.KV) == old.count(Table.NODES) == 0
