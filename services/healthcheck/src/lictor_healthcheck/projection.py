"""Projection: what this service keeps of the discovery stream.

Checks by key and by node, and which services exist: enough to own checks and to mirror aliases. Rows are shared with
the view, not copied. Pure.
"""

from collections.abc import Iterable

from lictor_healthcheck.checks import CheckKey, key_of
from lictor_state.rows import Change, CheckRow, ServiceRow
from lictor_state.tables import CHECKS, SERVICES


class Projection:
    """Checks and services, as of the newest change taken."""

    def __init__(self) -> None:
        self.checks: dict[CheckKey, CheckRow] = {}
        self._by_node: dict[str, dict[str, CheckRow]] = {}
        self._services: set[tuple[str, str]] = set()

    def take(self, changes: Iterable[Change]) -> tuple[set[CheckKey], set[str]]:
        """Take changes; returns the checks that changed and the nodes whose health may have."""
        keys: set[CheckKey] = set()
        nodes: set[str] = set()
        for change in changes:
            table = change.table
            if table is not CHECKS and table is not SERVICES:
                continue
            node, name = change.key
            nodes.add(node)
            if table is SERVICES:
                self._services.discard((node, name))
                if isinstance(change.row, ServiceRow):
                    self._services.add((node, name))
                continue
            keys.add((node, name))
            self._drop(node, name)
            if isinstance(change.row, CheckRow):
                self._put(change.row)
        return keys, nodes

    def replace(self, checks: Iterable[CheckRow], services: Iterable[ServiceRow]) -> None:
        """Start again from whole tables."""
        self.checks.clear()
        self._by_node.clear()
        for row in checks:
            self._put(row)
        self._services = {(row.node.lower(), row.service_id) for row in services}

    def of_node(self, node: str) -> Iterable[CheckRow]:
        """The checks of a node (name in lower case)."""
        return self._by_node.get(node, {}).values()

    def service_exists(self, node: str, service_id: str) -> bool:
        """Whether a node (name in lower case) has a service instance of that id."""
        return (node, service_id) in self._services

    def _put(self, row: CheckRow) -> None:
        key = key_of(row)
        self.checks[key] = row
        self._by_node.setdefault(key[0], {})[key[1]] = row

    def _drop(self, node: str, check_id: str) -> None:
        self.checks.pop((node, check_id), None)
        there = self._by_node.get(node)
        if there is not None:
            there.pop(check_id, None)
            if not there:
                del self._by_node[node]
