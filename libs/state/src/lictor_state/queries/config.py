"""`GET /v1/config/:kind` and `/v1/config/:kind/:name`, reported at the index of the whole table."""

from lictor_state import reported_indexes as reported
from lictor_state.queries.answer import Answer, whole
from lictor_state.rows import ConfigEntryRow, Table, config_key
from lictor_state.store import Store


def entry(store: Store, kind: str, name: str) -> Answer[ConfigEntryRow | None]:
    """One entry; absent while it is missing. Waits on this entry only."""
    row = store.config_entry(kind, name)
    index, _ = whole(store, reported.CONFIG_ENTRIES)
    return Answer(index, row, (("row", Table.CONFIG_ENTRIES, config_key(kind, name)),), absent=row is None)


def entries(store: Store, kind: str) -> Answer[list[ConfigEntryRow]]:
    """All entries of a kind by name. Any entry's change wakes a reader, who compares what it got."""
    index, tokens = whole(store, reported.CONFIG_ENTRIES)
    rows = (store.config_entry(kind, name) for name in store.by.config_names.get(kind, ()))
    return Answer(index, [row for row in rows if row is not None], tokens)
