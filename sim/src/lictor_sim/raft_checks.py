"""The properties of a Raft group, checked while it runs.

Raft paper, figure 3: election safety, log matching, leader completeness and state machine safety (as: nothing committed
is ever different or lost); and for reads, that no confirmed or leased read is older than a write committed before it
began.
"""

from lictor_raft import Entry, RawNode, Ready, Role


class PropertyBrokenError(AssertionError):
    """A property of the protocol does not hold; the message names it."""


class GroupChecker:
    """What the whole group has done so far."""

    def __init__(self) -> None:
        self.leaders: dict[int, int] = {}
        self.committed: dict[int, Entry] = {}
        self.commit_max = 0
        self.reads_confirmed = 0
        self.lease_reads = 0
        self._entries: dict[tuple[int, int], tuple[int, Entry]] = {}
        self._read_floors: dict[int, int] = {}

    def saw_node(self, node: RawNode) -> None:
        """Look at a member after a step."""
        core = node.core
        if core.role is Role.LEADER:
            holder = self.leaders.setdefault(core.term, core.id)
            self._require(holder == core.id, f"term {core.term} has two leaders, {holder} and {core.id}")
        self.commit_max = max(self.commit_max, core.log.committed)

    def saw_new_leader(self, node: RawNode) -> None:
        """A leader must hold everything that was ever committed (paper 5.4)."""
        log = node.core.log
        for index, entry in self.committed.items():
            if index >= log.first_index() and entry.term < node.core.term:
                self._require(log.term_or_zero(index) == entry.term, f"leader {node.core.id} lacks entry {index}")

    def saw_ready(self, node: RawNode, ready: Ready) -> None:
        """Look at what a member persists, applies and confirms."""
        log = node.core.log
        for position, entry in enumerate(ready.entries):
            before = ready.entries[position - 1].term if position else log.term_or_zero(entry.index - 1)
            known = self._entries.setdefault((entry.index, entry.term), (before, entry))
            self._require(known == (before, entry), f"logs differ at {entry.index}, term {entry.term}")
        for entry in ready.committed_entries:
            known_entry = self.committed.setdefault(entry.index, entry)
            self._require(known_entry == entry, f"two entries were committed at {entry.index}")
        for state in ready.read_states:
            self.reads_confirmed += 1
            floor = self._read_floors.pop(state.context)
            self._require(state.index >= floor, f"read {state.context} at {state.index} misses a write at {floor}")
        for context in ready.reads_dropped:
            del self._read_floors[context]

    def read_begins(self, context: int) -> None:
        """A read index request was accepted."""
        self._read_floors[context] = self.commit_max

    def lease_read(self, index: int) -> None:
        """A leader answered by its lease."""
        self.lease_reads += 1
        self._require(index >= self.commit_max, f"a leased read at {index} misses a write at {self.commit_max}")

    @staticmethod
    def _require(holds: bool, claim: str) -> None:
        if not holds:
            raise PropertyBrokenError(claim)
