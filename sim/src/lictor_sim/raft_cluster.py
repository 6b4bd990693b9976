"""A Raft group in virtual time: everything that happens follows from one seed.

The world is a heap of events. Messages take time, get lost, repeated and overtaken; links break in one or both
directions; disks take time to sync and forget on a crash; processes stop and go on; clocks run at different rates.
Clients write and read all the while. A run ends with a healed world, in which the group owes progress: that catches a
livelock, which faults alone would hide.

`GroupChecker` watches the group, `check_invariants` each member after every step. Member code is the real
`lictor_raft`; the driver here is the order that `lictor_raft.node` prescribes, with a sync that lasts and a network
that goes on meanwhile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from random import Random

from lictor_raft import (
    ConfChange,
    ConfChangeKind,
    ConfChanges,
    Config,
    ConfState,
    EntryKind,
    MemoryStorage,
    Message,
    MessageKind,
    Observation,
    ProposalDropped,
    RawNode,
    ReadDropped,
    Ready,
    Role,
    Transition,
    check_invariants,
    decode_conf_change,
)
from lictor_sim.raft_checks import GroupChecker, PropertyBrokenError
from lictor_sim.sim_disk import SimDisk

TICK_S = 0.02
ELECTION_TICKS = 15
HEARTBEAT_TICKS = 3
RECOVERY_S = 10.0
"""A healed group must write within this time: some thirty election timeouts."""
CLOCK_RATE_SPREAD = 0.05
"""Clocks run up to 5 % fast or slow; the lease leaves room for a fifth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How bad the world is; times in virtual seconds."""

    loss: float = 0.02
    repetition: float = 0.02
    delay_s_max: float = 0.02
    long_delay: float = 0.01
    long_delay_s_max: float = 1.0
    sync_s_max: float = 0.01
    slow_sync: float = 0.01
    slow_sync_s_max: float = 0.5
    nemesis_every_s: float = 0.25
    conf_changes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What one seed did."""

    seed: int
    broken: str | None
    terms_led: int
    committed: int
    reads_confirmed: int
    lease_reads: int
    messages: int


class SimMember:
    """One process with its disk, clock and node."""

    def __init__(self, member: int, image: MemoryStorage, rng: Random) -> None:
        self.id = member
        self.disk = SimDisk(image)
        self.rate = 1.0 + rng.uniform(-CLOCK_RATE_SPREAD, CLOCK_RATE_SPREAD)
        self.up = True
        self.paused_until = 0.0
        self.life = 0
        self.writing: Ready | None = None
        self.conf_state = ConfState()
        self.applied = 0
        self.led_term = 0
        self.observation: Observation | None = None
        self.node: RawNode


