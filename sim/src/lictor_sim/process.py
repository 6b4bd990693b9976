"""One member's process: clock, disk, node, and the driver between them, which may die at any step of its work.

The driver works in the order that `lictor_raft.node` prescribes, with a sync and an apply that take time while
messages and requests go on coming in. `Failpoint` numbers the moments at which a crash makes a difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial

from lictor_raft import (
    Config,
    ConfState,
    Entry,
    EntryKind,
    MemoryStorage,
    Message,
    Observation,
    RawNode,
    ReadMode,
    Ready,
    Snapshot,
    check_invariants,
    decode_conf_change,
)
from lictor_sim.faults import Plan
from lictor_sim.network import Network
from lictor_sim.raft_checks import GroupChecker
from lictor_sim.service import Service
from lictor_sim.sim_disk import SimDisk
from lictor_sim.state_machine import StateMachine
from lictor_sim.world import World

TICK_S = 0.02
ELECTION_TICKS = 15
HEARTBEAT_TICKS = 3
WAKE_S_MAX = 0.01
DEAF_S_MAX = (0.02, 0.1, 0.3)
"""What a process missed while it was paused comes in bit by bit, for one of these times: it may serve clients before it
hears that it leads no more."""


class Failpoint(IntEnum):
    """Where a process may die while it works off a `Ready`."""

    BEFORE_SEND = 0
    BEFORE_WRITE = 1
    BEFORE_SYNC = 2
    AFTER_SYNC = 3
    BETWEEN_SENDS = 4
    IN_APPLY = 5
    BEFORE_ADVANCE = 6


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all processes of one group share, and what they are made of."""

    world: World
    plan: Plan
    network: Network
    checker: GroupChecker
    node: type[RawNode] = RawNode
    machine: type[StateMachine] = StateMachine
    disk: type[SimDisk] = SimDisk


