"""The digest of the rows is the sum of their hashes, however the writes are laid together on the way."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_state import rows_digest
from lictor_state.codec import row_hash
from lictor_state.rows import IndexRow, Key, Row, Table
from lictor_state.rows_digest import APART_MAX, DIGEST_MASK, UNHASHED_MAX, Before, RowsDigest

INDEXES = Table.INDEXES
Rows = dict[Table, dict[Key, Row]]
writes = st.lists(
    st.dictionaries(st.integers(0, 9), st.integers(0, 3), min_size=1, max_size=4), max_size=30
)  # each index: which rows get which value, 0 for none


def write(rows: Rows, digest: RowsDigest, wanted: dict[int, int]) -> None:
    """One index."""
    before: Before = {}
    for name, value in wanted.items():
        key = (f"row-{name}",)
        before[(INDEXES, key)] = rows[INDEXES].pop(key, None)
        if value:
            rows[INDEXES][key] = IndexRow(key[0], value)
    digest.owe(before)


def sum_anew(rows: Rows) -> int:
    return sum(row_hash(INDEXES, key, row) for key, row in rows[INDEXES].items()) & DIGEST_MASK


@given(writes, st.integers(0, 8), st.integers(0, 8), st.sets(st.integers(0, 29)))
def test_it_is_the_sum_at_every_time_at_which_somebody_asks(
    history: list[dict[int, int]], apart_max: int, unhashed_max: int, asked: set[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_digest, "APART_MAX", apart_max)
        patch.setattr(rows_digest, "UNHASHED_MAX", unhashed_max)
        rows: Rows = {INDEXES: {}}
        digest = RowsDigest(rows)
        for at, wanted in enumerate(history):
            write(rows, digest, wanted)
            if at in asked:
                assert digest.value() == sum_anew(rows)
        assert digest.value() == sum_anew(rows)


def hashed(monkeypatch: Any, history: list[dict[int, int]]) -> int:
    """How many rows were hashed on the way."""
    count = 0

    def counted(*row: Any) -> int:
        nonlocal count
        count += 1
        return row_hash(*row)

    monkeypatch.setattr(rows_digest, "row_hash", counted)
    rows: Rows = {INDEXES: {}}
    digest = RowsDigest(rows)
    for wanted in history:
        write(rows, digest, wanted)
    assert len(digest._owed) <= UNHASHED_MAX
    assert digest._apart_count <= APART_MAX
    return count


def test_rows_that_are_written_again_and_again_are_not_hashed_each_time(monkeypatch: Any) -> None:
    assert hashed(monkeypatch, [{number % 1000: 1 + number} for number in range(20_000)]) == 0


def test_what_is_owed_is_bounded_where_every_write_is_of_another_row(monkeypatch: Any) -> None:
    assert hashed(monkeypatch, [{number: 1} for number in range(20_000)]) > 20_000 - 2 * UNHASHED_MAX
