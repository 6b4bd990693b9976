from typing import Any

import msgspec
import pytest

from lictor_state import CodecError, Store, StreamRestore, Table, dump, dump_stream, restore
from lictor_state.commands import CARootSet, KVDelete, KVSet, RegisterProposer
from lictor_state.rows import CARootRow, Change, IndexRow, KVRow, MetaRow
from lictor_state.snapshot import PART_BYTES_MAX

pack = msgspec.msgpack.encode


def _tables(store: Any) -> Any:
    return {table: dict(store.rows(table)) for table in Table if table is not Table.META}


@pytest.fixture
def filled(state: Any) -> Any:
    proposer = state.do(RegisterProposer("p")).value
    state.register(service="web", tags=("a",), meta={"k": "v"})
    state.do(KVSet("big", b"x" * 512 * 1024), proposer, 1)
    state.do(KVSet("gone", b"x"), proposer, 2)
    state.do(KVDelete("gone"), proposer, 3)
    state.do(CARootSet(CARootRow("r", "n", 1, "k", "d", "a", "b", "PEM"), "KEY", 0))
    return state.store


def test_a_snapshot_gives_the_same_state(filled: Any) -> None:
    copy = restore(dump(filled))
    assert copy.digest() == filled.digest()
    assert _tables(copy) == _tables(filled)
    assert (copy.index, copy.meta) == (filled.index, filled.meta)
    assert vars(copy.by).keys() == vars(filled.by).keys()
    assert copy.by.services_by_name == filled.by.services_by_name
    assert list(copy.by.kv_keys) == list(filled.by.kv_keys)
    assert list(dump(copy)) == list(dump(filled))


def test_parts_are_bounded_even_where_a_row_is_larger(filled: Any) -> None:
    parts = list(dump(filled))
    assert len(parts) >= 3
    assert max(map(len, parts)) <= PART_BYTES_MAX


def test_an_empty_store_comes_back(state: Any) -> None:
    assert restore(dump(Store("c"))).digest() == Store("c").digest()


def test_the_cut_is_taken_at_once_and_later_writes_stay_out(state: Any) -> None:
    state.do(KVSet("a", b"1"))
    parts = dump(state.store)
    state.do(KVSet("a", b"2"))
    state.do(KVSet("b", b"2"))
    copy: Any = restore(parts)
    assert (copy.index, copy.kv("a").value, copy.kv("b")) == (1, b"1", None)


@pytest.mark.parametrize("cut", [slice(0, -1), slice(1, None), slice(0, 0), slice(0, 1)])
def test_missing_parts_are_errors(filled: Any, cut: Any) -> None:
    parts = list(dump(filled))
    with pytest.raises(CodecError):
        restore(parts[cut])


def test_damage_is_an_error(filled: Any) -> None:
    parts = list(dump(filled))
    for damaged in (
        [parts[0], *parts[2:]],
        [*parts, b"more"],
        [pack([99, 1, MetaRow("c")]), *parts[1:]],
        [parts[0], b"\xff" * 10],
        [parts[0], (1).to_bytes(4, "big") + b"\xc1"],
        [parts[0], b"".join(_record(2, 5))],
    ):
        with pytest.raises(CodecError):
            restore(damaged)


def _record(kind: Any, body: Any) -> Any:
    record = pack([kind, body])
    return len(record).to_bytes(4, "big"), record


def test_rows_of_unknown_tables_and_unknown_records_are_passed_over() -> None:
    records = [(0, [99, ["x"], ["y"]]), (0, [int(Table.KV), ["a"], ["a", b"1"]]), (7, {"new": 1}), (2, 3)]
    body = b"".join(part for record in records for part in _record(*record))
    restoring = StreamRestore()
    restoring.feed(pack([1, 12, MetaRow("c", 2, 3)]))
    for at in range(0, len(body), 5):  # whatever the size of parts
        restoring.feed(body[at : at + 5])
    assert restoring.complete
    store = restoring.finish()
    assert (store.index, store.offset, store.meta.epoch) == (12, 3, 2)
    assert store.kv("a") == KVRow("a", b"1")


@pytest.mark.parametrize(
    ("stream", "tables"),
    [
        ("discovery", {Table.NODES, Table.SERVICES, Table.INDEXES}),
        ("mesh", {Table.NODES, Table.SERVICES, Table.CA_ROOTS, Table.INDEXES}),
    ],
)
def test_a_streams_snapshot_has_its_tables_and_no_keys_or_proposers(filled: Any, stream: Any, tables: Any) -> None:
    copy = restore(dump_stream(filled, stream))
    assert {table for table in Table if table is not Table.META and copy.count(table)} == tables
    assert copy.index_of("kv") == 0
    assert len(copy.proposers) == 0
    assert copy.index_of("ca-roots") == (0 if stream == "discovery" else filled.index)


def test_a_view_refuses_to_go_back(state: Any) -> None:
    store = Store("c")
    store.load(5, (Change(Table.INDEXES, ("kv",), IndexRow("kv", 5)),))
    with pytest.raises(ValueError, match="index 5 came to a store at 5"):
        store.load(5, ())
    store.advance(9)
    store.advance(7)
    assert store.index == 9


def test_a_load_may_carry_the_meta_row() -> None:
    store = Store("c")
    store.load(5, (Change(Table.META, ("",), MetaRow("c", 4, 10, 2)),))
    assert (store.meta.epoch, store.offset, store.meta.level) == (4, 10, 2)


def test_the_offset_is_added_to_the_raft_index(new_history: Any) -> None:
    history = new_history()
    history.store.set_meta(MetaRow("cluster", 2, 1000))
    history.do(KVSet("a", b"1"))
    assert history.store.kv("a").modify_index == history.store.index == 1001
