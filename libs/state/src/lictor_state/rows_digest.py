"""The digest of a store's rows: one sum of all their hashes, kept up to date with what changes.

Hashing a row takes half as long as writing it, and many commands write the same few rows: index rows, locks, the
results of checks. So each index only leaves behind what its rows were before. Now and then these are laid together,
what a row was at first on top; and once that is about many different rows, each is looked at once: what it was first is
taken out of the sum, and what it is now put in.
"""

from collections.abc import Mapping

from lictor_state.codec import row_hash
from lictor_state.rows import Key, Row, Table

UNHASHED_MAX = 2048  # different rows that are yet to be hashed: up to two milliseconds of work at once
APART_MAX = 1024  # writes that are not laid together yet: as many as make that cheap for each of them
DIGEST_MASK = (1 << 64) - 1

Before = dict[tuple[Table, Key], Row | None]
"""What rows were before something changed them; None for one that was not there."""


class RowsDigest:
    """The sum over the rows of `tables`: they may be written at will as long as every write is owed."""

    __slots__ = ("_apart", "_apart_count", "_owed", "_sum", "_tables")

    def __init__(self, tables: Mapping[Table, Mapping[Key, Row]]) -> None:
        """`tables` are empty as yet."""
        self._tables = tables
        self._apart: list[Before] = []
        self._apart_count = 0
        self._owed: Before = {}
        self._sum = 0

    def owe(self, before: Before) -> None:
        """These rows were written; who gives this away must not change it any more."""
        self._apart.append(before)
        self._apart_count += len(before)
        if self._apart_count > APART_MAX:
            self._lay_together()
            if len(self._owed) > UNHASHED_MAX:
                self._settle()

    def value(self) -> int:
        """The sum as of now; costs what is still owed."""
        self._lay_together()
        self._settle()
        return self._sum

    def _lay_together(self) -> None:
        first: Before = {}
        for before in reversed(self._apart):
            first.update(before)  # of a row that was written several times, what it was first stays
        first.update(self._owed)
        self._owed, self._apart, self._apart_count = first, [], 0

    def _settle(self) -> None:
        tables, total = self._tables, self._sum
        for (table, key), old in self._owed.items():
            new = tables[table].get(key)
            if new is old:
                continue
            if old is not None:
                total -= row_hash(table, key, old)
            if new is not None:
                total += row_hash(table, key, new)
        self._sum, self._owed = total & DIGEST_MASK, {}