class SimProcess:
    """One member, in this and all later runs of its process.

    Args:
        member: its id.
        image: what its disk holds.
        around: what it shares with the others.
    """

    def __init__(self, member: int, image: MemoryStorage, around: Surroundings) -> None:
        rng = around.world.rng
        self.id = member
        self.around = around
        self.disk = around.disk(image)
        self.rate = rng.uniform(*around.plan.clock_rates)
        self.clock_offset = 1000.0 * member
        self.up = False
        self.paused_until = 0.0
        self.deaf_s_max = 0.0
        self.life = 0
        self.fuse: Failpoint | None = None
        self.deaths: dict[Failpoint, int] = dict.fromkeys(Failpoint, 0)
        self.observation: Observation | None = None
        self.node: RawNode
        self.service: Service

    # --- life -------------------------------------------------------------------------------------------------

    def local_now(self) -> float:
        """What the member's clock shows: clocks differ in rate and origin."""
        return self.clock_offset + self.around.world.now * self.rate

    def config(self, applied: int) -> Config:
        """The settings of this member."""
        plan = self.around.plan
        return Config(
            id=self.id,
            election_ticks=ELECTION_TICKS,
            heartbeat_ticks=HEARTBEAT_TICKS,
            election_timeout_s=TICK_S * ELECTION_TICKS,
            entries_bytes_per_message_max=128,
            inflight_messages_max=8,
            inflight_bytes_max=1024,
            uncommitted_bytes_max=16384,
            committed_bytes_per_ready_max=512,
            read_mode=ReadMode.LEASE if plan.lease else ReadMode.QUORUM,
            vote_silence_after_start=plan.lease,
            async_storage_writes=plan.asynchronous,
            applied=applied,
        )

    def start(self) -> None:
        """Start the process from its disk."""
        world = self.around.world
        storage = self.disk.view
        applied, conf_state, reference = 0, ConfState(), b""
        if storage.first_index() > 1:
            snapshot = storage.snapshot()
            applied, conf_state, reference = snapshot.meta.index, snapshot.meta.conf_state, snapshot.reference
        storage.set_conf_state(conf_state)
        self.node = self.around.node(self.config(applied), storage, world.rng.randint, self.local_now())
        self.service = Service(
            self.node, self.around.machine(reference), applied, conf_state, self.around.checker, self.local_now
        )
        self.observation = None
        self.fuse = None
        self.up = True
        self.life += 1
        world.note(f"start {self.id}")
        self.around.checker.saw_start(self.node)
        world.after(world.rng.random() * TICK_S, self.in_this_life(self._tick))

    def crash(self) -> None:
        """End the process at once; what it had not synced may be lost."""
        if self.up:
            self.up = False
            self.disk.crash(self.around.world.rng)
            self.around.world.note(f"crash {self.id}")

    def pause(self, seconds: float, *, clock_stops: bool = False) -> None:
        """Stop the process for a while; its clock goes on, unless the whole machine and its clock stand still."""
        now = self.around.world.now
        until = now + seconds
        self.deaf_s_max = self.around.world.rng.choice(DEAF_S_MAX)
        if clock_stops:
            self.clock_offset -= self.rate * max(0.0, until - max(now, self.paused_until))
        self.paused_until = max(self.paused_until, until)

    def is_running(self) -> bool:
        """Whether the process is up and not paused."""
        return self.up and self.paused_until <= self.around.world.now

    def set_rate(self, rate: float) -> None:
        """Let the clock go on at another rate."""
        self.clock_offset += self.around.world.now * (self.rate - rate)
        self.rate = rate

    def in_this_life(self, step: Callable[[], None], *, wake_s_max: float = WAKE_S_MAX) -> Callable[[], None]:
        """`step`, which dies with the process and waits while it is paused, and then up to `wake_s_max` longer."""
        life = self.life

        def when_running() -> None:
            if not self.up or self.life != life:
                return
            world = self.around.world
            wait = self.paused_until - world.now
            if wait > 0:
                world.after(wait + world.rng.random() * wake_s_max, when_running)
            else:
                step()

        return when_running

    def dies_at(self, point: Failpoint) -> bool:
        """Crash if that is to happen here."""
        if self.fuse is not point:
            return False
        self.deaths[point] += 1
        self.crash()
        return True

    # --- inputs -----------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.node.tick(self.local_now())
        self.look()
        self.around.world.after(TICK_S / self.rate, self.in_this_life(self._tick))

    def take(self, message: Message) -> None:
        """A message arrives; a process that is down misses it."""
        self.in_this_life(partial(self._step, message), wake_s_max=self.deaf_s_max)()

    def _step(self, message: Message) -> None:
        self.around.world.note(f"{message.kind} {message.from_} {message.to} {message.term} {message.index}")
        self.node.step(message, self.local_now())
        self.look()

    def serve(self, request: Callable[[Service], None]) -> None:
        """A client's request arrives."""

        def now() -> None:
            request(self.service)
            self.look()

        self.in_this_life(now)()

    def look(self) -> None:
        """After a step: check, and begin to work off what it caused."""
        self.observation = check_invariants(self.node, self.observation)
        self.around.checker.saw_node(self.node)
        if self.node.has_ready():
            self.work()

    # --- the driver -------------------------------------------------------------------------------------------

    def work(self) -> None:
        """Work off one `Ready`: what may leave at once leaves, what must be durable is written."""
        ready = self.node.ready(self.local_now())
        self.around.checker.saw_ready(self.node, ready)
        self.service.confirm(ready.read_states)
        self.service.drop(ready.reads_dropped)
        if self.dies_at(Failpoint.BEFORE_SEND):
            return
        self.around.network.send(ready.messages)
        if self.dies_at(Failpoint.BEFORE_WRITE):
            return
        self._write(ready)

    def _write(self, ready: Ready) -> None:
        self.disk.write_log(ready.snapshot, ready.entries, ready.hard_state)
        if self.dies_at(Failpoint.BEFORE_SYNC):
            return
        self.around.world.after(self.sync_delay(ready.must_sync), self.in_this_life(partial(self._written, ready)))

    def sync_delay(self, must_sync: bool) -> float:
        """How long this write takes."""
        world, faults = self.around.world, self.around.plan.faults
        if not must_sync:
            return 0.0
        slow = not self.around.network.calm and world.chance(faults.slow_sync)
        return world.rng.random() * (faults.slow_sync_s_max if slow else faults.sync_s_max)

    def _written(self, ready: Ready) -> None:
        if ready.must_sync:
            self.disk.sync()
        if self.dies_at(Failpoint.AFTER_SYNC) or not self.vouch(ready.messages_after_append):
            return
        world, faults = self.around.world, self.around.plan.faults
        delay = world.rng.random() * faults.apply_s_max if ready.committed_entries else 0.0
        world.after(delay, self.in_this_life(partial(self._apply, ready)))

    def vouch(self, messages: Sequence[Message]) -> bool:
        """Send what waited for the disk; False if the process died over it."""
        for position, message in enumerate(messages):
            if position and self.dies_at(Failpoint.BETWEEN_SENDS):
                return False
            self.around.checker.saw_vouching(message, self.disk.image)
            self.around.network.send((message,))
        return True

    def _apply(self, ready: Ready) -> None:
        if ready.snapshot is not None:
            self.install(ready.snapshot)
        if not self.apply(ready.committed_entries):
            return
        self.node.advance(ready)
        self.look()

    def install(self, snapshot: Snapshot) -> None:
        """Start the state machine over."""
        meta = snapshot.meta
        self.service.install(self.around.machine(snapshot.reference), meta.index, meta.conf_state)
        self.around.checker.saw_conf(meta.index, meta.conf_state)

    def apply(self, entries: Sequence[Entry]) -> bool:
        """Apply entries; False if the process died over it."""
        for position, entry in enumerate(entries):
            if position and self.dies_at(Failpoint.IN_APPLY):
                return False
            if entry.kind is not EntryKind.NORMAL:
                self.apply_conf_change(entry)
            self.service.apply(entry)
        return not self.dies_at(Failpoint.BEFORE_ADVANCE)

    def apply_conf_change(self, entry: Entry) -> None:
        """Make a configuration active."""
        self.service.conf_state = self.node.apply_conf_change(decode_conf_change(entry))
        self.around.checker.saw_conf_change(entry.index, self.service.conf_state)
        self.around.checker.saw_node(self.node)

    def compact(self, margin: int) -> None:
        """Make a snapshot of what is applied, and drop the log before it but for the last `margin` entries."""
        index, conf_state = self.service.applied, self.service.conf_state
        view = self.disk.view
        if not self.up or view.first_index() < 2 or index <= view.snapshot().meta.index:
            return
        if view.initial_state()[0].commit < index:
            return  # with asynchronous storage the log may not know yet that this is committed
        reference = self.service.machine.encoded()

        def write(storage: MemoryStorage) -> None:
            storage.create_snapshot(index, conf_state, reference)
            if index - margin >= storage.first_index():
                storage.compact(index - margin)

        self.disk.write(write)
