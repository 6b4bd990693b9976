"""A cluster of whole members in one process, from one seed: the real service code in virtual time.

Three, five or seven members (by the seed) with disks, clocks and a network of their own, and clients that write, read
and follow. `members_faults` breaks what can break; here is what stays together: starting and restarting processes,
deciding whether the end of one was due to a fault that was set, and the end of a run: everything is healed, and the
cluster owes progress. Then all members and views must be equal, and the history of the clients must be possible.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from random import Random
from typing import Any

import structlog

from lictor_bus import Bus
from lictor_raft import ConfState
from lictor_raft_store.disk import DiskFull, StorageFailed
from lictor_raft_store.founding_driver import veto
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.sim_disk import PowerLost
from lictor_raft_store.slots import Slot, claim_slot
from lictor_raft_store.surroundings import Writer
from lictor_raft_store.wal import Wal
from lictor_sim.members_bus import SERVERS, NetworkFaults, SimBus, SimNetwork
from lictor_sim.members_checks import Oracle, require
from lictor_sim.members_client import ClientProcess
from lictor_sim.members_disk import MachineDisk, SimWriter, sync_times
from lictor_sim.members_history import History
from lictor_sim.members_process import ALONE, VOLUME, MachineRoom, MemberProcess, RemovedError
from lictor_sim.seeds import SeedReport
from lictor_sim.virtual_loop import Owner, VirtualLoop
from lictor_state.levels import FOUNDING_LEVEL

CLUSTER = "11111111-2222-4333-8444-555555555555"
SIZES = (3, 5, 3, 7)
CLIENTS = 2
CORE_FIRST = 0.4
"""How often a run ends with a majority that is sound in a world that stays broken, before everything is healed."""

SLOW_DISKS = 0.2
"""How often all disks are slow: then a crash finds much that is written and not synced."""

MIXED = 0.4
UPGRADED_S_MAX = 6.0
"""How often some members are of an older build, which does not know the newest feature level, and until when."""

RECOVERY_S = 15.0
"""A healed cluster must have written, and all members and views must have caught up, within this time."""

SETTINGS: dict[str, Any] = {
    "raft_store_heartbeat_ms": 50,
    "raft_store_election_ms": 300,
    "raft_store_tick_ms": 25,
    "raft_store_segment_mib": 1,
    "raft_store_snapshot_entries": 30,
    "raft_store_trailing_entries": 8,
    "raft_store_feed_mib": 1,
}
"""Fast elections, and logs and feeds so short that snapshots are needed all the time."""


class MembersCluster:
    """Machines, members, clients and the network between them."""

    def __init__(self, seed: int, size: int | None = None, faults: NetworkFaults | None = None) -> None:
        self.seed = seed
        self.dice = Random(seed)
        self.size = size or SIZES[seed % len(SIZES)]
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._callback_failed)
        self.network = SimNetwork(self.loop, self.dice, faults or NetworkFaults())
        self.network.tap = self._tap
        self.oracle = Oracle(CLUSTER)
        self.history = History()
        self.oracle.on_level = self._level_raised
        self.settings = RaftStoreSettings(**SETTINGS)
        self.old_settings = RaftStoreSettings(**{**SETTINGS, "raft_store_level_max": FOUNDING_LEVEL})
        self.rooms = {number: MachineRoom(number, self.loop, self.dice) for number in range(1, self.size + 1)}
        self.processes: dict[int, MemberProcess] = {}
        self.clients: dict[int, ClientProcess] = {}
        self.wiped: set[int] = set()
        self.disk_faults: set[int] = set()
        self.kept_down: set[int] = set()
        self.announced: dict[int, int] = {}
        self.old_builds: dict[int, float] = {}
        """Members that hold the feature level down, and when their next start is the upgrade."""
        self._world = (
            copy_context()
        )  # what the world does belongs to no process, also where an ended one gave rise to it
        self.calm = False
        self.counts: dict[str, int] = {}
        self.start_writer: Callable[[Wal], Writer] | None = None
        if self.dice.random() < SLOW_DISKS:
            times = sync_times(self.dice, 0.06, 0.2, 0.5)
            self.start_writer = lambda wal: SimWriter(wal, times, lambda: self.dice.random() < ALONE)
        self.clients_at_start = CLIENTS
        self._owners: list[Owner] = []
        self._member_ids: dict[int, int] = {}
        self._client_runs = 0
        self._finding: asyncio.Future[None] = self.loop.create_future()
        self._trace = hashlib.blake2b(digest_size=8)
        if self.dice.random() < MIXED:
            some = self.dice.sample(list(self.rooms), self.dice.randint(1, self.size))
            self.old_builds = {number: self.dice.random() * UPGRADED_S_MAX for number in some}
        self.founders = ConfState(tuple(sorted(self._mint(room) for room in self.rooms.values())))

    def _mint(self, room: MachineRoom) -> int:
        """The member id of a machine's slot, made before the first start, because the founders must be known."""
        slot = claim_slot(room.disk, VOLUME, self.dice.getrandbits, slots=1, try_lock=room.try_lock)
        slot.release()
        return slot.member_id

    def count(self, what: str) -> None:
        """Count something for the report."""
        self.counts[what] = self.counts.get(what, 0) + 1

    # -- processes

    def start_member(self, number: int) -> None:
        """Start a member's process, unless it runs."""
        running = self.processes.get(number)
        if (running is not None and running.alive) or number in self.kept_down:
            return
        self.count("starts")
        settings = self.old_settings if self.loop.now < self.old_builds.get(number, 0.0) else self.settings
        self.announced[number] = settings.raft_store_level_max
        process = self.processes[number] = MemberProcess(
            room=self.rooms[number],
            loop=self.loop,
            network=self.network,
            oracle=self.oracle,
            dice=self.dice,
            settings=settings,
            membership=self._membership,
            failed=self._member_failed,
            start_writer=self.start_writer,
        )
        self._owners.append(process.owner)

    async def _membership(self, _process: MemberProcess, bus: Bus, slot: Slot) -> tuple[str, ConfState]:
        """What the slot says; the cluster was founded before the run."""
        await veto(bus, CLUSTER)
        return CLUSTER, self.founders if slot.member_id in self.founders.voters else ConfState()

    def start_client(self, number: int) -> None:
        """Start a client, in place of the one that ran under this number."""
        self._client_runs += 1
        client = self.clients[number] = ClientProcess(
            number=number,
            run=self._client_runs,
            loop=self.loop,
            network=self.network,
            oracle=self.oracle,
            history=self.history,
            dice=self.dice,
            failed=lambda one, error: self.found(error, one.name),
        )
        self._owners.append(client.owner)

    def kill_member(self, number: int, *, power: bool) -> None:
        """End a member's process: as `kill -9` does, or with the machine's power."""
        process = self.processes[number]
        if process.alive:
            process.kill()
        room = self.rooms[number]
        room.disk = room.disk.crash(self.dice) if power else room.disk.copy()

    def restart_later(self, number: int, longest_s: float = 1.0) -> None:
        """Start a member again, soon."""
        self.loop.call_later(self.dice.random() * longest_s, self.start_member, number, context=self._world)

    def wipe(self, number: int) -> None:
        """A machine comes back with an empty disk: it may not vote under its old id."""
        self.kill_member(number, power=True)
        self.rooms[number].disk = MachineDisk()
        self.wiped.add(number)
        self.count("wiped")
        self.restart_later(number)

    def _level_raised(self, level: int) -> None:
        """The log says that every member knows a level: all of them must have announced it."""
        self.count("level raised")
        require(
            bool(self.wiped) or min(self.announced.values()) >= level,
            f"level {level} was reached, announced are {sorted(self.announced.items())}",
        )

    def _member_failed(self, process: MemberProcess, error: BaseException) -> None:
        """A member's process has ended by itself: by a fault that was set, or it is a finding."""
        number = process.room.number
        if isinstance(error, PowerLost):
            self.count("power lost inside an operation")
            self.loop.call_soon(self._power_lost, process, context=self._world)
        elif isinstance(error, RemovedError) and process.slot is not None:
            self.count("removed")
            process.slot.set_aside()
            self.restart_later(number)
        elif isinstance(error, DiskFull | StorageFailed) and number in self.disk_faults:
            self.count("ended by a disk fault")
            process.room.disk = process.room.disk.copy()
            if process.room.disk.capacity_bytes is None:
                self.disk_faults.discard(number)
            self.restart_later(number)
        else:
            self.found(error, process.room.name)

    def _power_lost(self, process: MemberProcess) -> None:
        process.room.disk = process.room.disk.crash(self.dice)
        self.restart_later(process.room.number)

    # -- findings

    def found(self, error: BaseException, where: str) -> None:
        """Something that must not happen has happened: the run ends."""
        if not self._finding.done():
            error.add_note(f"in {where} at {self.loop.now:.3f} s")
            self._finding.set_exception(error)

    def _callback_failed(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, PowerLost):
            return
        if error is not None:
            self.found(error, str(context.get("message", "a callback")))

    def _tap(self, bus: SimBus, subject: str, data: bytes) -> None:
        self._trace.update(f"{self.loop.now:.9f} {bus.name} {subject} ".encode() + data)
        number = next((one for one, process in self.processes.items() if process.owner is bus.owner), 0)
        process = self.processes.get(number)
        try:
            self.oracle.saw_publish(process.slot.member_id if process and process.slot else 0, subject, data)
        except AssertionError as error:
            self.found(error, bus.name)

    # -- a run

    def run(self, seconds: float, faults: Callable[["MembersCluster"], Any] | None = None) -> SeedReport:
        """Run under faults for some virtual seconds, then healed until everything is equal; and judge."""
        broken = None
        ended_at = 0.0
        with _silent():
            try:
                self.loop.run_until_complete(self._until_found(self._story(seconds, faults)))
                self.history.judge(self.oracle)
            except Exception as error:  # noqa: BLE001  whatever is raised here is a finding that belongs to the seed
                notes = "; ".join(getattr(error, "__notes__", []))
                broken = f"{type(error).__name__}: {error} {notes}"
            finally:
                ended_at = self.loop.now
                for process in self.processes.values():
                    process.kill()
                self.loop.end(self._owners)
        answered = list(self.history.answered())
        counts = {
            "terms led": len(self.oracle.leaders),
            "entries committed": len(self.oracle.entries),
            "writes": sum(call.command is not None for call in answered),
            "strong reads": sum(call.command is None for call in answered),
            "states compared": self.oracle.digest_checks,
            "views compared": self.oracle.view_checks,
            "undecided histories": self.history.undecided,
            "messages": self.network.messages,
            "virtual ms": round(ended_at * 1000),
            **dict(sorted(self.counts.items())),
        }
        trace = int.from_bytes(self._trace.digest(), "big")
        return SeedReport(level="member", seed=self.seed, broken=broken, counts=counts, trace=trace)

    async def _until_found(self, story: Any) -> None:
        telling = asyncio.ensure_future(story)
        await asyncio.wait({telling, self._finding}, return_when=asyncio.FIRST_COMPLETED)
        if self._finding.done():
            telling.cancel()
            self._finding.result()
        self._finding.cancel()
        telling.result()

    async def _story(self, seconds: float, faults: Callable[["MembersCluster"], Any] | None) -> None:
        for number in self.rooms:
            self.start_member(number)
        for number in range(1, self.clients_at_start + 1):
            self.start_client(number)
        breaking = asyncio.ensure_future(faults(self)) if faults is not None else None
        await asyncio.sleep(seconds)
        if breaking is not None:
            breaking.cancel()
            if self.clients and self.dice.random() < CORE_FIRST:
                await self._core_must_write()
        self.heal(list(self.rooms))
        await self._must_make_progress()

    def heal(self, members: list[int]) -> None:
        """All faults end for these members, for the network and for the clients."""
        self.calm = True
        self.kept_down.clear()
        self.network.heal()
        for number in members:
            disk, process = self.rooms[number].disk, self.processes[number]
            disk.power_off_at = disk.power_off_after_snapshot = disk.capacity_bytes = None
            disk.fail_at.clear()
            if process.alive:
                process.resume()
            else:
                self.start_member(number)
        for client in self.clients.values():
            self.loop.release(client.owner)

    async def _core_must_write(self) -> None:
        """Heal a majority, keep the others and a server of the bus broken, and demand a write."""
        dice = self.dice
        spare = max(0, (self.size - 1) // 2 - len(self.wiped))
        broken = dice.sample([number for number in self.rooms if number not in self.wiped], dice.randint(0, spare))
        core = [number for number in self.rooms if number not in broken]
        self.heal(core)
        self.network.stop_server(dice.randrange(SERVERS))
        everyone = [*(room.name for room in self.rooms.values()), *(client.name for client in self.clients.values())]
        for number in broken:
            name = self.rooms[number].name
            shape = dice.choice(("down", "paused", "deaf", "mute"))
            self.count(f"kept {shape}")
            if shape == "down":
                self.kept_down.add(number)
                self.kill_member(number, power=True)
            elif shape == "paused":
                self.processes[number].pause()
            else:
                deaf = shape == "deaf"
                self.network.cut |= {(one, name) if deaf else (name, one) for one in everyone if one != name}
        deadline = self.loop.now + RECOVERY_S
        while not (await self.clients[1].set_once(1)).index:
            require(self.loop.now < deadline, f"no write with a sound majority: {self._standing()}")

    async def _must_make_progress(self) -> None:
        deadline = self.loop.now + RECOVERY_S
        client = self.clients[1]
        for client in self.clients.values():
            client.busy = False
        target = 0
        while not target:
            require(self.loop.now < deadline, "no write within the time that a healed cluster has")
            written = asyncio.ensure_future(client.set_once(client.number))
            await asyncio.wait({written})
            target = written.result().index
        while not self._settled(target):
            require(self.loop.now < deadline, f"not settled in time: {self._standing()}")
            await asyncio.sleep(0.1)
        for client in self.clients.values():
            client.watch.look()
            for view in (client.view, client.part):
                if view.index == self.oracle.store.index:
                    self.oracle.saw_final_view(view)

    def _settled(self, target: int) -> bool:
        members = [self.processes[number] for number in self.rooms if number not in self.wiped]
        views = [view for client in self.clients.values() for view in (client.view, client.part)]
        return (
            self.oracle.store.index >= target
            and all(one.alive and one.applied == self.oracle.applied for one in members)
            and all(view.index == self.oracle.store.index for view in views)
        )

    def _standing(self) -> str:
        members = [f"{one.room.name} {one.applied if one.alive else 'down'}" for one in self.processes.values()]
        views = [f"{one.name} {one.view.index} {one.part.index}" for one in self.clients.values()]
        return f"log {self.oracle.applied}; {', '.join(members)}; {', '.join(views)}"


@contextmanager
def _silent() -> Iterator[None]:
    """What members log is not shown while they are simulated."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
