"""A raft-store member as a process of the simulation: one run of the real code, from the slot to being killed.

`MachineRoom` is the computer below it, which stays when the process goes: a disk, a clock with its own rate and origin,
a place on the network. A kill takes the process off the network and the loop before anything else, so nothing that it
would have said or written on the way out happens; a power cut also takes what the disk had not synced.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

from lictor_bus import Bus, Presence
from lictor_kit.metrics import Metrics
from lictor_raft import ConfState, Entry, Observation, ReadState, Role
from lictor_raft_store.machine import AppliedBatch, Machine
from lictor_raft_store.member import StoreMember, open_member
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.node_driver import Host, NodeDriver
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.sim_disk import PowerLost
from lictor_raft_store.slots import Slot, Unlock, claim_slot
from lictor_raft_store.surroundings import Surroundings, Writer
from lictor_raft_store.wal import Wal
from lictor_sim.members_bus import SERVERS, SimBus, SimNetwork
from lictor_sim.members_checks import Oracle
from lictor_sim.members_disk import MachineDisk, SimWriter, sync_times
from lictor_sim.virtual_loop import Owner, VirtualLoop

VOLUME = "volume"
WALL_AT_START = 1_750_000_000.0
OFFLOAD_S_MAX = 0.003
OFFLOAD_SLOW, OFFLOAD_SLOW_S_MAX = 0.05, 1.0
"""Some calls in threads take long, as on a machine whose disk is busy: then what they prepare comes late."""

ALONE = 0.3
"""How often the log's writer takes only the first of what waits."""

QUICK = 0.5
"""How often a write that finds none under way is made in place."""

CLOCK_RATE_SPREAD = 0.05
"""Clocks run up to 5 % fast or slow; the lease leaves room for a fifth."""

HAND_OVER_S = 1.0


class MachineRoom:
    """One computer: what outlives the processes on it."""

    def __init__(self, number: int, loop: VirtualLoop, dice: Random) -> None:
        self.number = number
        self.name = f"server-{number}"
        self.disk = MachineDisk()
        self.rate = 1.0 + dice.uniform(-CLOCK_RATE_SPREAD, CLOCK_RATE_SPREAD)
        self.runs = 0
        self._loop, self._origin = loop, 1000.0 * number
        self._locked: set[str] = set()

    def clock(self) -> float:
        """Seconds since this computer was switched on; they go on while its processes are paused."""
        return self._origin + self._loop.now * self.rate

    def try_lock(self, path: str) -> Unlock | None:
        """The kernel's locks of this computer."""
        if path in self._locked:
            return None
        self._locked.add(path)
        return lambda: self._locked.discard(path)

    def lose_locks(self) -> None:
        """The process is gone, and the kernel lets go of what it held."""
        self._locked.clear()


class RemovedError(Exception):
    """This member is in its cluster's configuration no more: its life ends, and the next one begins aside."""


class _Watched:
    """Stands before the driver's host and shows the oracle what the driver does."""

    def __init__(self, process: "MemberProcess", host: Host, driver: NodeDriver) -> None:
        self._process, self._host, self._driver = process, host, driver
        self._machine: Machine | None = None
        self._observation: Observation | None = None

    @property
    def waiting(self) -> bool:
        """As `Host.waiting`."""
        return self._host.waiting

    def take_in(self, now: float) -> None:
        """As `Host.take_in`."""
        self._host.take_in(now)

    def entries_applied(self, entries: Sequence[Entry], batch: AppliedBatch) -> None:
        """As `Host.entries_applied`."""
        self._look()
        self._process.oracle.saw_applied(self._process.room.name, entries, self._driver.machine)
        self._host.entries_applied(entries, batch)

    def role_changed(self, role: Role) -> None:
        """As `Host.role_changed`."""
        self._host.role_changed(role)

    def reads_confirmed(self, confirmed: Sequence[ReadState], dropped: Sequence[int]) -> None:
        """As `Host.reads_confirmed`."""
        self._host.reads_confirmed(confirmed, dropped)

    def flush(self, now: float) -> None:
        """As `Host.flush`; the end of a turn of the loop."""
        self._look()
        self._host.flush(now)

    def _look(self) -> None:
        self._observation = self._process.oracle.saw_node(self._driver.node, self._observation)
        machine = self._driver.machine
        if machine is not self._machine:  # the first one, or one from a leader's snapshot
            self._machine = machine
            if machine.applied and machine.applied <= self._process.oracle.applied:
                self._process.oracle.saw_state(self._process.room.name, machine)


