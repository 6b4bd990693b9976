"""The one-pass decoder against `decode_group`: whatever arrives, both say the same."""

from typing import Any

import msgspec
import pytest
from test_codec import ROWS

from lictor_state import Change, CodecError, Store, Table
from lictor_state.codec import TABLES, decode_group, encode_group
from lictor_state.group_decoder import GroupDecoder
from lictor_state.rows import AgentRow, CheckRow, IndexRow, KVRow, ServiceRow

SOME = {int(table): table for table in (Table.META, Table.SERVICES, Table.CHECKS)}
CHANGES = [Change(table, ("n", "x"), row) for table, row in ROWS.items()]
GONE = [Change(table, ("n", "x"), None) for table in ROWS]

REFUSED: Any = (
    b"",
    b"\xc1",
    encode_group(7, CHANGES)[:-1],
    msgspec.msgpack.encode([7]),
    msgspec.msgpack.encode([7, [[10, ["kv"]]]]),
    msgspec.msgpack.encode([7, [[10, "kv", ["kv", 7]]]]),
    msgspec.msgpack.encode([7, [["10", ["kv"], ["kv", 7]]]]),
    msgspec.msgpack.encode([7, [[2, ["n", "x"], ["n", "x", 5]]]]),
    msgspec.msgpack.encode([7, [[3, ["n", "x"], ["n", b"\xff", "x", "passing"]]]]),
    encode_group(7, [Change(Table.SERVICES, ("n", "x"), ServiceRow("n", "x", "x", "gateway"))]),
    encode_group(7, [Change(Table.CHECKS, ("n", "x"), CheckRow("n", "x", "x", "fine"))]),
    encode_group(7, [Change(Table.AGENTS, ("n",), AgentRow("n", "", "", "lost", "", 0))]),
)


def _plain(decoded: Any) -> Any:
    """With a `Change` made of everything that has its fields."""
    index, changes = decoded
    return index, tuple(Change(one.table, one.key, one.row) for one in changes)


def _outcome(decode: Any, data: bytes) -> Any:
    try:
        return _plain(decode(data))
    except CodecError as error:
        return str(error)


@pytest.mark.parametrize("wanted", [TABLES, SOME, {}])
@pytest.mark.parametrize("changes", [[], CHANGES, GONE])
def test_rows_of_every_table(wanted: Any, changes: Any) -> None:
    data = encode_group(7, changes)
    index, decoded = GroupDecoder(wanted).decode(data)
    assert _plain((index, decoded)) == decode_group(data, wanted)
    assert [change.table for change in decoded] == [one.table for one in changes if one.table in wanted]


def test_a_key_and_its_row_share_one_string() -> None:
    store = Store("c")
    store.load(*GroupDecoder().decode(encode_group(7, [Change(Table.KV, ("k" * 9,), KVRow("k" * 9, b"v"))])))
    ((key, row),) = store.rows(Table.KV)
    assert isinstance(row, KVRow)
    assert key[0] is row.key


def test_what_a_newer_build_has_added() -> None:
    row = ["kv", 7, "more"]
    for changes in ([[10, ["kv"], row, "more"]], [[99, ["x"], [1, 2]], [10, ["kv"], row]]):
        data = msgspec.msgpack.encode([7, changes, "more"])
        assert _plain(GroupDecoder().decode(data)) == (7, (Change(Table.INDEXES, ("kv",), IndexRow("kv", 7)),))


@pytest.mark.parametrize("data", REFUSED)
@pytest.mark.parametrize("wanted", [TABLES, SOME, {}])
def test_what_is_wrong_is_said_in_the_same_words(data: Any, wanted: Any) -> None:
    expected = _outcome(lambda data: decode_group(data, wanted), data)
    assert _outcome(GroupDecoder(wanted).decode, data) == expected
    assert wanted is not TABLES or isinstance(expected, str)
