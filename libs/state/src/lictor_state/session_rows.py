"""How sessions end, whatever ended them: the keys that they hold are given back or deleted (Consul, sessions).

Every key that was held may not be acquired for the session's lock delay: its lost holder may still believe that it
holds the lock. The delay is a row, so that it holds on every member alike; when it is over is the leader's business.
"""

from msgspec.structs import replace

from lictor_state import reported_indexes as reported
from lictor_state.kv_rows import remove_key
from lictor_state.rows import Key, LockDelayRow, SessionRow, Table
from lictor_state.store import Store

LOCK_DELAY_MAX_NS = 60 * 1_000_000_000  # as in Consul: a longer one is shown as given and cut here


def end_session(store: Store, index: int, session: SessionRow) -> None:
    """Delete a session and the queries that are bound to it, and let go of its keys."""
    name = session.session_id
    held = tuple(store.by.keys_of_session.get(name, ()))
    delay = min(session.lock_delay_ns, LOCK_DELAY_MAX_NS)
    for key in held:
        if session.behavior == "delete":
            remove_key(store, index, key)
        else:
            row = store.kv(key)
            assert row is not None, f"key {key} is held by {name} and not there"
            store.put(Table.KV, (key,), replace(row, session="", modify_index=index))
            reported.raise_index(store, reported.KV, index)
        if delay > 0:
            store.put(Table.LOCK_DELAYS, (key,), LockDelayRow(key, delay, index))
    for query_id in tuple(store.by.queries_of_session.get(name, ())):
        remove_query(store, index, query_id)
    store.delete(Table.SESSIONS, (name,))
    reported.raise_index(store, reported.SESSIONS, index)


def remove_query(store: Store, index: int, query_id: str) -> None:
    """Delete a prepared query: its session has ended, or somebody said so."""
    store.delete(Table.PREPARED_QUERIES, (query_id,))
    reported.raise_index(store, reported.PREPARED_QUERIES, index)


def end_sessions_of_check(store: Store, index: int, check: Key) -> None:
    """A check (node in lower case, check id) is critical or gone: so are the sessions that hang on it."""
    _end_all(store, index, store.by.sessions_of_check.get(check, ()))


def end_sessions_of_node(store: Store, index: int, node: str) -> None:
    """A node (in lower case) is gone: so are its sessions."""
    _end_all(store, index, tuple(store.by.sessions_of_node.get(node, ())))


def _end_all(store: Store, index: int, names: tuple[str, ...]) -> None:
    for name in names:
        session = store.session(name)
        assert session is not None, f"session {name} is indexed and not there"
        end_session(store, index, session)
