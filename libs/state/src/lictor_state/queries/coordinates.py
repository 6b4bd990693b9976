"""`GET /v1/coordinate/nodes` and `/v1/coordinate/node/:node`, reported at the index of the whole table."""

from lictor_state import reported_indexes as reported
from lictor_state.coordinate_rows import CoordinateRow
from lictor_state.distance import coordinates_of
from lictor_state.queries.answer import Answer, whole
from lictor_state.rows import Table
from lictor_state.store import Store


def nodes(store: Store) -> Answer[list[CoordinateRow]]:
    """All coordinates by node and segment."""
    index, tokens = whole(store, reported.COORDINATES)
    rows = [row for _, row in store.rows(Table.COORDINATES) if isinstance(row, CoordinateRow)]
    return Answer(index, rows, tokens)


def node(store: Store, name: str) -> Answer[list[CoordinateRow]]:
    """One node's coordinates by segment. Any coordinate's change wakes a reader, since it moves the reported index."""
    index, tokens = whole(store, reported.COORDINATES)
    found = coordinates_of(store, name)
    return Answer(index, [found[segment] for segment in sorted(found)], tokens)
