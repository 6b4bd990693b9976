"""What must hold in a cluster of whole members, checked while it runs.

`Oracle` keeps a store of its own that applies each committed entry once, as soon as the first member has applied it,
and remembers the digest at every index. So every member, however it came to its state (log, snapshot from its own disk,
snapshot from the leader), is compared at every index at which it stops; so is every view. What the leader publishes is
compared byte for byte with what the entry came to, and may not come before the entry was applied anywhere.

Raft's own properties (one leader a term, nothing committed is ever different) are checked from what members apply and
say; the histories of clients are judged by `members_history`.
"""

from collections.abc import Callable, Sequence

from lictor_bus import View, frames, subjects
from lictor_bus.frames import Beacon, Feed
from lictor_raft import FOUNDING_INDEX, Entry, EntryKind, Observation, RawNode, Role, check_invariants
from lictor_raft_store.machine import Machine
from lictor_sim.raft_checks import PropertyBrokenError
from lictor_state import Store, apply, apply_noop
from lictor_state.codec import GroupEncoder, decode_envelope, row_hash
from lictor_state.levels import FOUNDING_LEVEL
from lictor_state.rows import Table
from lictor_state.streams import STREAM_TABLES, STREAMS, Stream, belongs

_MASK = (1 << 64) - 1
_WATCHED_INDEXES = ("kv", "tombstones", "nodes", "services")


def require(holds: bool, claim: str) -> None:
    """Raise PropertyBrokenError with the claim that does not hold."""
    if not holds:
        raise PropertyBrokenError(claim)


def rows_digest(store: Store) -> int:
    """The digest of all rows but META: what a view of the stream `all` has in common with the state."""
    staged = store.restoring.state_hash() if store.restoring is not None else 0
    return (store.digest() - staged - row_hash(Table.META, ("",), store.meta)) & _MASK