class RaftCluster:
    """A group of `size` founding voters and two members that may be added.

    Args:
        seed: everything follows from it.
        size: founding voters.
        faults: how bad the world is.
    """

    def __init__(self, seed: int, size: int = 3, faults: Faults | None = None) -> None:
        self.rng = Random(seed)
        self.faults = faults or Faults()
        self.now = 0.0
        self.checker = GroupChecker()
        self.messages = 0
        self.cut: set[tuple[int, int]] = set()
        self.calm = False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._reads = 0
        self._commands = 0
        founding = ConfState(tuple(range(1, size + 1)))
        spares = (size + 1, size + 2) if self.faults.conf_changes else ()
        self.members: dict[int, SimMember] = {}
        for member in (*founding.voters, *spares):
            image = MemoryStorage.founded(founding) if member in founding.voters else MemoryStorage()
            self.members[member] = SimMember(member, image, self.rng)
            self._start(self.members[member])
        self.after(0.0, self._client)
        self.after(self.faults.nemesis_every_s, self._nemesis)

    # --- time -------------------------------------------------------------------------------------------------

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        """Let `event` happen in `delay_s` virtual seconds."""
        self._sequence += 1
        heappush(self._events, (self.now + delay_s, self._sequence, event))

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heappop(self._events)
            event()
        self.now = end

    def local_now(self, member: SimMember) -> float:
        """What the member's clock shows: clocks differ in rate and origin."""
        return 1000.0 * member.id + self.now * member.rate

    # --- a process --------------------------------------------------------------------------------------------

    def _start(self, member: SimMember) -> None:
        storage = member.disk.view
        member.applied = storage.first_index() - 1
        member.conf_state = storage.snapshot().meta.conf_state if member.applied else ConfState()
        storage.set_conf_state(member.conf_state)
        config = Config(
            id=member.id,
            election_ticks=ELECTION_TICKS,
            heartbeat_ticks=HEARTBEAT_TICKS,
            election_timeout_s=TICK_S * ELECTION_TICKS,
            entries_bytes_per_message_max=128,
            inflight_messages_max=8,
            inflight_bytes_max=1024,
            uncommitted_bytes_max=16384,
            committed_bytes_per_ready_max=512,
            applied=member.applied,
        )
        member.node = RawNode(config, storage, self.rng.randint, self.local_now(member))
        member.observation = None
        member.writing = None
        member.up = True
        member.life += 1
        life = member.life
        self.after(self.rng.random() * TICK_S, lambda: self._tick(member, life))

    def _tick(self, member: SimMember, life: int) -> None:
        if not member.up or member.life != life:
            return
        if member.paused_until > self.now:
            self.after(self._resumes_in(member), lambda: self._tick(member, life))
            return
        member.node.tick(self.local_now(member))
        self._look(member)
        self.after(TICK_S / member.rate, lambda: self._tick(member, life))

    def _resumes_in(self, member: SimMember) -> float:
        # What waited comes in bit by bit: a process that wakes up serves clients before it hears what it missed.
        return member.paused_until - self.now + self.rng.random() * self.faults.delay_s_max

    def _look(self, member: SimMember) -> None:
        """After a step: check, and begin to work off what it caused."""
        node = member.node
        member.observation = check_invariants(node, member.observation)
        self.checker.saw_node(node)
        if node.core.role is Role.LEADER and node.core.term != member.led_term:
            member.led_term = node.core.term
            self.checker.saw_new_leader(node)
        if node.has_ready():
            self._work(member)

    def _work(self, member: SimMember) -> None:
        ready = member.node.ready(self.local_now(member))
        self.checker.saw_ready(member.node, ready)
        self._send(ready.messages)
        member.disk.write_ready(ready)
        member.writing = ready
        life = member.life
        delay = 0.0
        if ready.must_sync:
            slow = self.rng.random() < self.faults.slow_sync and not self.calm
            delay = self.rng.random() * (self.faults.slow_sync_s_max if slow else self.faults.sync_s_max)
        self.after(delay, lambda: self._written(member, life, ready))

    def _written(self, member: SimMember, life: int, ready: Ready) -> None:
        if not member.up or member.life != life:
            return
        if member.paused_until > self.now:
            self.after(self._resumes_in(member), lambda: self._written(member, life, ready))
            return
        if ready.must_sync:
            member.disk.sync()
        member.writing = None
        self._send(ready.messages_after_append)
        if ready.snapshot is not None:
            member.conf_state = ready.snapshot.meta.conf_state
            member.applied = ready.snapshot.meta.index
        for entry in ready.committed_entries:
            if entry.kind is not EntryKind.NORMAL:
                member.conf_state = member.node.apply_conf_change(decode_conf_change(entry))
            member.applied = entry.index
        member.node.advance(ready)
        self._look(member)

    # --- the network ------------------------------------------------------------------------------------------

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.messages += 1
            copies = 1
            if not self.calm:
                copies = (self.rng.random() >= self.faults.loss) + (self.rng.random() < self.faults.repetition)
            for _ in range(copies):
                late = not self.calm and self.rng.random() < self.faults.long_delay
                delay = self.rng.random() * (self.faults.long_delay_s_max if late else self.faults.delay_s_max)
                self.after(delay, partial(self._arrive, message))
            if message.kind is MessageKind.SNAPSHOT:
                self._report_snapshot(message, arrived=copies > 0)

    def _report_snapshot(self, message: Message, *, arrived: bool) -> None:
        sender = self.members[message.from_]
        life = sender.life

        def report() -> None:
            if sender.up and sender.life == life:
                sender.node.report_snapshot(message.to, ok=arrived)
                self._look(sender)

        self.after(self.rng.random() * 0.2, report)

    def _arrive(self, message: Message) -> None:
        member = self.members[message.to]
        if not member.up or (message.from_, message.to) in self.cut:
            return
        if member.paused_until > self.now:
            self.after(self._resumes_in(member), lambda: self._arrive(message))
            return
        member.node.step(message, self.local_now(member))
        self._look(member)

    # --- clients ----------------------------------------------------------------------------------------------

    def running(self) -> list[SimMember]:
        """The members whose process is up and not paused."""
        return [member for member in self.members.values() if member.up and member.paused_until <= self.now]

    def _client(self) -> None:
        self.after(self.rng.random() * 0.02, self._client)
        leaders = [member for member in self.running() if member.node.core.role is Role.LEADER]
        if not leaders:
            return
        member = self.rng.choice(leaders)
        what = self.rng.random()
        if what < 0.5:
            self.write(member)
        elif what < 0.75:
            index = member.node.lease_read(self.local_now(member))
            if index is not None:
                self.checker.lease_read(index)
        else:
            self._reads += 1
            try:
                member.node.read_index(self._reads)
            except ReadDropped:
                return
            self.checker.read_begins(self._reads)
            self._look(member)

    def write(self, member: SimMember) -> int | None:
        """Propose a few commands at a leader; returns the last index, or None if they were dropped."""
        count = self.rng.randint(1, 8)
        self._commands += count
        try:
            indexes = member.node.propose_many([b"%d" % (self._commands - i) for i in range(count)])
        except ProposalDropped:
            return None
        self._look(member)
        return indexes[-1]

    # --- faults -----------------------------------------------------------------------------------------------

    def _nemesis(self) -> None:
        if self.calm:
            return
        self.after(self.rng.random() * 2 * self.faults.nemesis_every_s, self._nemesis)
        member = self.rng.choice(list(self.members.values()))
        actions: list[Callable[[SimMember], None]] = [
            self.crash,
            self.restart,
            self.restart,
            self.restart,
            self._pause,
            self._cut_off,
            self._cut_one_link,
            self._heal_links,
            self._heal_links,
            self._transfer,
            self.compact,
        ]
        if self.faults.conf_changes:
            actions.append(self._change_conf)
        self.rng.choice(actions)(member)

    def crash(self, member: SimMember) -> None:
        """Stop a process; what it had not synced may be lost."""
        if member.up:
            member.up = False
            member.disk.crash(self.rng)

    def restart(self, member: SimMember) -> None:
        """Start a crashed process again."""
        if not member.up:
            self._start(member)

    def _pause(self, member: SimMember) -> None:
        member.paused_until = self.now + self.rng.random() * 2

    def _cut_off(self, member: SimMember) -> None:
        others = [other for other in self.members if other != member.id]
        side = {member.id, *self.rng.sample(others, self.rng.randint(0, len(others) // 2))}
        for one in side:
            for other in set(self.members) - side:
                self.cut |= {(one, other), (other, one)}

    def _cut_one_link(self, member: SimMember) -> None:
        self.cut.add((member.id, self.rng.choice(list(self.members))))

    def _heal_links(self, _member: SimMember) -> None:
        self.cut.clear()

    def _transfer(self, member: SimMember) -> None:
        if member.up:
            member.node.transfer_leader(self.rng.choice(list(self.members)))
            self._look(member)

    def compact(self, member: SimMember) -> None:
        """Make a snapshot of what a member has applied, and drop its log before that."""
        index, conf_state = member.applied, member.conf_state
        if member.up and member.writing is None and index > member.disk.view.first_index():

            def write(storage: MemoryStorage) -> None:
                if index > storage.snapshot().meta.index:
                    storage.create_snapshot(index, conf_state)
                storage.compact(index)

            if member.disk.view.snapshot().meta.index < index:
                member.disk.write(write)

    def _change_conf(self, _member: SimMember) -> None:
        who = self.rng.sample(list(self.members), self.rng.randint(0, 3))
        changes = tuple(ConfChange(self.rng.choice(list(ConfChangeKind)), member) for member in who)
        several = ConfChanges(changes, self.rng.choice(list(Transition)))
        change = changes[0] if len(changes) == 1 else several
        for member in self.running():
            if member.node.core.role is Role.LEADER:
                try:
                    member.node.propose_conf_change(change)
                except ProposalDropped:
                    continue
                self._look(member)

    # --- the end ----------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """End all faults: every process runs, every link works."""
        self.calm = True
        self.cut.clear()
        for member in self.members.values():
            member.paused_until = 0.0
            self.restart(member)

    def must_make_progress(self) -> None:
        """Heal the world and demand that a write reaches every voter.

        Raises:
            PropertyBrokenError: it does not within `RECOVERY_S`.
        """
        self.heal()
        deadline = self.now + RECOVERY_S
        target: int | None = None
        while self.now < deadline:
            self.run(ELECTION_TICKS * TICK_S)
            leaders = [member for member in self.members.values() if member.node.core.role is Role.LEADER]
            if not leaders:
                continue
            leader = max(leaders, key=lambda member: member.node.core.term)
            if target is None:
                target = self.write(leader)
            elif all(self.members[voter].applied >= target for voter in leader.conf_state.voters):
                return
        raise PropertyBrokenError(f"no progress within {RECOVERY_S} s of a healed world")


def run_seed(seed: int, seconds: float, faults: Faults | None = None) -> RunReport:
    """Run one seed: three or five voters (by the seed) under faults for some virtual seconds, then healed."""
    cluster = RaftCluster(seed, size=3 if seed % 2 else 5, faults=faults)
    broken = None
    try:
        cluster.run(seconds)
        cluster.must_make_progress()
    except Exception as error:  # noqa: BLE001 - whatever a member raises here is a finding that belongs to the seed
        broken = f"{type(error).__name__}: {error} at {cluster.now:.3f} s"
    checker = cluster.checker
    return RunReport(
        seed=seed,
        broken=broken,
        terms_led=len(checker.leaders),
        committed=len(checker.committed),
        reads_confirmed=checker.reads_confirmed,
        lease_reads=checker.lease_reads,
        messages=cluster.messages,
    )
