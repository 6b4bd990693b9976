"""Projection: the view's store as this service reads it, and what changes there mean for it.

Checks by key and by node, and which services exist: enough to own checks and to mirror aliases. Nothing is copied:
the view loads a change before anybody hears of it, so its store is as new as the newest change taken. Pure.
"""

from collections.abc import Iterable

from lictor_healthcheck.checks import CheckKey
from lictor_state import Store
from lictor_state.rows import Change, CheckRow
from lictor_state.tables import CHECKS, SERVICES


class Projection:
    """Checks and services, as of the newest change taken."""

    def __init__(self) -> None:
        self._store = Store("", keeps_digest=False)

    def follow(self, store: Store) -> None:
        """Read from here on: the view is complete, or was replaced."""
        self._store = store

    def take(self, changes: Iterable[Change]) -> tuple[set[CheckKey], set[str]]:
        """What changes that the store has loaded mean: the checks that changed, the nodes whose health may have."""
        keys: set[CheckKey] = set()
        nodes: set[str] = set()
        for change in changes:
            table = change.table
            if table is CHECKS or table is SERVICES:
                node, name = change.key
                nodes.add(node)
                if table is CHECKS:
                    keys.add((node, name))
        return keys, nodes

    def keys(self) -> list[CheckKey]:
        """The keys of all checks."""
        return [(node, check_id) for (node, check_id), _row in self._store.unsorted_rows(CHECKS)]

    def check(self, key: CheckKey) -> CheckRow | None:
        """A check by its key."""
        return self._store.check(*key)

    def of_node(self, node: str) -> Iterable[CheckRow]:
        """The checks of a node (name in lower case)."""
        rows = (self._store.check(node, check_id) for check_id in self._store.by.checks_of_node.get(node, ()))
        return (row for row in rows if row is not None)

    def service_exists(self, node: str, service_id: str) -> bool:
        """Whether a node (name in lower case) has a service instance of that id."""
        return self._store.service(node, service_id) is not None
