"""Secondary indexes: the other ways in which rows are looked up, kept in step with the tables.

Only `Store` calls `moved`, once for every row that it writes, so that a store fed by apply and one fed by the change
feed answer alike. Every list is sorted: answers come out by node name, then id, without sorting per read.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import TypeVar

from lictor_state.late_sorted import LateSorted
from lictor_state.mesh_rows import VirtualIPRow
from lictor_state.prepared_query_rows import PreparedQueryRow
from lictor_state.rows import AgentRow, CheckRow, Key, KVRow, NodeRow, Row, ServiceRow, SessionRow, Table
from lictor_state.sorted_keys import SortedKeys
from lictor_state.tables import (
    AGENTS,
    CHECKS,
    CONFIG_ENTRIES,
    COORDINATES,
    GATEWAY_SERVICES,
    KV,
    NODES,
    PREPARED_QUERIES,
    SERVICES,
    SESSIONS,
    TOMBSTONES,
    VIRTUAL_IPS,
)

_Item = TypeVar("_Item", str, Key)
_Where = TypeVar("_Where", str, Key)
_USUAL = "service:"
"""With the service's id behind it: what Consul calls the check that was registered with a service."""

NATIVE = "connect-native"
"""Counted among the kinds of instances, though it is none: an instance that is in the mesh by itself."""


def destination_of(row: ServiceRow) -> str:
    """The service (lower case) whose mesh traffic this instance takes: a proxy's destination, or itself if native."""
    if row.kind == "connect-proxy" and row.proxy is not None:
        return row.proxy.destination_service_name.lower()
    return row.name.lower() if row.native else ""


def _enter(index: dict[str, list[_Item]], where: str, item: _Item) -> None:
    items = index.get(where)
    if items is None:
        index[where] = [item]
    elif items[-1] < item:
        items.append(item)
    else:
        insort(items, item)


def _leave(index: dict[str, list[_Item]], where: str, item: _Item) -> None:
    items = index[where]
    if len(items) == 1:
        del index[where]
    else:
        del items[bisect_left(items, item)]


def _count(counts: dict[str, int], name: str, by: int) -> None:
    count = counts.get(name, 0) + by
    if count:
        counts[name] = count
    else:
        del counts[name]


def _add(index: dict[_Where, tuple[str, ...]], where: _Where, item: str) -> None:
    index[where] = tuple(sorted((*index.get(where, ()), item)))


def _remove(index: dict[_Where, tuple[str, ...]], where: _Where, item: str) -> None:
    rest = tuple(one for one in index[where] if one != item)
    if rest:
        index[where] = rest
    else:
        del index[where]


