"""`GET /v1/session/info/:id`, `/node/:node` and `/list`, reported at the index of all sessions, as in Consul."""

from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, whole
from lictor_state.rows import SessionRow, Table
from lictor_state.store import Store


def info(store: Store, session_id: str) -> Answer[SessionRow | None]:
    """One session; absent while it is missing. Waits on this session only."""
    row = store.session(session_id)
    index, _ = whole(store, reported.SESSIONS)
    return Answer(index, row, (("row", Table.SESSIONS, (session_id,)),), absent=row is None)


def of_node(store: Store, node: str) -> Answer[list[SessionRow]]:
    """The sessions of a node by id. Any session's change wakes a reader, since it moves the reported index."""
    index, tokens = whole(store, reported.SESSIONS)
    rows = (store.session(one) for one in store.by.sessions_of_node.get(node.lower(), ()))
    return Answer(index, [row for row in rows if row is not None], tokens)


def sessions(store: Store) -> Answer[list[SessionRow]]:
    """All sessions by id."""
    index, tokens = whole(store, reported.SESSIONS)
    rows = (row for _, row in store.rows(Table.SESSIONS))
    return Answer(index, [row for row in rows if isinstance(row, SessionRow)], tokens)
