"""Several members in one process, joined by a list of messages and driven by hand.

For stories ("lose this message, tick that member"), examples and simulations: each member has a `MemoryStorage` as its
disk, and a crash loses what was not persisted. Time is a number that ticks move on. The driver here follows the order
of `node`, and applies by appending to a list; it is no pattern for a service, which has to encode, sync and bound what
it sends. With asynchronous storage, writes and applies wait in queues, worked off one by one or together.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from lictor_raft.confchange import decode_conf_change
from lictor_raft.config import Config
from lictor_raft.core import Dice
from lictor_raft.errors import SnapshotUnavailable
from lictor_raft.invariants import Observation, check_invariants
from lictor_raft.messages import (
    LOCAL_APPEND,
    LOCAL_APPLY,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Message,
    ReadState,
    Role,
    Snapshot,
    SnapshotMeta,
)
from lictor_raft.node import RawNode, Ready
from lictor_raft.storage import MemoryStorage

ROUNDS_MAX = 10_000
"""A cluster that has not come to rest after so many deliveries never will."""

ConfigFor = Callable[[int, int], Config]
"""Makes the settings of a member from its id and the index that it has applied."""


class LocalMember:
    """One member: its disk, its node and what it has applied."""

    def __init__(self, member: int, storage: MemoryStorage, config_for: ConfigFor, dice: Dice, now: float) -> None:
        self.id = member
        self.storage = storage
        self.applied: list[Entry] = []
        self.conf_state = storage.initial_state()[1]
        self.read_states: list[ReadState] = []
        self.reads_dropped: list[int] = []
        self.up = True
        # What the log writer and the state machine have been told to do and have not done, with asynchronous storage.
        self.writes: deque[Message] = deque()
        self.applies: deque[Message] = deque()
        self._config_for = config_for
        self._dice = dice
        self._observation: Observation | None = None
        self.applied_index = 0
        self.node = self._start(now)
        self.asynchronous = self.node.core.config.async_storage_writes

    def _start(self, now: float) -> RawNode:
        # The state machine is in memory: a restart begins at the snapshot and applies the log again.
        self.applied_index = self.storage.first_index() - 1
        return RawNode(self._config_for(self.id, self.applied_index), self.storage, self._dice, now)

    def restart(self, now: float) -> None:
        """Start again from the disk."""
        self.applied = [entry for entry in self.applied if entry.index < self.storage.first_index()]
        try:
            base = self.storage.snapshot().meta.conf_state
        except SnapshotUnavailable:
            base = ConfState()
        self.storage.set_conf_state(base)
        self.conf_state = base
        self._observation = None
        self.writes.clear()
        self.applies.clear()
        self.node = self._start(now)
        self.up = True

    def persist(self, ready: Ready) -> None:
        """What a driver does with its disk."""
        self._persist(ready.snapshot, ready.entries, ready.hard_state)

    def _persist(self, snapshot: Snapshot | None, entries: Sequence[Entry], hard_state: HardState | None) -> None:
        if snapshot is not None:
            self.storage.apply_snapshot(snapshot)
            self.conf_state = snapshot.meta.conf_state
            self.applied_index = snapshot.meta.index
        self.storage.append(entries)
        if hard_state is not None:
            self.storage.set_hard_state(hard_state)

    def apply(self, ready: Ready) -> None:
        """What a driver does with committed entries and confirmed reads."""
        self._apply(ready.committed_entries)
        self.note_reads(ready)

    def _apply(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.kind is not EntryKind.NORMAL:
                self.conf_state = self.node.apply_conf_change(decode_conf_change(entry))
            self.applied.append(entry)
            self.applied_index = entry.index

    def note_reads(self, ready: Ready) -> None:
        """What a driver does with confirmed and dropped reads."""
        self.read_states += ready.read_states
        self.reads_dropped += ready.reads_dropped

    def write_one(self) -> tuple[Message, ...]:
        """Do the oldest write; returns what is to be delivered now."""
        message = self.writes.popleft()
        self._persist(message.snapshot, message.entries, message.hard_state)
        return message.responses

    def apply_one(self) -> tuple[Message, ...]:
        """Apply what was handed out first; returns what is to be delivered now."""
        message = self.applies.popleft()
        self._apply(message.entries)
        return message.responses

    def check(self) -> None:
        """Check this member's invariants."""
        self._observation = check_invariants(self.node, self._observation)

    def commands(self) -> list[bytes]:
        """The commands applied since the last snapshot."""
        return [entry.data for entry in self.applied if entry.kind is EntryKind.NORMAL and entry.data]


