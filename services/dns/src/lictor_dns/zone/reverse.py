"""Who has an address: nodes first, then services (Consul's DNS interface, reverse lookups).

The index is made when it is first asked, since most installations never ask; from then on it follows the changes. It
holds an address as its bytes, so that every way to write it is the same.
"""

from bisect import insort
from collections.abc import Iterable

from lictor_dns.zone.addresses import packed
from lictor_state import Change, Store, Table
from lictor_state.rows import Key, NodeRow, Row, ServiceRow
from lictor_state.tables import NODES, SERVICES


class ReverseIndex:
    """The nodes and instances at each address, by key."""

    def __init__(self) -> None:
        self._nodes, self._services = _Holders(), _Holders()
        self._made = False

    def reset(self) -> None:
        """Another store: make it anew when it is asked."""
        self._nodes, self._services = _Holders(), _Holders()
        self._made = False

    def load(self, changes: Iterable[Change]) -> None:
        """Follow changes."""
        if not self._made:
            return
        for change in changes:
            if change.table is NODES:
                self._nodes.moved(change.key, change.row)
            elif change.table is SERVICES:
                self._services.moved(change.key, change.row)

    def node(self, store: Store, at: bytes) -> NodeRow | None:
        """The node at an address, the first by name."""
        self._make(store)
        key = self._nodes.first(at)
        row = None if key is None else store.get(Table.NODES, key)
        assert row is None or isinstance(row, NodeRow)
        return row

    def service(self, store: Store, at: bytes) -> ServiceRow | None:
        """The instance that gives this address as its own, the first by node and id."""
        self._make(store)
        key = self._services.first(at)
        row = None if key is None else store.get(Table.SERVICES, key)
        assert row is None or isinstance(row, ServiceRow)
        return row

    def _make(self, store: Store) -> None:
        if self._made:
            return
        self._made = True
        for holders, table in ((self._nodes, Table.NODES), (self._services, Table.SERVICES)):
            for key, row in store.unsorted_rows(table):
                holders.moved(key, row)


class _Holders:
    """The keys at each address: nearly always one, so that one is kept without a list."""

    def __init__(self) -> None:
        self._addresses: dict[Key, bytes] = {}
        self._keys: dict[bytes, Key | list[Key]] = {}

    def first(self, at: bytes) -> Key | None:
        """The first key at an address."""
        keys = self._keys.get(at)
        return keys[0] if isinstance(keys, list) else keys

    def moved(self, key: Key, row: Row | None) -> None:
        """A row was put or deleted."""
        text = row.address if isinstance(row, NodeRow | ServiceRow) else ""
        now = packed(text) if text else None
        was = self._addresses.get(key)
        if was == now:
            return
        if was is not None:
            del self._addresses[key]
            self._leave(was, key)
        if now is not None:
            self._addresses[key] = now
            self._enter(now, key)

    def _enter(self, at: bytes, key: Key) -> None:
        there = self._keys.get(at)
        if there is None:
            self._keys[at] = key
        elif isinstance(there, list):
            insort(there, key)
        else:
            self._keys[at] = sorted((there, key))

    def _leave(self, at: bytes, key: Key) -> None:
        there = self._keys[at]
        if isinstance(there, list) and len(there) > 1:
            there.remove(key)
        else:
            del self._keys[at]
