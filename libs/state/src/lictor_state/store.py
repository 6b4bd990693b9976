"""The store: tables of frozen rows, fed by apply in `raft-store` and by the change feed in every view.

`put` and `delete` are the only writers. They keep the secondary indexes, remember what a row was before the present
index, and so make the rest derivable in one place: the changes, the digest, the streams' last indexes, the watches to
fire, and the way back when a command turns out to be forbidden. Reading needs no lock: everything runs on one thread
and nothing awaits inside.

This module knows no command and no rule of the catalog (that is `apply`), and no query (that is `queries`).
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any, Protocol

from lictor_state.codec import row_hash
from lictor_state.coordinate_rows import CoordinateRow
from lictor_state.cuts import Cut, OpenCuts
from lictor_state.definition_file_rows import DefinitionFilesRow
from lictor_state.exactly_once import Proposers
from lictor_state.levels import LEVEL_MAX
from lictor_state.mesh_rows import VirtualIPRow
from lictor_state.prepared_query_rows import PreparedQueryRow
from lictor_state.rows import (
    AUTOPILOT_KEY,
    AgentRow,
    AutopilotRow,
    CARootRow,
    Change,
    CheckRow,
    ConfigEntryRow,
    IndexRow,
    Key,
    KVRow,
    LockDelayRow,
    MetaRow,
    NodeRow,
    Row,
    ServiceRow,
    SessionRow,
    Table,
    config_key,
)
from lictor_state.rows_digest import DIGEST_MASK, UNHASHED_MAX, Before, RowsDigest
from lictor_state.secondary_indexes import SecondaryIndexes
from lictor_state.sharing import Sharing
from lictor_state.streams import EVERYWHERE, STREAMS, STREAMS_OF_BITS, stream_bits, touched_streams
from lictor_state.tables import (
    AGENTS,
    AUTOPILOT,
    CA_ROOTS,
    CHECKS,
    CONFIG_ENTRIES,
    COORDINATES,
    DEFINITION_FILES,
    INDEXES,
    KV,
    LOCK_DELAYS,
    META,
    NODES,
    PREPARED_QUERIES,
    SERVICES,
    SESSIONS,
    TOMBSTONES,
    VIRTUAL_IPS,
)
from lictor_state.watches import Watches

RETIRED_STEP = 2048  # rows of a replaced state let go of with each later index: about a millisecond
_META_KEY: Key = ("",)


class Staged(Protocol):
    """A restore under way, as far as the store is concerned: see `staging`."""

    restore_id: str
    begun_at: int
    last_at: int

    def state_hash(self) -> int:
        """64 bits over everything that was staged."""


class Store:
    """The state at one index, whole (a member, a catalog's view) or the part that one stream carries."""

    def __init__(self, cluster_id: str, level: int = LEVEL_MAX, *, keeps_digest: bool = True) -> None:
        """An empty state; a cluster that is founded begins at `FOUNDING_LEVEL`, so that members agree on it.

        One that nobody asks for its digest, as a view's, need not keep it up to date (`keeps_digest`): it can still
        be asked, and then looks at every row.
        """
        self.index = 0
        self.offset = 0
        self.epoch = 1
        """How many times the whole state was replaced, plus one."""
        self.level = level
        """The feature level: what every member of the cluster can read."""
        self.watches = Watches()
        self.proposers = Proposers()
        self._tables: dict[Table, dict[Key, Row]] = {
            # tombstones are dropped oldest first, which a plain dict makes slower with every drop
            table: OrderedDict() if table is TOMBSTONES else {}
            for table in Table
            if table is not META
        }
        self.by = SecondaryIndexes(self._tables[CHECKS])
        self._cluster_id = cluster_id
        self._stream_last: dict[str, int] = {}
        self._before: Before = {}
        self._digest = RowsDigest(self._tables) if keeps_digest else None
        self._sharing = Sharing()
        self._restored_at = 0
        self._retired: list[dict[Any, Any] | list[Any]] = []
        self.restoring: Staged | None = None
        """A restore under way; while there is one, no snapshot of the member's state is complete."""
        self._cuts: OpenCuts[tuple[Table, Key], Row | None] = OpenCuts()

    # what the state knows about itself

    @property
    def meta(self) -> MetaRow:
        """The row of `META`: cluster, epoch, offset, level, and the last index that changed each stream."""
        return MetaRow(
            self._cluster_id, self.epoch, self.offset, self.level, dict(self._stream_last), self._restored_at
        )

    @property
    def least_index(self) -> int:
        """No read is reported below this: 1, or the index of the last restore.

        A restored row is older than what clients have seen of it before; at its own index they would wait in vain.
        """
        return self._restored_at or 1

    def set_meta(self, meta: MetaRow) -> None:
        """Take over a META row: from a snapshot, or from a change that carries one."""
        self._cluster_id, self.epoch = meta.cluster_id, meta.epoch
        self.offset, self.level = meta.offset, meta.level
        self._stream_last = dict(meta.stream_last)
        self._restored_at = meta.restored_at

    # reading

    def get(self, table: Table, key: Key) -> Row | None:
        """The row at a key, or None."""
        if table is META:
            return self.meta if key == _META_KEY else None
        return self._tables[table].get(key)

    def rows(self, table: Table) -> Iterable[tuple[Key, Row]]:
        """All rows of a table, sorted by key."""
        if table is META:
            return ((_META_KEY, self.meta),)
        rows = self._tables[table]
        return ((key, rows[key]) for key in sorted(rows))

    def unsorted_rows(self, table: Table) -> Iterable[tuple[Key, Row]]:
        """All rows of a table in no order that means anything: for whoever sorts, counts or looks for one."""
        return self._tables[table].items()

    def count(self, table: Table) -> int:
        """How many rows a table has."""
        return 1 if table is META else len(self._tables[table])

    def node(self, name: str) -> NodeRow | None:
        """A node by its name, in any case."""
        return self._tables[NODES].get((name.lower(),))  # type: ignore[return-value]  # by its table

    def service(self, node: str, service_id: str) -> ServiceRow | None:
        """A service instance on a node."""
        return self._tables[SERVICES].get((node.lower(), service_id))  # type: ignore[return-value]  # by its table

    def check(self, node: str, check_id: str) -> CheckRow | None:
        """A check on a node."""
        return self._tables[CHECKS].get((node.lower(), check_id))  # type: ignore[return-value]  # by its table

    def kv(self, key: str) -> KVRow | None:
        """A key of the key-value store."""
        return self._tables[KV].get((key,))  # type: ignore[return-value]  # by its table

    def config_entry(self, kind: str, name: str) -> ConfigEntryRow | None:
        """A config entry."""
        return self._tables[CONFIG_ENTRIES].get(config_key(kind, name))  # type: ignore[return-value]  # by its table

    def agent(self, node: str) -> AgentRow | None:
        """The agent behind a node."""
        return self._tables[AGENTS].get((node.lower(),))  # type: ignore[return-value]  # by its table

    def ca_root(self, root_id: str) -> CARootRow | None:
        """A root certificate."""
        return self._tables[CA_ROOTS].get((root_id,))  # type: ignore[return-value]  # by its table

    def session(self, session_id: str) -> SessionRow | None:
        """A session by its id."""
        return self._tables[SESSIONS].get((session_id,))  # type: ignore[return-value]  # by its table

    def lock_delay(self, key: str) -> LockDelayRow | None:
        """What keeps a key from being acquired for a while."""
        return self._tables[LOCK_DELAYS].get((key,))  # type: ignore[return-value]  # by its table

    def prepared_query(self, query_id: str) -> PreparedQueryRow | None:
        """A prepared query by its id."""
        return self._tables[PREPARED_QUERIES].get((query_id,))  # type: ignore[return-value]  # by its table

    def autopilot(self) -> AutopilotRow | None:
        """How the leader looks after the store's members, if anybody has set it."""
        return self._tables[AUTOPILOT].get(AUTOPILOT_KEY)  # type: ignore[return-value]  # by its table

    def coordinate(self, node: str, segment: str) -> CoordinateRow | None:
        """A node's coordinate in one segment."""
        return self._tables[COORDINATES].get((node.lower(), segment))  # type: ignore[return-value]  # by its table

    def virtual_ip(self, service: str) -> VirtualIPRow | None:
        """The virtual address of a service."""
        return self._tables[VIRTUAL_IPS].get((service.lower(),))  # type: ignore[return-value]  # by its table

    def definition_files(self, node: str, origin: str) -> DefinitionFilesRow | None:
        """What one directory of definition files has registered on a node."""
        return self._tables[DEFINITION_FILES].get((node.lower(), origin))  # type: ignore[return-value]  # by its table

    def index_of(self, name: str) -> int:
        """A reported index by its name; 0 if there is none."""
        row = self._tables[INDEXES].get((name,))
        return row.index if row is not None else 0  # type: ignore[union-attr]  # by its table

    # writing: apply only

    def put(self, table: Table, key: Key, row: Row) -> None:
        """Write one row of the present index."""
        if table is INDEXES:
            rows = self._tables[table]
            self._before.setdefault((table, key), rows.get(key))
            rows[key] = row
            return
        key, old = self._write(table, key, row)
        self._before.setdefault((table, key), old)

    def move_index(self, name: str, index: int) -> None:
        """Put an index row, unless it is there already: what nearly every command does several times."""
        rows, key = self._tables[INDEXES], (name,)
        row = rows.get(key)
        if row is None or row.index != index:  # type: ignore[union-attr]  # by its table
            self._before.setdefault((INDEXES, key), row)
            rows[key] = IndexRow(name, index)

    def _write(self, table: Table, key: Key, row: Row) -> tuple[Key, Row | None]:
        """Put a row that has secondary indexes in its place; its key from now on, and what was there."""
        rows = self._tables[table]
        old = rows.get(key)
        # a row shares what it has in common with others, and its key is made of its own strings: half of a small
        # entry's memory is its key
        if table is KV:
            if old is None:
                key = (row.key,)  # type: ignore[union-attr]  # rows of one table are of one type
        elif table is SERVICES:
            self._sharing.service(row, old)  # type: ignore[arg-type]  # rows of one table are of one type
            if old is None:
                key = (intern(key[0]), row.service_id)  # type: ignore[union-attr]  # as above
        elif table is NODES:
            key = (self._sharing.node(row, key[0]),)  # type: ignore[arg-type]  # as above
        elif table is CHECKS:
            key = self._share_check(key, old, row)  # type: ignore[arg-type]  # as above
        elif table is AGENTS:
            self._sharing.agent(row)  # type: ignore[arg-type]  # as above
            key = (intern(key[0]),)
        elif table is TOMBSTONES and old is not None:
            del rows[key]  # so that the table stays in the order of age
        rows[key] = row
        self.by.moved(table, key, old, row)
        return key, old

    def _share_check(self, key: Key, old: CheckRow | None, row: CheckRow) -> Key:
        service: Any = self._tables[SERVICES].get((key[0], row.service_id)) if row.service_id else None
        self._sharing.check(row, old, service)
        return key if old is not None else (intern(key[0]), row.check_id)

    def delete(self, table: Table, key: Key) -> None:
        """Delete one row in the present index; a missing one is fine."""
        old = self._tables[table].pop(key, None)
        if old is None:
            return
        touched = (table, key)
        if touched not in self._before:
            self._before[touched] = old
        if table is not INDEXES:
            self.by.moved(table, key, old, None)

    def raise_level(self, level: int) -> bool:
        """Raise the feature level; never lowered."""
        if level <= self.level:
            return False
        self.level = level
        return True

    def oldest_tombstone(self) -> Key:
        """The tombstone that was written first; there must be one."""
        return next(iter(self._tables[TOMBSTONES]))

    def commit(self, index: int) -> tuple[Change, ...]:
        """End the present index: its changes in the order in which rows were first touched; watches are fired."""
        changes = self._settle(index)
        if self._retired:
            self._let_go()
        if self.watches:
            self.watches.fire()
        return changes

    def _settle(self, index: int) -> tuple[Change, ...]:
        assert index > self.index, f"index {index} is not above {self.index}"
        self.index = index
        before = self._before
        if not before:
            return ()
        tables = self._tables
        changes = tuple(
            [
                Change(table, key, new)
                for (table, key), old in before.items()
                if (new := tables[table].get(key)) is not old
            ]
        )
        if self.watches:
            note = self.watches.note
            for change in changes:
                note((change.table, change.key))
        for stream in touched_streams(before):
            self._stream_last[stream] = index
        if self._cuts.kept:
            self._cuts.note(before)
        self._before = {}
        if self._digest is not None:
            self._digest.owe(before)
        return changes

    def rollback(self) -> None:
        """Undo every write of the present index: its command was refused half way."""
        exhumed = False
        for (table, key), old in reversed(self._before.items()):
            rows = self._tables[table]
            new = rows.pop(key, None) if old is None else rows.get(key)
            if old is not None:
                rows[key] = old
                exhumed |= table is TOMBSTONES
            if new is not old and table is not INDEXES:
                self.by.moved(table, key, new, old)
        self._before = {}
        if exhumed:
            self._order_tombstones()

    def _order_tombstones(self) -> None:
        """Bring tombstones back into the order of age: 20 ms for as many as there may be, after a rare refusal."""
        rows = self._tables[TOMBSTONES]
        assert isinstance(rows, OrderedDict)
        for key in sorted(rows, key=lambda one: rows[one].index):
            rows.move_to_end(key)

    def adopt(self, index: int, rows: "Store", above: int) -> None:
        """Replace all rows by those of `rows`, which must not be used afterwards; `commit` has yet to be called.

        The offset rises so that the present index comes after `above` too; the epoch rises by one. Cluster, level and
        proposers stay: those are this cluster's own, and the answers that it still owes.
        """
        log_index = index - self.offset
        self._retire(self.by)
        if self._cuts.kept:
            self._cuts = OpenCuts()  # those who read the old tables go on with them as they are
        else:
            self._retired += self._tables.values()
        self._tables, self.by, self._sharing = rows._tables, rows.by, rows._sharing  # noqa: SLF001  one of ours
        self._digest, self._before = rows._digest, {}  # noqa: SLF001  as above
        self.offset = max(self.offset, above + 1 - log_index)
        self.epoch += 1
        self._restored_at = log_index + self.offset
        self._stream_last = dict.fromkeys(STREAMS, self._restored_at)
        self.watches.note_all()

    def retire(self, replaced: "Store") -> None:
        """Let go of a store that this one has replaced, a little with each later index; nobody may use it any more."""
        self._retire(replaced.by)
        if not replaced._cuts.kept:  # noqa: SLF001  one of ours; who reads its tables still goes on with them
            self._retired += replaced._tables.values()  # noqa: SLF001  as above

    def _retire(self, by: SecondaryIndexes) -> None:
        for one in vars(by).values():
            if isinstance(one, dict | list):
                self._retired.append(one)
            else:
                self._retired += one.blocks()

    def _let_go(self) -> None:
        """Forget some rows of a replaced state: all at once would hold up everything else."""
        last = self._retired[-1]
        if isinstance(last, list):
            last.clear()  # a block of sorted keys
        else:
            for _ in range(min(RETIRED_STEP, len(last))):
                last.popitem()
        if not last:
            self._retired.pop()

    # writing: views

    def load(self, index: int, changes: Sequence[Change]) -> None:
        """Take over all changes of one index, then fire the watches.

        Raises ValueError on an index that is not above the own one: a view never goes back.
        """
        if index <= self.index:
            raise ValueError(f"changes of index {index} came to a store at {self.index}")
        if self._digest is not None or self._cuts.kept:
            for change in changes:
                if change.table is META:
                    if isinstance(change.row, MetaRow):
                        self.set_meta(change.row)
                elif change.row is None:
                    self.delete(change.table, change.key)
                else:
                    self.put(change.table, change.key, change.row)
            self.commit(index)
        else:
            self._take_over(index, changes)

    def _take_over(self, index: int, changes: Sequence[Change]) -> None:
        """Load where nobody asks what the rows were before: half the work of `commit`."""
        tables = self._tables
        note = self.watches.note if self.watches else None
        bits = 0
        for change in changes:
            table, key, row = change.table, change.key, change.row
            if table is INDEXES and row is not None:
                tables[table][key] = row
            elif table is META:
                if isinstance(row, MetaRow):
                    self.set_meta(row)
                continue
            elif row is not None:
                self._write(table, key, row)
            else:
                old = tables[table].pop(key, None)
                if old is None:
                    continue
                if table is not INDEXES:
                    self.by.moved(table, key, old, None)
            if bits != EVERYWHERE:
                bits |= stream_bits(table, key)
            if note is not None:
                note((table, key))
        self.index = index
        for stream in STREAMS_OF_BITS[bits]:
            self._stream_last[stream] = index
        if self._retired:
            self._let_go()
        if note is not None:
            self.watches.fire()

    def advance(self, index: int) -> None:
        """Nothing that this store holds changed up to `index`; an older index is ignored."""
        self.index = max(self.index, index)

    def fill(self, rows: Iterable[tuple[Table, Key, Row]]) -> None:
        """Take over rows of a snapshot into a store that is being built: no index, no changes, no watches."""
        for table, key, row in rows:
            self.put(table, key, row)
            if len(self._before) > UNHASHED_MAX:
                self._forget_before()
        self._forget_before()

    def _forget_before(self) -> None:
        """What the rows of this index were is of no use to anybody but the digest."""
        before, self._before = self._before, {}
        if self._digest is not None:
            self._digest.owe(before)

    # the cut and the digest

    def cut(self, tables: Iterable[Table]) -> Cut:
        """The rows of tables as they are now, to be read while the store moves on; between two indexes only."""
        assert not self._before, "a cut lies between two indexes"
        return Cut(((table, self._tables[table]) for table in tables if table is not META), self._cuts)

    def digest(self) -> int:
        """64 bits over every row, META and a restore under way included: equal states have equal digests.

        Asking costs what `rows_digest` still owes, and a look at every row where the digest is not kept.
        """
        if self._digest is not None:
            rows = self._digest.value()
        else:
            rows = sum(row_hash(table, key, row) for table in self._tables for key, row in self._tables[table].items())
        staged = self.restoring.state_hash() if self.restoring is not None else 0
        return (rows + staged + row_hash(META, _META_KEY, self.meta)) & DIGEST_MASK