class ChecksOfService:
    """The check ids of each instance, by its key; node-level checks stand under the empty service id.

    Nearly every instance has one check, which Consul's agent names `service:<id>`. That one is found in the table of
    checks itself and not written down here: an entry with its key would be a sixth of what an instance takes. A single
    check of another name is kept as a bare string, several as a sorted tuple.
    """

    def __init__(self, checks: Mapping[Key, Row]) -> None:
        """`checks` is the table; it is written before this index hears of it."""
        self._checks = checks
        self._listed: dict[Key, str | tuple[str, ...]] = {}

    def __bool__(self) -> bool:
        """Whether there is any check."""
        return bool(self._checks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChecksOfService) and self._listed == other._listed

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _usual(self, where: Key) -> tuple[str, ...]:
        row = self._checks.get((where[0], _USUAL + where[1]))
        return (row.check_id,) if isinstance(row, CheckRow) and row.service_id == where[1] else ()

    def get(self, where: Key, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The check ids of an instance, sorted; `default` where there are none."""
        listed = self._listed.get(where)
        if listed is None:
            return self._usual(where) or default
        return (listed,) if isinstance(listed, str) else listed

    def add(self, where: Key, check_id: str) -> None:
        """A check of this instance was put."""
        listed = self._listed.get(where)
        if listed is not None:
            there = (listed,) if isinstance(listed, str) else listed
            self._listed[where] = tuple(sorted((*there, check_id)))
        elif check_id != _USUAL + where[1]:
            usual = self._usual(where)
            self._listed[where] = tuple(sorted((*usual, check_id))) if usual else check_id

    def remove(self, where: Key, check_id: str) -> None:
        """A check is not this instance's any more."""
        listed = self._listed.get(where)
        if listed is None:
            return
        rest = () if isinstance(listed, str) else tuple(one for one in listed if one != check_id)
        if len(rest) > 1:
            self._listed[where] = rest
        elif rest and rest[0] != _USUAL + where[1]:
            self._listed[where] = rest[0]
        else:
            del self._listed[where]

    def blocks(self) -> list[dict[Key, str | tuple[str, ...]]]:
        """What it holds, for a store that lets go of it."""
        return [self._listed]


def check_ids(row: SessionRow) -> tuple[str, ...]:
    """The checks that a session hangs on, each once."""
    services = (one.check_id for one in row.service_checks or ())
    return tuple(dict.fromkeys((*row.checks, *(row.node_checks or ()), *services)))


class SecondaryIndexes:
    """All secondary indexes of one store. Names in lower case, like the tables' keys."""

    def __init__(self, checks: Mapping[Key, Row]) -> None:
        """`checks` is the table of checks that these indexes belong to."""
        self.node_of_id: dict[str, str] = {}
        self.agent_of_id: dict[str, str] = {}
        self.services_of_node: dict[str, list[str]] = {}
        self.services_by_name = LateSorted()
        self.tags_by_name: dict[str, dict[str, int]] = {}
        self.proxies_of = LateSorted()
        self.checks_of_node: dict[str, list[str]] = {}
        self.checks_of_service = ChecksOfService(checks)
        self.config_names: dict[str, list[str]] = {}
        self.sessions_of_node: dict[str, list[str]] = {}
        self.sessions_of_check: dict[Key, tuple[str, ...]] = {}
        self.keys_of_session: dict[str, list[str]] = {}
        self.queries_by_name: dict[str, str] = {}
        self.query_templates: dict[str, str] = {}
        self.queries_of_session: dict[str, list[str]] = {}
        self.segments_of_node: dict[str, tuple[str, ...]] = {}
        self.served_by_gateway: dict[str, list[Key]] = {}
        self.gateways_of_service: dict[str, list[Key]] = {}
        self.virtual_offsets: list[int] = []
        self.instances_of_kind: dict[str, int] = {}
        self.kv_keys = SortedKeys()
        self.tombstone_keys = SortedKeys()

    def moved(self, table: Table, key: Key, old: Row | None, new: Row | None) -> None:
        """A row was put (`new`), replaced or deleted (`new` is None)."""
        if table is KV:
            self._kv_moved(key[0], old, new)  # type: ignore[arg-type]  # the table says which row it is
        elif table is SERVICES:
            self._service_moved(key, old, new)  # type: ignore[arg-type]  # as above
        elif table is CHECKS:
            self._check_moved(key, old, new)  # type: ignore[arg-type]  # as above
        elif table is NODES or table is AGENTS:
            ids = self.node_of_id if table is NODES else self.agent_of_id
            _id_moved(ids, key[0], old, new)  # type: ignore[arg-type]  # as above
        elif table is TOMBSTONES:
            if old is None:
                self.tombstone_keys.add(key[0])
            elif new is None:
                self.tombstone_keys.discard(key[0])
        elif table is CONFIG_ENTRIES:
            if old is None:
                _enter(self.config_names, key[0], key[1])
            elif new is None:
                _leave(self.config_names, key[0], key[1])
        elif table is SESSIONS:
            self._session_moved(key[0], old, new)  # type: ignore[arg-type]  # as above
        elif table is PREPARED_QUERIES:
            self._query_moved(key[0], old, new)  # type: ignore[arg-type]  # as above
        elif table is COORDINATES:
            if old is None:
                _add(self.segments_of_node, key[0], key[1])
            elif new is None:
                _remove(self.segments_of_node, key[0], key[1])
        elif table is VIRTUAL_IPS:
            self._virtual_ip_moved(old, new)  # type: ignore[arg-type]  # as above
        elif table is GATEWAY_SERVICES:
            if old is None:
                _enter(self.served_by_gateway, key[0], key)
                _enter(self.gateways_of_service, key[1], key)
            elif new is None:
                _leave(self.served_by_gateway, key[0], key)
                _leave(self.gateways_of_service, key[1], key)

    def _virtual_ip_moved(self, old: VirtualIPRow | None, new: VirtualIPRow | None) -> None:
        offsets = self.virtual_offsets
        if old is not None:
            del offsets[bisect_left(offsets, old.offset)]
        if new is not None:
            insort(offsets, new.offset)

    def _query_moved(self, query_id: str, old: PreparedQueryRow | None, new: PreparedQueryRow | None) -> None:
        if old is not None:
            name = old.definition.name.lower()
            # as with ids of nodes: one of two rows that swap a name may be written before the other
            for index in (self.queries_by_name, self.query_templates):
                if index.get(name) == query_id:
                    del index[name]
            if old.definition.session:
                _leave(self.queries_of_session, old.definition.session, query_id)
        if new is not None:
            name = new.definition.name.lower()
            if name:
                self.queries_by_name[name] = query_id
            if new.definition.template.type:
                self.query_templates[name] = query_id
            if new.definition.session:
                _enter(self.queries_of_session, new.definition.session, query_id)

    def _kv_moved(self, name: str, old: KVRow | None, new: KVRow | None) -> None:
        if old is None:
            self.kv_keys.add(name)
        elif new is None:
            self.kv_keys.discard(name)
        elif old.session == new.session:
            return  # a write of a key that is there, which nearly all are
        was = old.session if old is not None else ""
        now = new.session if new is not None else ""
        if was != now:
            if was:
                _leave(self.keys_of_session, was, name)
            if now:
                _enter(self.keys_of_session, now, name)

    def _session_moved(self, session_id: str, old: SessionRow | None, new: SessionRow | None) -> None:
        if old is not None:
            node = old.node.lower()
            _leave(self.sessions_of_node, node, session_id)
            for check_id in check_ids(old):
                _remove(self.sessions_of_check, (node, check_id), session_id)
        if new is not None:
            node = new.node.lower()
            _enter(self.sessions_of_node, node, session_id)
            for check_id in check_ids(new):
                _add(self.sessions_of_check, (node, check_id), session_id)

    def _service_moved(self, key: Key, old: ServiceRow | None, new: ServiceRow | None) -> None:
        if old is None:
            assert new is not None
            self._service_came(key, new)
        elif new is None:
            self._service_went(key, old)
        elif (old.name, old.tags, old.kind, old.native, old.proxy) != (
            new.name,
            new.tags,
            new.kind,
            new.native,
            new.proxy,
        ):
            self._service_went(key, old)
            self._service_came(key, new)

    def _service_came(self, key: Key, row: ServiceRow) -> None:
        name = row.name.lower()
        _enter(self.services_of_node, key[0], key[1])
        self.services_by_name.enter(name, key)
        if row.tags:
            self._count_tags(name, row.tags, 1)
        self._count_kind(row, 1)
        destination = destination_of(row)
        if destination:
            self.proxies_of.enter(destination, key)

    def _service_went(self, key: Key, row: ServiceRow) -> None:
        name = row.name.lower()
        _leave(self.services_of_node, key[0], key[1])
        self.services_by_name.leave(name, key)
        if row.tags:
            self._count_tags(name, row.tags, -1)
        self._count_kind(row, -1)
        destination = destination_of(row)
        if destination:
            self.proxies_of.leave(destination, key)

    def _count_kind(self, row: ServiceRow, by: int) -> None:
        _count(self.instances_of_kind, row.kind, by)
        if row.native:
            _count(self.instances_of_kind, NATIVE, by)

    def _count_tags(self, name: str, tags: tuple[str, ...], by: int) -> None:
        counts = self.tags_by_name.setdefault(name, {})
        for tag in tags:
            _count(counts, tag, by)
        if not counts:
            del self.tags_by_name[name]

    def _check_moved(self, key: Key, old: CheckRow | None, new: CheckRow | None) -> None:
        node, check_id = key
        if old is None:
            _enter(self.checks_of_node, node, check_id)
        elif new is None:
            _leave(self.checks_of_node, node, check_id)
        elif old.service_id == new.service_id:
            return
        if old is not None:
            self.checks_of_service.remove((node, old.service_id), check_id)
        if new is not None:
            self.checks_of_service.add((node, new.service_id), check_id)


def _id_moved(ids: dict[str, str], name: str, old: NodeRow | AgentRow | None, new: NodeRow | AgentRow | None) -> None:
    # A renamed node is deleted and put in one index, in either order: an id is forgotten only by its last holder.
    if old is not None and old.node_id and (new is None or new.node_id != old.node_id) and ids.get(old.node_id) == name:
        del ids[old.node_id]
    if new is not None and new.node_id:
        ids[new.node_id] = name
