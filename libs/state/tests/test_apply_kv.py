from typing import Any

import pytest

from lictor_state import Store, apply, kv_rows
from lictor_state.commands import Command, Envelope, KVDelete, KVDeleteTree, KVSet, TombstonesReap, Txn, TxnKV
from lictor_state.levels import TOMBSTONE_FLOOR_LEVEL
from lictor_state.queries import kv


def test_a_new_key_has_both_indexes_and_a_change_moves_one(state: Any) -> None:
    state.do(KVSet("a", b"1", flags=2**64 - 1))
    state.do(KVSet("a", b"2"))
    row = state.store.kv("a")
    assert (row.value, row.flags, row.create_index, row.modify_index) == (b"2", 0, 1, 2)


@pytest.mark.parametrize(("before", "after"), [(b"1", b"1"), (None, None), (None, b""), (b"", None)])
def test_an_unchanged_value_and_flags_move_no_index(state: Any, before: Any, after: Any) -> None:
    state.do(KVSet("a", before, flags=3))
    assert state.do(KVSet("a", after, flags=3)).value is True
    assert state.last.changes == ()
    assert (state.store.kv("a").modify_index, state.index("kv")) == (1, 1)


@pytest.mark.parametrize(
    ("exists", "cas", "done"),
    [(False, 0, True), (False, 1, False), (True, 0, False), (True, 1, True), (True, 2, False)],
)
def test_cas_sets_only_at_that_index(state: Any, exists: Any, cas: Any, done: Any) -> None:
    state.do(KVSet("a" if exists else "other", b"1"))
    assert state.do(KVSet("a", b"2", cas=cas)).value is done
    assert (state.store.kv("a") is not None and state.store.kv("a").value == b"2") is done


@pytest.mark.parametrize(
    ("exists", "cas", "result", "gone"),
    [
        (False, 5, True, True),
        (True, 0, False, False),
        (True, 1, True, True),
        (True, 2, False, False),
        (True, None, True, True),
    ],
)
def test_delete_with_cas(state: Any, exists: Any, cas: Any, result: Any, gone: Any) -> None:
    if exists:
        state.do(KVSet("a", b"1"))
    assert state.do(KVDelete("a", cas=cas)).value is result
    assert (state.store.kv("a") is None) is gone


def test_a_list_index_rises_when_a_key_is_deleted(state: Any) -> None:
    state.do(KVSet("p/a", b"1"))
    state.do(KVSet("p/b", b"1"))
    state.do(KVDelete("p/a"))
    assert kv.entries(state.store, "p/").index == 3
    assert [row.key for row in kv.entries(state.store, "p/").value] == ["p/b"]


def test_a_list_index_never_falls_when_a_tree_is_deleted(state: Any) -> None:
    state.do(KVSet("p/q/a", b"1"))
    state.do(KVDelete("p/q/a"))
    state.do(KVSet("p/q/b", b"1"))
    before = kv.entries(state.store, "p/q/").index
    state.do(KVDeleteTree("p/"))
    for prefix in ("p", "p/", "p/q/", ""):
        assert kv.entries(state.store, prefix).index == 4 > before
    assert list(state.store.by.tombstone_keys) == ["p/\0"]


def test_deleting_everything_leaves_no_tombstone(state: Any) -> None:
    state.do(KVSet("p/a", b"1"))
    state.do(KVDelete("p/a"))
    state.do(KVSet("p/b", b"1"))
    state.do(KVDeleteTree(""))
    assert len(state.store.by.tombstone_keys) == 0
    assert kv.entries(state.store, "p/").index == 4


def test_deleting_an_empty_tree_changes_nothing(state: Any) -> None:
    state.do(KVSet("a", b"1"))
    assert state.do(KVDeleteTree("b")).value is True
    assert state.last.changes == ()


def test_tombstones_are_bounded_and_the_oldest_goes(state: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(kv_rows, "TOMBSTONES_MAX", 2)
    for name in "abca":
        state.do(KVSet(name, b"1"))
        state.do(KVDelete(name))
    assert list(state.store.by.tombstone_keys) == ["a", "c"]


def test_no_list_falls_back_when_too_many_tombstones_push_out_an_old_one(state: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(kv_rows, "TOMBSTONES_MAX", 2)
    for name in ("p/kept", "p/gone"):
        state.do(KVSet(name, b"1"))
    state.do(KVDelete("p/gone"))
    told = kv.entries(state.store, "p/").index
    for name in ("x", "y"):
        state.do(KVSet(name, b"1"))
        state.do(KVDelete(name))
    assert list(state.store.by.tombstone_keys) == ["x", "y"]
    assert kv.entries(state.store, "p/").index == kv.keys(state.store, "p/").index == told == 3


def test_below_the_level_that_brought_the_floor_nobody_raises_it(monkeypatch: Any) -> None:
    """A member of an earlier build would not, and the members' states would differ."""
    monkeypatch.setattr(kv_rows, "TOMBSTONES_MAX", 0)
    store = Store("cluster", TOMBSTONE_FLOOR_LEVEL - 1)
    commands: tuple[Command, ...] = (KVSet("a", b"1"), KVDelete("a"))
    for number, command in enumerate(commands, 1):
        apply(store, number, Envelope(0, 0, 0, command))
    assert (store.index_of("tombstones"), store.index_of("tombstones-reaped")) == (2, 0)


def test_a_refused_command_leaves_tombstones_in_the_order_of_their_age(state: Any) -> None:
    for name in ("a", "b"):
        state.do(KVSet(name, b"1"))
        state.do(KVDelete(name))
    state.do(KVSet("a", b"1"))
    refused = state.do(Txn((TxnKV("delete", "a"), TxnKV("check-index", "none", index=9))))
    assert refused.status == 409
    assert state.do(TombstonesReap(2)).value is False
    assert list(state.store.by.tombstone_keys) == ["b"]


def test_single_key_reads_report_the_keys_own_index_and_missing_ones_the_table(state: Any) -> None:
    state.do(KVSet("a", b"1"))
    state.do(KVSet("b", b"1"))
    assert kv.key(state.store, "a").index == 1
    missing = kv.key(state.store, "x")
    assert (missing.index, missing.value, missing.absent) == (2, None, True)
    state.do(KVDelete("b"))
    assert kv.key(state.store, "b").index == 3


def test_an_empty_store_reports_index_one(state: Any) -> None:
    assert kv.key(state.store, "a").index == kv.entries(state.store, "").index == kv.keys(state.store, "a").index == 1


def test_keys_are_cut_after_the_first_separator_below_the_prefix(state: Any) -> None:
    for name in ("foo/a", "foo/bar/x", "foo/bar/y", "foo/baz/z", "zip"):
        state.do(KVSet(name, b""))
    assert kv.keys(state.store, "foo/", "/").value == ["foo/a", "foo/bar/", "foo/baz/"]
    assert kv.keys(state.store, "", "/").value == ["foo/", "zip"]
    assert kv.keys(state.store, "foo/b").value == ["foo/bar/x", "foo/bar/y", "foo/baz/z"]
    assert kv.keys(state.store, "none").value == []