class MemberProcess:
    """One run of a member; begins at once."""

    def __init__(
        self,
        *,
        room: MachineRoom,
        loop: VirtualLoop,
        network: SimNetwork,
        oracle: Oracle,
        dice: Random,
        settings: RaftStoreSettings,
        membership: Callable[["MemberProcess", Bus, Slot], Coroutine[Any, Any, tuple[str, ConfState]]],
        failed: Callable[["MemberProcess", BaseException], None],
        start_writer: Callable[[Wal], Writer] | None = None,
    ) -> None:
        self.room, self.loop, self.network, self.oracle, self.dice = room, loop, network, oracle, dice
        self._settings, self._membership, self._failed = settings, membership, failed
        room.runs += 1
        self.owner = Owner(room.name, room.rate)
        self.alive = True
        self.slot: Slot | None = None
        self.member: StoreMember | None = None
        self.presence: Presence | None = None
        self.bus: SimBus | None = None
        draw = sync_times(dice, 0.003, 0.01, 0.3)
        self.around = Surroundings(
            clock=room.clock,
            wall=lambda: WALL_AT_START + room.clock(),
            dice=dice.randint,
            offload=self._offload,
            start_writer=start_writer
            or (lambda wal: SimWriter(wal, draw, lambda: dice.random() < ALONE, lambda: dice.random() < QUICK)),
        )
        room.disk.on_power_lost = self._power_lost
        self.spawn("main", self._run())

    @property
    def leading(self) -> bool:
        """Whether this member leads, as its clients see it."""
        return self.alive and self.member is not None and self.member.api.leading

    @property
    def applied(self) -> int:
        """The Raft index that it has applied; 0 before it is open."""
        return self.member.driver.machine.applied if self.member else 0

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> object:
        """Run work as this process; its failure ends the process."""
        return self.loop.create_task(self._guarded(work), name=f"{self.room.name} {name}", context=self.owner.context)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except PowerLost:
            assert not self.alive, "the disk kills its process before it raises"
        except Exception as error:  # noqa: BLE001  whatever a member raises ends the process; the world judges it
            if self.alive:
                self.kill()
                self._failed(self, error)

    async def _run(self) -> None:
        room = self.room
        slot = self.slot = claim_slot(room.disk, VOLUME, self.dice.getrandbits, slots=1, try_lock=room.try_lock)
        bus = self.bus = SimBus(self.network, self.owner, room.number % SERVERS)
        record = {
            "member": slot.member_id,
            "name": room.name,
            "address": f"10.0.0.{room.number}",
            "port": 8300,
            "cluster": "",
            "applied": 1,  # until the log is open nobody can tell, as in `life`
        }
        run_id = f"{room.name}-run-{room.runs}"
        presence = self.presence = Presence(bus, "raft-store", room.name, run_id, record, room.clock)
        self.spawn("presence", presence.run())
        cluster, founders = await self._membership(self, bus, slot)
        presence.update({**presence.record, "member": slot.member_id, "cluster": cluster})
        member = self.member = await open_member(
            bus=bus,
            disk=room.disk,
            slot=slot,
            cluster=cluster,
            founders=founders,
            presence=presence,
            settings=self._settings,
            metrics=StoreMetrics(Metrics("raft-store")),
            spawn=self.spawn,
            around=self.around,
        )
        driver = member.driver
        presence.update({**presence.record, "applied": min(driver.node.status().last_index, 1)})
        parts = driver._transport, driver._snapshots, driver._host  # noqa: SLF001  the oracle looks over its shoulder
        driver.join(parts[0], parts[1], _Watched(self, parts[2], driver))
        self.spawn("raft", driver.run())
        self.spawn("leadership", member.leadership.run())
        self.spawn("removal", self._until_removed(member.removed))

    async def _until_removed(self, removed: asyncio.Event) -> None:
        await removed.wait()
        raise RemovedError

    async def _offload(self, function: Callable[..., Any], *arguments: Any) -> Any:
        slow = self.dice.random() < OFFLOAD_SLOW
        await asyncio.sleep(self.dice.random() * (OFFLOAD_SLOW_S_MAX if slow else OFFLOAD_S_MAX))
        return function(*arguments)

    # -- ends

    def _power_lost(self) -> None:
        if self.alive:
            self.kill()
            self._failed(self, PowerLost())

    def kill(self) -> None:
        """Gone without a word, in the middle of whatever it did."""
        self.alive = False
        if self.bus is not None:
            self.bus.vanish()
        self.loop.hold(self.owner)
        self.room.lose_locks()

    def pause(self) -> None:
        """As SIGSTOP does: nothing runs, what comes in waits, clocks go on."""
        self.loop.hold(self.owner)

    def resume(self) -> None:
        """As SIGCONT does."""
        if self.alive and self.owner.held:
            self.loop.release(self.owner, timers_first=self.dice.random() < 0.5)

    def stop(self, stopped: Callable[[], None]) -> None:
        """As SIGTERM does: hand over leadership, say goodbye, close; then `stopped` is called."""
        self.spawn("stop", self._stop(stopped))

    async def _stop(self, stopped: Callable[[], None]) -> None:
        if self.member is not None:
            await self.member.driver.hand_over(HAND_OVER_S)
        if self.presence is not None:
            await self.presence.close()
        stopped()
