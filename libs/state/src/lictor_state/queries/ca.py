"""`GET /v1/connect/ca/roots`, and the active root's key for whoever signs."""

from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, whole
from lictor_state.rows import CAKeyRow, CARootRow, Table
from lictor_state.store import Store


def roots(store: Store) -> Answer[list[CARootRow]]:
    """All roots that are still trusted, the active one first."""
    index, tokens = whole(store, reported.CA_ROOTS)
    rows = [row for _, row in store.rows(Table.CA_ROOTS) if isinstance(row, CARootRow)]
    return Answer(index, sorted(rows, key=lambda row: not row.active), tokens)


def active_key(store: Store) -> Answer[CAKeyRow | None]:
    """The private key of the active root; absent without one, and always in a view that may not have keys."""
    index, tokens = whole(store, reported.CA_ROOTS)
    active = next((row for row in roots(store).value if row.active), None)
    key = store.get(Table.CA_KEYS, (active.root_id,)) if active is not None else None
    found = key if isinstance(key, CAKeyRow) else None
    return Answer(index, found, tokens, absent=found is None)
