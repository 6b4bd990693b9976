"""Cuts: what tables held at one moment, read piece by piece while the store moves on.

Copy on write. A cut lists the keys when it is taken (10 ms per million, the only work done at once) and reads each row
when it comes to it. Where a row has changed since, whoever changed it has noted what it was: `OpenCuts.note` is called
once per index, with what the store remembers of that index anyway, so a store without an open cut pays one comparison
per index. Rows are immutable, hence a reference is a copy.

A cut ends when nobody holds it any more; an abandoned one leaves nothing behind. It holds the dicts themselves: who
replaces a store's tables as a whole opens a fresh `OpenCuts` with them, and leaves the old dicts alone.
"""

import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from lictor_state.rows import Key, Row, Table

K = TypeVar("K")
V = TypeVar("V")
_UNCHANGED = object()


class OpenCuts(Generic[K, V]):
    """The cuts that are still being read, each with what has changed under it."""

    __slots__ = ("__weakref__", "kept")

    def __init__(self) -> None:
        self.kept: list[dict[K, V]] = []

    def open(self, reader: object) -> dict[K, V]:
        """What changes from now on, as it was before; noted for as long as `reader` lives."""
        kept: dict[K, V] = {}
        self.kept.append(kept)
        weakref.finalize(reader, self._close, kept).atexit = False
        return kept

    def note(self, before: Mapping[K, V]) -> None:
        """These have just changed; `before` holds what they were. Only the first change since a cut counts for it."""
        for kept in self.kept:
            for what, old in before.items():
                if what not in kept:
                    kept[what] = old

    def _close(self, kept: dict[K, V]) -> None:
        self.kept = [one for one in self.kept if one is not kept]


class Cut:
    """Rows of one moment; iterate it once, in the tables' own order."""

    def __init__(
        self, tables: Iterable[tuple[Table, dict[Key, Row]]], cuts: OpenCuts[tuple[Table, Key], Row | None]
    ) -> None:
        self._kept = cuts.open(self)
        self._tables = [(table, rows, list(rows)) for table, rows in tables]

    def __iter__(self) -> Iterator[tuple[Table, Key, Row]]:
        for table, rows, keys in self._tables:
            kept = self._kept
            for key in keys:
                old = kept.get((table, key), _UNCHANGED) if kept else _UNCHANGED
                row = rows[key] if old is _UNCHANGED else old
                yield table, key, row  # type: ignore[misc]  # the first pre-image of a listed key is a row