class LocalCluster:
    """Members 1..n with one wire between them.

    Args:
        voters: the founding voters.
        learners: the founding learners.
        config_for: the settings of each member.
        dice: draws election timeouts.
    """

    def __init__(self, voters: Iterable[int], config_for: ConfigFor, dice: Dice, learners: Iterable[int] = ()) -> None:
        self.conf_state = ConfState(tuple(voters), tuple(learners))
        self.now = 0.0
        self.wire: list[Message] = []
        # Directed links that lose everything.
        self.cut: set[tuple[int, int]] = set()
        self._config_for = config_for
        self._dice = dice
        self.members: dict[int, LocalMember] = {}
        for member in (*self.conf_state.voters, *self.conf_state.learners):
            self.join(member, MemoryStorage.founded(self.conf_state))

    def join(self, member: int, storage: MemoryStorage | None = None) -> LocalMember:
        """Start a member; without a storage it knows nothing and waits to be added."""
        joined = LocalMember(member, storage or MemoryStorage(), self._config_for, self._dice, self.now)
        self.members[member] = joined
        return joined

    def __getitem__(self, member: int) -> RawNode:
        return self.members[member].node

    def leader(self) -> int:
        """The leader of the highest term, or 0."""
        leaders = [m for m in self.members.values() if m.up and m.node.core.role is Role.LEADER]
        return max(leaders, key=lambda m: m.node.core.term).id if leaders else 0

    def tick(self, ticks: int = 1, only: Iterable[int] | None = None) -> None:
        """Let time pass for all members, and tick those in `only`."""
        chosen = set(self.members if only is None else only)
        for _ in range(ticks):
            self.now += self._tick_s()
            for member in self.members.values():
                if member.up and member.id in chosen:
                    member.node.tick(self.now)

    def _tick_s(self) -> float:
        config = next(iter(self.members.values())).node.core.config
        return config.election_timeout_s / config.election_ticks

    def work(self, member: int) -> bool:
        """Work off one `Ready` of a member, storage included; returns whether there was something."""
        local = self.members[member]
        if local.asynchronous:
            return self.hand_out(member) is not None or self.write_one(member) or self.apply_one(member)
        if not local.up or not local.node.has_ready():
            return False
        ready = local.node.ready(self.now)
        self.wire += ready.messages
        local.persist(ready)
        self.wire += ready.messages_after_append
        local.apply(ready)
        local.node.advance(ready)
        local.check()
        return True

    def hand_out(self, member: int) -> Ready | None:
        """With asynchronous storage: send what one `Ready` holds and queue its writes and applies; returns it."""
        local = self.members[member]
        if not local.up or not local.node.has_ready():
            return None
        ready = local.node.ready(self.now)
        for message in ready.messages:
            if message.to == LOCAL_APPEND:
                local.writes.append(message)
            elif message.to == LOCAL_APPLY:
                local.applies.append(message)
            else:
                self.wire.append(message)
        local.note_reads(ready)
        local.check()
        return ready

    def write_one(self, member: int) -> bool:
        """With asynchronous storage: let the log writer do one write; whether there was one."""
        local = self.members[member]
        if not local.up or not local.writes:
            return False
        self._respond(local, local.write_one())
        return True

    def apply_one(self, member: int) -> bool:
        """With asynchronous storage: let the state machine apply once; whether there was something."""
        local = self.members[member]
        if not local.up or not local.applies:
            return False
        self._respond(local, local.apply_one())
        return True

    def _respond(self, local: LocalMember, responses: Iterable[Message]) -> None:
        for message in responses:
            if message.to == local.id:
                local.node.step(message, self.now)
                local.check()
            else:
                self.wire.append(message)

    def work_all(self) -> None:
        """Work off everything that needs no further message."""
        for member in self.members:
            while self.work(member):
                pass

    def deliver(self, keep: Callable[[Message], bool] = lambda _: True) -> int:
        """Deliver the wire where `keep` says so and the link is not cut; lose the rest. Returns how many arrived."""
        wire, self.wire = self.wire, []
        delivered = 0
        for message in wire:
            target = self.members.get(message.to)
            if target is None or not target.up or (message.from_, message.to) in self.cut or not keep(message):
                continue
            target.node.step(message, self.now)
            target.check()
            delivered += 1
        return delivered

    def settle(self, keep: Callable[[Message], bool] = lambda _: True) -> None:
        """Work and deliver until nothing moves."""
        for _ in range(ROUNDS_MAX):
            self.work_all()
            if not self.wire:
                return
            self.deliver(keep)
        raise AssertionError("the cluster does not come to rest")

    def run(self, ticks: int) -> None:
        """Let time pass with everything delivered."""
        for _ in range(ticks):
            self.tick()
            self.settle()

    def elect(self, member: int) -> None:
        """Make `member` the leader: wait until no promise stands in the way, then let it campaign."""
        self.wait_out_promises()
        self[member].campaign()
        self.settle()
        assert self.leader() == member, f"{member} was not elected"

    def wait_out_promises(self) -> None:
        """Let one election timeout pass without ticks, so that every voter is free to vote."""
        self.now += next(iter(self.members.values())).node.core.config.election_timeout_s
        for member in self.members.values():
            core = member.node.core
            core.advance_clock(self.now)
            core.election_elapsed = max(core.election_elapsed, core.config.election_ticks)

    def isolate(self, *members: int) -> None:
        """Cut `members` off from all others (not from each other)."""
        for one in members:
            for other in self.members:
                if other not in members:
                    self.cut |= {(one, other), (other, one)}

    def heal(self) -> None:
        """Mend every link."""
        self.cut.clear()

    def crash(self, member: int) -> None:
        """Stop a member; what it had not persisted is lost."""
        self.members[member].up = False

    def restart(self, member: int) -> None:
        """Start a crashed member from its disk."""
        self.members[member].restart(self.now)

    def compact(self, member: int) -> SnapshotMeta:
        """Make a snapshot of everything applied and drop the log before it."""
        local = self.members[member]
        snapshot: Snapshot = local.storage.create_snapshot(local.applied_index, local.conf_state)
        local.storage.compact(local.applied_index)
        return snapshot.meta
