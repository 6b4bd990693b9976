"""`GET /v1/query`, `/v1/query/:id`, and which query a name or id stands for (Consul's prepared queries).

A query is looked up by its id, then by its name in any case, then by the longest template whose name the name begins
with; an empty name of a template is the beginning of every name. What a query finds is `prepared_execution`.
"""

from msgspec.structs import replace

from lictor_state import reported_indexes as reported
from lictor_state.prepared_query_rows import PreparedQueryRow
from lictor_state.queries.answer import Answer, whole
from lictor_state.query_template import rendered
from lictor_state.rows import Table
from lictor_state.store import Store

TEMPLATED_NAME_MAX = 1024
"""A longer name is that of no template: a name in DNS has at most 253, and matching costs time by its length."""


class TemplateByIdError(Exception):
    """A template was asked for by its id: it only stands for a query under a name."""

    def __init__(self) -> None:
        super().__init__("prepared query templates can only be resolved up by name, not by ID")


def prepared_queries(store: Store) -> Answer[list[PreparedQueryRow]]:
    """All prepared queries by id."""
    index, tokens = whole(store, reported.PREPARED_QUERIES)
    rows = (row for _, row in store.rows(Table.PREPARED_QUERIES))
    return Answer(index, [row for row in rows if isinstance(row, PreparedQueryRow)], tokens)


def prepared_query(store: Store, query_id: str) -> Answer[PreparedQueryRow | None]:
    """One prepared query by its id; absent while it is missing."""
    index, _ = whole(store, reported.PREPARED_QUERIES)
    row = store.prepared_query(query_id)
    return Answer(index, row, (("row", Table.PREPARED_QUERIES, (query_id,)),), absent=row is None)


def resolve(store: Store, name_or_id: str) -> PreparedQueryRow | None:
    """The query that a name or id stands for, a template rendered for that name; raises `TemplateByIdError`."""
    row = store.prepared_query(name_or_id.lower())
    if row is not None:
        if row.definition.template.type:
            raise TemplateByIdError
        return row
    name = name_or_id.lower()
    query_id = store.by.queries_by_name.get(name) if name else None
    if query_id is None:
        query_id = _longest_template(store, name)
    row = store.prepared_query(query_id) if query_id is not None else None
    if row is None or not row.definition.template.type:
        return row
    return replace(row, definition=rendered(row.definition, name_or_id))


def _longest_template(store: Store, name: str) -> str | None:
    templates = store.by.query_templates
    if not templates or len(name) > TEMPLATED_NAME_MAX:
        return None
    return next((templates[name[:end]] for end in range(len(name), -1, -1) if name[:end] in templates), None)
