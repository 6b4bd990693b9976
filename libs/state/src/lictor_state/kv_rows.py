"""Removing keys of the key-value store, with the tombstones that keep the indexes of lists rising.

The common ground of the store's own commands and of sessions that take their keys along.
"""

from lictor_state import reported_indexes as reported
from lictor_state.levels import TOMBSTONE_FLOOR_LEVEL
from lictor_state.rows import Key, TombstoneRow
from lictor_state.store import Store
from lictor_state.tables import KV, TOMBSTONES

TOMBSTONES_MAX = 65_536
"""About ten megabytes. Beyond it the oldest are forgotten before they are reaped."""


def remove_key(store: Store, index: int, name: str) -> None:
    """Delete a key that is there."""
    store.delete(KV, (name,))
    reported.raise_index(store, reported.KV, index)
    bury(store, index, TombstoneRow(name, index), name)


def bury(store: Store, index: int, row: TombstoneRow, key: str) -> None:
    """Leave a tombstone; the oldest goes when there are too many."""
    store.put(TOMBSTONES, (key,), row)
    reported.raise_index(store, reported.TOMBSTONES, index)
    while store.count(TOMBSTONES) > TOMBSTONES_MAX:
        oldest = oldest_tombstone(store)
        assert oldest is not None
        if store.level >= TOMBSTONE_FLOOR_LEVEL:
            forget(store, *oldest)
        else:
            store.delete(TOMBSTONES, oldest[0])


def oldest_tombstone(store: Store) -> tuple[Key, TombstoneRow] | None:
    """The tombstone that was written first, with its key; None if there is none."""
    if not store.count(TOMBSTONES):
        return None
    key = store.oldest_tombstone()
    row = store.get(TOMBSTONES, key)
    assert isinstance(row, TombstoneRow)
    return key, row


def forget(store: Store, key: Key, row: TombstoneRow) -> None:
    """Delete a tombstone; the newest index forgotten stays as a floor under every list.

    A reader who was told that index must not be told a lower one.
    """
    store.delete(TOMBSTONES, key)
    if row.index > store.index_of(reported.TOMBSTONES_REAPED):
        reported.raise_index(store, reported.TOMBSTONES_REAPED, row.index)
