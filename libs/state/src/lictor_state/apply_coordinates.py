"""Coordinates that gossip or a client reports, in batches (`PUT /v1/coordinate/update`)."""

from lictor_state import distance
from lictor_state.catalog_rows import put_changed
from lictor_state.commands import CoordinatesUpdate, Result
from lictor_state.coordinate_rows import CoordinateRow
from lictor_state.reported_indexes import COORDINATES, raise_index
from lictor_state.rows import Table
from lictor_state.store import Store


def update(store: Store, index: int, command: CoordinatesUpdate) -> Result:
    """Write what is new; nodes that are not there, and numbers that make no coordinate, are passed over in silence.

    The silence is Consul's: updates are measured, sent and applied at different times, and a node may be gone by then.
    """
    changed = False
    for one in command.updates:
        node = store.node(one.node)
        if node is None or not distance.is_valid(one.vec, one.error, one.adjustment, one.height):
            continue
        key = (node.node.lower(), one.segment)
        row = CoordinateRow(node.node, one.segment, one.vec, one.error, one.adjustment, one.height)
        changed |= put_changed(store, index, Table.COORDINATES, key, store.coordinate(*key), row)
    if changed:
        raise_index(store, COORDINATES, index)
    return Result(value=True)
