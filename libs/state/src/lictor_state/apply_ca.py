"""The mesh's certificate authority: roots and their keys."""

from msgspec.structs import replace

from lictor_state import reported_indexes as reported
from lictor_state.commands import CARootSet, Result
from lictor_state.rows import CAKeyRow, CARootRow, Table
from lictor_state.store import Store


def set_root(store: Store, index: int, command: CARootSet) -> Result:
    """Make a root the active one, if nobody else changed the roots since `expected_index`."""
    if store.index_of(reported.CA_ROOTS) != command.expected_index:
        return Result(value=False)
    root_id = command.root.root_id
    for key, row in tuple(store.rows(Table.CA_ROOTS)):
        assert isinstance(row, CARootRow)
        if row.active and row.root_id != root_id:
            store.put(Table.CA_ROOTS, key, replace(row, active=False, modify_index=index))
    old = store.ca_root(root_id)
    store.put(
        Table.CA_ROOTS,
        (root_id,),
        replace(
            command.root, active=True, create_index=old.create_index if old is not None else index, modify_index=index
        ),
    )
    store.put(Table.CA_KEYS, (root_id,), CAKeyRow(root_id, command.private_key))
    reported.raise_index(store, reported.CA_ROOTS, index)
    return Result(value=True)