class Oracle:
    """What the whole cluster has done so far."""

    def __init__(self, cluster: str) -> None:
        self.store = Store(cluster, FOUNDING_LEVEL)
        self.store.advance(FOUNDING_INDEX)
        self.entries: dict[int, Entry] = {}
        self.store_indexes: dict[int, int] = {}
        self.applied = FOUNDING_INDEX
        self.leaders: dict[int, int] = {}
        self.publishers: dict[int, int] = {}
        self.digest_checks = self.view_checks = self.feed_checks = 0
        self.on_level: Callable[[int], None] = lambda _level: None
        self._cluster = cluster
        self._digests = {FOUNDING_INDEX: self.store.digest()}
        self._rows_digests = {self.store.index: rows_digest(self.store)}
        self._groups: dict[tuple[Stream, int], bytes] = {}
        self._feed_subjects = {subjects.feed(cluster, stream): stream for stream in STREAMS}
        self._beacon_subject = subjects.beacon(cluster)

    # -- members

    def saw_node(self, node: RawNode, earlier: Observation | None) -> Observation:
        """Look at a member's core after a turn of its loop."""
        observation = check_invariants(node, earlier)
        if node.role is Role.LEADER:
            holder = self.leaders.setdefault(node.term, node.core.id)
            require(holder == node.core.id, f"term {node.term} has two leaders, {holder:x} and {node.core.id:x}")
        return observation

    def saw_applied(self, member: str, entries: Sequence[Entry], machine: Machine) -> None:
        """A member has applied entries."""
        for entry in entries:
            known = self.entries.get(entry.index)
            if known is None:
                require(entry.index == self.applied + 1, f"{member} applied {entry.index} after {self.applied}")
                self._apply(entry)
            else:
                require(
                    (known.term, known.kind, known.data) == (entry.term, entry.kind, entry.data),
                    f"{member} applied another entry at {entry.index}: term {entry.term}, not {known.term}",
                )
        self.saw_state(member, machine)

    def saw_state(self, member: str, machine: Machine) -> None:
        """A member stands at a state: after applying, or from a snapshot."""
        self.digest_checks += 1
        expected = self._digests.get(machine.applied)
        require(expected is not None, f"{member} stands at {machine.applied}, which nobody has applied")
        require(expected == machine.store.digest(), f"{member}'s state at {machine.applied} is not the others'")

    def _apply(self, entry: Entry) -> None:
        store = self.store
        level = store.level
        if entry.kind is not EntryKind.NORMAL or not entry.data:
            apply_noop(store, entry.index)
        else:
            done = apply(store, entry.index, decode_envelope(entry.data))
            if done.changes:
                for stream, encoded in GroupEncoder().encode(done.index, done.changes).items():
                    self._groups[stream, done.index] = encoded
        if store.level > level:
            self.on_level(store.level)
        self.entries[entry.index] = entry
        self.applied = entry.index
        self.store_indexes[entry.index] = store.index
        self._digests[entry.index] = store.digest()
        self._rows_digests[store.index] = rows_digest(store)

    # -- what is published

    def saw_publish(self, member_id: int, subject: str, data: bytes) -> None:
        """A process publishes something; `member_id` is 0 for one that is no member."""
        if subject == self._beacon_subject:
            beacon = frames.decode(data, Beacon)
            holder = self.publishers.setdefault(beacon.term, beacon.leader)
            require(beacon.leader == member_id, f"{member_id:x} says that {beacon.leader:x} leads")
            require(holder == beacon.leader, f"two leaders publish in term {beacon.term}")
            require(beacon.applied <= self.store.index, f"a beacon claims {beacon.applied}, which nobody has applied")
            return
        stream = self._feed_subjects.get(subject)
        if stream is None:
            return
        feed = frames.decode(data, Feed)
        self.feed_checks += 1
        require(feed.last <= self.store.index, f"{feed.last} is on the feed before anybody has applied it")
        if feed.parts == 1 and not feed.resume:
            expected = [
                self._groups[stream, index]
                for index in range(feed.prev + 1, feed.last + 1)
                if (stream, index) in self._groups
            ]
            require(feed.groups == expected, f"feed {stream} {feed.prev} to {feed.last} is not what the entries did")

    # -- views

    def saw_view(self, view: View) -> None:
        """A view of the stream `all` stands at an index: it must equal the state there."""
        expected = self._rows_digests.get(view.index)
        self.view_checks += 1
        require(expected is not None, f"a view stands at {view.index}, where no entry is")
        require(expected == rows_digest(view.store), f"a view at {view.index} is not the state there")

    def saw_final_view(self, view: View) -> None:
        """A view of any stream at the end, at the state's index: the same rows, of its tables."""
        for table in sorted(STREAM_TABLES[view.stream] - {Table.META}):
            expected = [(key, row) for key, row in self.store.rows(table) if belongs(view.stream, table, key)]
            require(expected == list(view.store.rows(table)), f"view {view.stream} differs in {table.name}")


class ViewWatch:
    """Follows one view: its index never goes back, what it reports not within an epoch; it holds the state there."""

    def __init__(self, oracle: Oracle, view: View) -> None:
        self._oracle, self._view = oracle, view
        self._epoch = self._index = 0
        self._reported: dict[str, int] = {}
        view.on_load(lambda _index, _changes: self.look())
        view.on_reset(self.look)

    def look(self) -> None:
        """Check now."""
        store = self._view.store
        if store.meta.epoch > self._epoch:
            self._epoch, self._reported = store.meta.epoch, {}
        require(store.index >= self._index, f"a view went from {self._index} back to {store.index}")
        self._index = store.index
        for name in _WATCHED_INDEXES:
            reported = store.index_of(name)
            require(reported >= self._reported.get(name, 0), f"index of {name} went back to {reported} in a view")
            self._reported[name] = reported
        if self._view.stream == "all":
            self._oracle.saw_view(self._view)
