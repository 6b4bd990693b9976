"""`/v1/query`: defining, redefining and deleting prepared queries (Consul's HTTP API, prepared queries).

Names are compared in any case. A query that is bound to a session goes with it: that is in `session_rows`.
"""

from lictor_state import reported_indexes as reported
from lictor_state.apply_kv import LOG_PREFIX
from lictor_state.catalog_rows import put_changed
from lictor_state.commands import PreparedQueryDelete, PreparedQuerySet, Result
from lictor_state.errors import Refused
from lictor_state.prepared_query_rows import PreparedQueryRow, QueryDefinition
from lictor_state.rows import Table
from lictor_state.session_rows import remove_query
from lictor_state.store import Store


def set_query(store: Store, index: int, command: PreparedQuerySet) -> Result:
    """A new query, or another definition of one that is there. Result: its id."""
    old = store.prepared_query(command.query_id)
    if command.create and old is not None:
        raise Refused(f"{LOG_PREFIX}query id '{command.query_id}' is taken")  # ids are random
    if not command.create and old is None:
        raise Refused(_missing(command.query_id))
    _judge(store, command.query_id, command.definition)
    row = PreparedQueryRow(command.query_id, command.definition)
    if put_changed(store, index, Table.PREPARED_QUERIES, (command.query_id,), old, row):
        reported.raise_index(store, reported.PREPARED_QUERIES, index)
    return Result(value=command.query_id)


def _judge(store: Store, query_id: str, definition: QueryDefinition) -> None:
    name = definition.name.lower()
    if name:
        if store.by.queries_by_name.get(name, query_id) != query_id:
            raise Refused(f"{LOG_PREFIX}name '{definition.name}' aliases an existing query name")
        if store.prepared_query(name) is not None:  # whoever asks for that id must get that query
            raise Refused(f"{LOG_PREFIX}name '{definition.name}' aliases an existing query ID")
    elif definition.template.type and store.by.query_templates.get("", query_id) != query_id:
        raise Refused(f"{LOG_PREFIX}a query template with an empty name already exists")
    if definition.session and store.session(definition.session) is None:
        raise Refused(f'{LOG_PREFIX}invalid session "{definition.session}"')


def delete_query(store: Store, index: int, command: PreparedQueryDelete) -> Result:
    """Delete a query that is there. Result: True."""
    if store.prepared_query(command.query_id) is None:
        raise Refused(_missing(command.query_id))
    remove_query(store, index, command.query_id)
    return Result(value=True)


def _missing(query_id: str) -> str:
    return f"Cannot modify non-existent prepared query: '{query_id}'"
