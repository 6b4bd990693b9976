"""Who has an address: nodes first, then services (Consul's DNS interface, reverse lookups).

The index is made when it is first asked, since most installations never ask; from then on it follows the changes. It
holds an address as its bytes, so that every way to write it is the same.
"""

from bisect import insort
from collections.abc import Iterable

from lictor_dns.zone.addresses import address
from lictor_state import Change, Store, Table
from lictor_state.rows import Key, NodeRow, Row, ServiceRow


class ReverseIndex:
    """The nodes and instances at each address, by key."""

    def __init__(self) -> None:
        self._addresses: dict[tuple[Table, Key], bytes] = {}
        self._holders: dict[tuple[Table, bytes], list[Key]] = {}
        self._made = False

    def reset(self) -> None:
        """Another store: make it anew when it is asked."""
        self._addresses.clear()
        self._holders.clear()
        self._made = False

    def load(self, changes: Iterable[Change]) -> None:
        """Follow changes."""
        if not self._made:
            return
        for change in changes:
            if change.table is Table.NODES or change.table is Table.SERVICES:
                self._moved(change.table, change.key, change.row)

    def node(self, store: Store, packed: bytes) -> NodeRow | None:
        """The node at an address, the first by name."""
        row = self._first(store, Table.NODES, packed)
        assert row is None or isinstance(row, NodeRow)
        return row

    def service(self, store: Store, packed: bytes) -> ServiceRow | None:
        """The instance that gives this address as its own, the first by node and id."""
        row = self._first(store, Table.SERVICES, packed)
        assert row is None or isinstance(row, ServiceRow)
        return row

    def _first(self, store: Store, table: Table, packed: bytes) -> Row | None:
        if not self._made:
            self._made = True
            for each in (Table.NODES, Table.SERVICES):
                for key, row in store.unsorted_rows(each):
                    self._moved(each, key, row)
        keys = self._holders.get((table, packed))
        return store.get(table, keys[0]) if keys else None

    def _moved(self, table: Table, key: Key, row: Row | None) -> None:
        text = row.address if isinstance(row, NodeRow | ServiceRow) else ""
        rdata = address(text) if text else None
        now = None if rdata is None else rdata.address
        was = self._addresses.get((table, key))
        if was == now:
            return
        if was is not None:
            del self._addresses[table, key]
            keys = self._holders[table, was]
            keys.remove(key)
            if not keys:
                del self._holders[table, was]
        if now is not None:
            self._addresses[table, key] = now
            insort(self._holders.setdefault((table, now), []), key)
