"""Removing keys of the key-value store, with the tombstones that keep the indexes of lists rising.

The common ground of the store's own commands and of sessions that take their keys along.
"""

from lictor_state import reported_indexes as reported
from lictor_state.rows import Table, TombstoneRow
from lictor_state.store import Store

TOMBSTONES_MAX = 65_536  # the oldest go first; a list's index may then fall, as when Consul reaps its tombstones


def remove_key(store: Store, index: int, name: str) -> None:
    """Delete a key that is there."""
    store.delete(Table.KV, (name,))
    reported.raise_index(store, reported.KV, index)
    bury(store, index, TombstoneRow(name, index), name)


def bury(store: Store, index: int, row: TombstoneRow, key: str) -> None:
    """Leave a tombstone; the oldest goes when there are too many."""
    store.put(Table.TOMBSTONES, (key,), row)
    reported.raise_index(store, reported.TOMBSTONES, index)
    while store.count(Table.TOMBSTONES) > TOMBSTONES_MAX:
        store.delete(Table.TOMBSTONES, store.oldest_tombstone())
