"""The key-value store: set, delete and delete of a tree, each with Consul's rules (HTTP API, KV), without sessions.

A deleted key leaves a tombstone, a deleted tree one for its prefix, so that the index of a list rises when something
vanishes from it. A tree's tombstone replaces those below it: otherwise a list below the prefix would fall back to an
older tombstone and its index would go down.
"""

from lictor_state import reported_indexes as reported
from lictor_state.catalog_rows import put_changed
from lictor_state.commands import KVDelete, KVDeleteTree, KVSet, Result
from lictor_state.rows import KVRow, Table, TombstoneRow
from lictor_state.store import Store

TOMBSTONES_MAX = 65_536  # the oldest go first; a list's index may then fall, as when Consul reaps its tombstones

_DONE = Result(value=True)
_STALE = Result(value=False)


def set_key(store: Store, index: int, command: KVSet) -> Result:
    """Write a key; with `cas` only at that modify index, 0 meaning only if it is not there."""
    name = command.key
    old = store.kv(name)
    if command.cas is not None and command.cas != (old.modify_index if old is not None else 0):
        return _STALE
    if old is None:
        row = KVRow(name, command.value, command.flags)
    else:
        value = command.value
        if not value and not old.value:
            value = old.value  # an empty value and none are the same to a reader
        row = KVRow(name, value, command.flags, old.lock_index, old.session)
    if put_changed(store, index, Table.KV, (name,), old, row):
        reported.raise_index(store, reported.KV, index)
    return _DONE


def delete_key(store: Store, index: int, command: KVDelete) -> Result:
    """Delete a key; with `cas` only at that modify index. A missing key is deleted already."""
    old = store.kv(command.key)
    if old is None:
        return _DONE
    if command.cas is not None and command.cas != old.modify_index:
        return _STALE
    store.delete(Table.KV, (command.key,))
    reported.raise_index(store, reported.KV, index)
    _bury(store, index, TombstoneRow(command.key, index), command.key)
    return _DONE


def delete_tree(store: Store, index: int, command: KVDeleteTree) -> Result:
    """Delete every key that starts with the prefix; the empty prefix means all keys."""
    keys = tuple(store.by.kv_keys.below(command.prefix))
    if not keys:
        return _DONE
    for name in keys:
        store.delete(Table.KV, (name,))
    reported.raise_index(store, reported.KV, index)
    for name in tuple(store.by.tombstone_keys.below(command.prefix)):
        store.delete(Table.TOMBSTONES, (name,))
    reported.raise_index(store, reported.TOMBSTONES, index)
    if command.prefix:  # with everything gone, lists report the table's index anyway
        _bury(store, index, TombstoneRow(command.prefix, index, prefix=True), command.prefix + "\0")
    return _DONE


def _bury(store: Store, index: int, row: TombstoneRow, key: str) -> None:
    store.put(Table.TOMBSTONES, (key,), row)
    reported.raise_index(store, reported.TOMBSTONES, index)
    while store.count(Table.TOMBSTONES) > TOMBSTONES_MAX:
        store.delete(Table.TOMBSTONES, store.oldest_tombstone())
