"""Watches: who is to be woken by which rows (design rule 3.13).

A watch is a set of tokens and a callback. The store notes every row that an index changed and fires afterwards, so a
woken reader always sees the whole index. A watch fires once and is then gone: what a query depends on changes with
its answer, so whoever still waits asks again and adds the new tokens. Nothing here knows what a query means.
"""

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

from lictor_state.rows import Key, Table
from lictor_state.tables import KV

Token = tuple[Literal["row"], Table, Key] | tuple[Literal["kv-prefix"], str] | tuple[Literal["table"], Table]

TOKENS_MAX = 8192  # per watch, as Consul bounds a query's watch set; beyond it whole tables are watched instead


class Watch:
    """One waiter: its tokens and its callback. Made by `Watches.add` and given back to `remove`."""

    __slots__ = ("tokens", "wake")

    def __init__(self, tokens: tuple[Token, ...], wake: Callable[[], None]) -> None:
        self.tokens = tokens
        self.wake = wake


_Where = TypeVar("_Where")
_Slot = dict[Watch, None]  # a dict and not a set: waiters are woken in the order in which they came


def _table_of(token: Token) -> Table:
    return KV if token[0] == "kv-prefix" else token[1]


class Watches:
    """All watches of one store."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Table, Key], _Slot] = {}
        self._prefixes: dict[str, _Slot] = {}
        self._prefix_lengths: list[int] = []
        self._length_counts: dict[int, int] = {}
        self._tables: dict[Table, _Slot] = {}
        self._all: _Slot = {}
        self._due: _Slot = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, tokens: Iterable[Token], wake: Callable[[], None]) -> Watch:
        """Wake once, after the first index that changes any of the tokens' rows.

        More than `TOKENS_MAX` distinct tokens are widened to their tables: the waiter then wakes too often and never
        too late. `wake` must not raise and must not change the store.
        """
        distinct = tuple(dict.fromkeys(tokens))
        if len(distinct) > TOKENS_MAX:
            distinct = tuple(dict.fromkeys(("table", _table_of(token)) for token in distinct))
        watch = Watch(distinct, wake)
        self._all[watch] = None
        for token in distinct:
            if token[0] == "row":
                self._rows.setdefault((token[1], token[2]), {})[watch] = None
            elif token[0] == "kv-prefix":
                self._add_prefix(token[1], watch)
            else:
                self._tables.setdefault(token[1], {})[watch] = None
        return watch

    def _add_prefix(self, prefix: str, watch: Watch) -> None:
        slot = self._prefixes.get(prefix)
        if slot is None:
            slot = self._prefixes[prefix] = {}
            length = len(prefix)
            count = self._length_counts.get(length, 0)
            self._length_counts[length] = count + 1
            if not count:
                insort(self._prefix_lengths, length)
        slot[watch] = None

    def remove(self, watch: Watch) -> None:
        """Forget a watch; one that fired or was removed already is fine."""
        if self._all.pop(watch, self) is self:
            return
        self._due.pop(watch, None)
        for token in watch.tokens:
            if token[0] == "row":
                _leave(self._rows, (token[1], token[2]), watch)
            elif token[0] == "kv-prefix":
                if _leave(self._prefixes, token[1], watch):
                    self._drop_length(len(token[1]))
            else:
                _leave(self._tables, token[1], watch)

    def _drop_length(self, length: int) -> None:
        count = self._length_counts[length] - 1
        if count:
            self._length_counts[length] = count
        else:
            del self._length_counts[length]
            self._prefix_lengths.remove(length)

    def note(self, touched: tuple[Table, Key]) -> None:
        """A row was put or deleted: its watches are due."""
        table, key = touched
        slot = self._rows.get(touched)
        if slot:
            self._due.update(slot)
        slot = self._tables.get(table)
        if slot:
            self._due.update(slot)
        if table is KV and self._prefix_lengths:
            name = key[0]
            for length in self._prefix_lengths:
                if length > len(name):
                    break
                slot = self._prefixes.get(name[:length])
                if slot:
                    self._due.update(slot)

    def fire(self) -> None:
        """Wake every watch that is due, each once."""
        if not self._due:
            return
        due, self._due = self._due, {}
        for watch in due:
            self.remove(watch)
        for watch in due:
            watch.wake()

    def fire_all(self) -> None:
        """Wake every watch: the whole state was replaced."""
        self.note_all()
        self.fire()

    def note_all(self) -> None:
        """Every row has changed: all watches are due."""
        self._due.update(self._all)


def _leave(slots: dict[_Where, _Slot], where: _Where, watch: Watch) -> bool:
    """Take a watch out of its slot; whether the slot is gone with it."""
    slot = slots.get(where)
    if slot is None:
        return False
    slot.pop(watch, None)
    if slot:
        return False
    del slots[where]
    return True
