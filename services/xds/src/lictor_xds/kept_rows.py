"""What an xds keeps of the rows that reach it: what proxies are configured from, and nothing else. Pure.

An instance without a part in the mesh configures no proxy, so it is not kept; in most installations that is half of
them or more. Of index rows those are kept that move with instances: what a proxy's configuration waits for.
"""

from lictor_state import Change, Table
from lictor_state.reported_indexes import is_of_instances
from lictor_state.tables import INDEXES, SERVICES

APPLICATIONS = frozenset({"", "typical"})
"""The kinds of instances that are no proxy: in the mesh only if they are native."""


def narrow(change: Change) -> Change | None:
    """What is kept of a change."""
    table = change.table
    if table is INDEXES:
        return change if is_of_instances(change.key[0]) else None
    if table is SERVICES:
        row = change.row
        if row is not None and row.kind in APPLICATIONS and not row.native:  # type: ignore[union-attr]  # by its table
            return Change(Table.SERVICES, change.key, None)  # it may have been a proxy until now
    return change
