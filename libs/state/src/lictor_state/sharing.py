"""Shared values: equal names, tags, definitions and empty maps of many rows become one object.

A hundred thousand instances repeat a few thousand names; sharing them halves the memory of a view. Rows are changed
in place here, before anybody else holds them, and stay equal to what they were: nothing but identity changes. A
shared value must never be mutated, like everything else in a row.

Ids are mostly unique: interning those would cost more than it saves, so a row and its keys share them directly.
"""

import sys
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from lictor_state.rows import AgentRow, CheckDefinition, CheckRow, NodeRow, ServiceRow, Weights

SMALL_INTEGER_MAX = 256  # Python has one object for each of these anyway
SHARED_MAX = 4096  # distinct tag lists, definitions and durations remembered; the memory is emptied when it is full

_intern = sys.intern
_EMPTY: dict[str, Any] = {}
_PLAIN_WEIGHTS = Weights()
_NO_DEFINITION = CheckDefinition()
_DURATIONS = ("ttl_ns", "interval_ns", "timeout_ns", "deregister_critical_service_after_ns")
_encode = msgspec.msgpack.Encoder().encode


class Sharing:
    """One store's memory of what rows have in common."""

    __slots__ = ("_definitions", "_numbers", "_ports", "_tuples")

    def __init__(self) -> None:
        self._tuples: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._definitions: dict[bytes, CheckDefinition] = {}
        self._numbers: dict[int, int] = {}
        self._ports: dict[int, int] = {}  # there are 65,535; an integer object is as large as a short list

    def _tags(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        if not tags:
            return ()
        known = self._tuples.get(tags)
        if known is None:
            if len(self._tuples) >= SHARED_MAX:
                self._tuples.clear()
            known = self._tuples[tags] = tuple(map(_intern, tags))
        return known

    def _definition(self, definition: CheckDefinition) -> CheckDefinition:
        if definition is _NO_DEFINITION or definition == _NO_DEFINITION:
            return _NO_DEFINITION
        encoded = _encode(definition)
        known = self._definitions.get(encoded)
        if known is None:
            if len(self._definitions) >= SHARED_MAX:
                self._definitions.clear()
            known = self._definitions[encoded] = definition
            if not known.header:
                force_setattr(known, "header", _EMPTY)
            for name in _DURATIONS:
                number = getattr(known, name)
                if number:
                    force_setattr(known, name, self._number(number))
        return known

    def _number(self, number: int) -> int:
        if len(self._numbers) >= SHARED_MAX:
            self._numbers.clear()
        return self._numbers.setdefault(number, number)

    # what is shared already is left alone: looking costs a fifth of writing it again

    def node(self, row: NodeRow, lower: str) -> str:
        """Share what a node's row has in common with others; its name in lower case, shared too."""
        node = _intern(row.node)
        if node is not row.node:
            force_setattr(row, "node", node)
        datacenter = _intern(row.datacenter)
        if datacenter is not row.datacenter:
            force_setattr(row, "datacenter", datacenter)
        if not row.tagged_addresses:
            force_setattr(row, "tagged_addresses", _EMPTY)
        if not row.meta:
            force_setattr(row, "meta", _EMPTY)
        return node if node == lower else _intern(lower)

    def service(self, row: ServiceRow, old: ServiceRow | None) -> None:
        """Share what an instance's row has in common with others and with the row that it replaces."""
        node, name = _intern(row.node), _intern(row.name)
        if node is not row.node:
            force_setattr(row, "node", node)
        if name is not row.name:
            force_setattr(row, "name", name)
        if old is not None:
            force_setattr(row, "service_id", old.service_id)
        if row.kind:
            force_setattr(row, "kind", _intern(row.kind))
        if row.tags:
            force_setattr(row, "tags", self._tags(row.tags))
        if row.port > SMALL_INTEGER_MAX:
            force_setattr(row, "port", self._ports.setdefault(row.port, row.port))
        if row.tagged_addresses:
            _share_addresses(row)
        else:
            force_setattr(row, "tagged_addresses", _EMPTY)
        if not row.meta:
            force_setattr(row, "meta", _EMPTY)
        if row.weights is not _PLAIN_WEIGHTS and row.weights == _PLAIN_WEIGHTS:
            force_setattr(row, "weights", _PLAIN_WEIGHTS)
        create_index = row.create_index
        if row.modify_index is not create_index and row.modify_index == create_index:
            force_setattr(row, "modify_index", create_index)

    def check(self, row: CheckRow, old: CheckRow | None, service: ServiceRow | None) -> None:
        """Share what a check's row has in common with others, with the row that it replaces and with its service."""
        force_setattr(row, "node", _intern(row.node))
        force_setattr(row, "name", _intern(row.name))
        force_setattr(row, "status", _intern(row.status))
        force_setattr(row, "service_name", _intern(row.service_name))
        if row.service_tags:
            force_setattr(row, "service_tags", self._tags(row.service_tags))
        force_setattr(row, "type", _intern(row.type))
        force_setattr(row, "interval", _intern(row.interval))
        force_setattr(row, "timeout", _intern(row.timeout))
        if old is not None:
            force_setattr(row, "check_id", old.check_id)
            if row.output == old.output:
                force_setattr(row, "output", old.output)
        if service is not None:
            force_setattr(row, "service_id", service.service_id)
            if row.create_index == service.create_index:
                force_setattr(row, "create_index", service.create_index)
        if old is None or row.definition is not old.definition:
            force_setattr(row, "definition", self._definition(row.definition))
        create_index = row.create_index
        if row.modify_index == create_index:
            force_setattr(row, "modify_index", create_index)
        if row.definition_index == create_index:
            force_setattr(row, "definition_index", create_index)

    def agent(self, row: AgentRow) -> None:
        """Share what an agent's row, and what is kept aside in it, has in common with others."""
        force_setattr(row, "node", _intern(row.node))
        for service in row.kept_services:
            self.service(service, None)
        for check in row.kept_checks:
            self.check(check, None, None)


def _share_addresses(row: ServiceRow) -> None:
    """An agent tags a service's own address several times over: one object will do for all of them."""
    first = next(iter(row.tagged_addresses.values()))
    if first.address == row.address:
        force_setattr(first, "address", row.address)
    if first.port == row.port:
        force_setattr(first, "port", row.port)
    shared = {_intern(tag): first if tagged == first else tagged for tag, tagged in row.tagged_addresses.items()}
    force_setattr(row, "tagged_addresses", shared)
