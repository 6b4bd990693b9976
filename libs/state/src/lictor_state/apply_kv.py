"""The key-value store: set, lock, delete and delete of a tree, each with Consul's rules (HTTP API, KV).

A deleted key leaves a tombstone, a deleted tree one for its prefix, so that the index of a list rises when something
vanishes from it. A tree's tombstone replaces those below it: otherwise a list below the prefix would fall back to an
older tombstone and its index would go down.

Locks are advisory: a write without a session changes a held key and leaves its lock as it is.
"""

from lictor_state import reported_indexes as reported
from lictor_state.catalog_rows import put_changed
from lictor_state.commands import KVDelete, KVDeleteTree, KVSet, Result, TombstonesReap
from lictor_state.errors import Refused
from lictor_state.kv_rows import bury, forget, oldest_tombstone, remove_key
from lictor_state.rows import KVRow, TombstoneRow
from lictor_state.store import Store
from lictor_state.tables import KV, TOMBSTONES

REAPED_MAX = 1024  # per entry: a few milliseconds of apply, and one message of the change feed

LOG_PREFIX = "raft apply failed: "
"""Consul puts it before what its log's machine refuses of a single write, not of a transaction."""

_DONE = Result(value=True)
_STALE = Result(value=False)


def set_key(store: Store, index: int, command: KVSet) -> Result:
    """Write a key; with `cas` only at that modify index, 0 meaning only if it is not there."""
    old = store.kv(command.key)
    if command.cas is not None and command.cas != (old.modify_index if old is not None else 0):
        return _STALE
    if command.acquire:
        return _acquire(store, index, command, old)
    if command.release:
        if old is None or old.session != command.release:
            return _STALE
        return _write(store, index, command, old, old.lock_index, "")
    if old is None:
        return _write(store, index, command, None, 0, "")
    return _write(store, index, command, old, old.lock_index, old.session)


def _acquire(store: Store, index: int, command: KVSet, old: KVRow | None) -> Result:
    """Take the key's lock, or write on as its holder; false while another holds it or its lock delay runs."""
    name = command.acquire
    if store.lock_delay(command.key) is not None:
        return _STALE
    session = store.session(name)
    if session is None:
        raise Refused(f'{LOG_PREFIX}invalid session "{name}"')
    if old is not None and old.session == name:
        return _write(store, index, command, old, old.lock_index, old.session)
    if old is not None and old.session:
        return _STALE
    lock_index = old.lock_index + 1 if old is not None else 1
    return _write(store, index, command, old, lock_index, session.session_id)


def _write(store: Store, index: int, command: KVSet, old: KVRow | None, lock_index: int, session: str) -> Result:
    name, value = command.key, command.value
    if old is not None and not value and not old.value:
        value = old.value  # an empty value and none are the same to a reader
    if put_changed(store, index, KV, (name,), old, KVRow(name, value, command.flags, lock_index, session)):
        reported.raise_index(store, reported.KV, index)
    return _DONE


def delete_key(store: Store, index: int, command: KVDelete) -> Result:
    """Delete a key; with `cas` only at that modify index. A missing key is deleted already."""
    old = store.kv(command.key)
    if old is None:
        return _DONE
    if command.cas is not None and command.cas != old.modify_index:
        return _STALE
    remove_key(store, index, command.key)
    return _DONE


def delete_tree(store: Store, index: int, command: KVDeleteTree) -> Result:
    """Delete every key that starts with the prefix; the empty prefix means all keys."""
    keys = tuple(store.by.kv_keys.below(command.prefix))
    if not keys:
        return _DONE
    for name in keys:
        store.delete(KV, (name,))
    reported.raise_index(store, reported.KV, index)
    for name in tuple(store.by.tombstone_keys.below(command.prefix)):
        store.delete(TOMBSTONES, (name,))
    reported.raise_index(store, reported.TOMBSTONES, index)
    if command.prefix:  # with everything gone, lists report the table's index anyway
        bury(store, index, TombstoneRow(command.prefix, index, prefix=True), command.prefix + "\0")
    return _DONE


def reap_tombstones(store: Store, _index: int, command: TombstonesReap) -> Result:
    """Forget old tombstones, oldest first; whether some up to that index are left."""
    for _ in range(REAPED_MAX):
        oldest = oldest_tombstone(store)
        if oldest is None or oldest[1].index > command.up_to_index:
            break
        forget(store, *oldest)
    oldest = oldest_tombstone(store)
    return Result(value=oldest is not None and oldest[1].index <= command.up_to_index)
