"""`GET /v1/kv/:key`, alone, `?recurse` and `?keys`.

A list is reported at the newest of its entries and tombstones, and not below the tombstones that were reaped; where
nothing is left, and for all keys at once, at the table's index. It waits on its prefix only: keys elsewhere move the
table, not the list.
"""

from collections.abc import Iterable

from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, index_token
from lictor_state.rows import KVRow, Table, TombstoneRow
from lictor_state.store import Store
from lictor_state.watches import Token


def key(store: Store, name: str) -> Answer[KVRow | None]:
    """One key; absent while it is missing."""
    tokens: tuple[Token, ...] = (("row", Table.KV, (name,)),)
    row = store.kv(name)
    if row is None:
        return Answer(_table_index(store), None, tokens, absent=True)
    return Answer(max(store.least_index, row.modify_index), row, tokens)


def entries(store: Store, prefix: str) -> Answer[list[KVRow]]:
    """All keys that start with the prefix, in order."""
    rows = _below(store, prefix)
    return Answer(_list_index(store, prefix, rows), rows, _tokens(prefix))


def keys(store: Store, prefix: str, separator: str = "") -> Answer[list[str]]:
    """The names below the prefix, each cut after the first separator that follows the prefix, without repetition."""
    rows = _below(store, prefix)
    names: dict[str, None] = {}
    for row in rows:
        cut = row.key.find(separator, len(prefix)) if separator else -1
        names[row.key if cut < 0 else row.key[: cut + len(separator)]] = None
    return Answer(_list_index(store, prefix, rows), list(names), _tokens(prefix))


def _tokens(prefix: str) -> tuple[Token, ...]:
    if prefix:
        return (("kv-prefix", prefix),)
    return index_token(reported.KV), index_token(reported.TOMBSTONES)


def _below(store: Store, prefix: str) -> list[KVRow]:
    names = store.by.kv_keys.below(prefix)
    return [row for row in map(store.kv, names) if row is not None]


def _table_index(store: Store) -> int:
    return max(store.least_index, store.index_of(reported.KV), store.index_of(reported.TOMBSTONES))


def _list_index(store: Store, prefix: str, rows: Iterable[KVRow]) -> int:
    newest = 0
    floor = max(store.least_index, store.index_of(reported.TOMBSTONES_REAPED))
    if prefix:
        newest = max((row.modify_index for row in rows), default=0)
        for name in store.by.tombstone_keys.below(prefix):
            tombstone = store.get(Table.TOMBSTONES, (name,))
            assert isinstance(tombstone, TombstoneRow)
            newest = max(newest, tombstone.index)
    return max(floor, newest) if newest else _table_index(store)
