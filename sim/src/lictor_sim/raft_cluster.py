"""A Raft group in virtual time: members, network, clients and a nemesis, all from one seed.

Member code is the real `lictor_raft`. A run ends with a healed world, or with a sound quorum in a world that stays
broken, and then the group owes progress: that catches a livelock, which faults alone would hide.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lictor_raft import ConfState, EntryKind, MemoryStorage, Message, ProposalDropped, RawNode, Role, check_group
from lictor_sim.async_process import AsyncProcess
from lictor_sim.clients import READERS, Client, Proposer, Workload
from lictor_sim.faults import Plan
from lictor_sim.linearizability import Model, Operation, Verdict, check
from lictor_sim.linearizable_objects import GrowSet, Lock, Register
from lictor_sim.nemesis import Nemesis
from lictor_sim.network import Network
from lictor_sim.process import ELECTION_TICKS, TICK_S, SimProcess, Surroundings
from lictor_sim.raft_checks import GroupChecker, PropertyBrokenError
from lictor_sim.service import Reply, Service
from lictor_sim.sim_disk import SimDisk
from lictor_sim.state_machine import Command, StateMachine, encode_command
from lictor_sim.world import World

GROUP_CHECK_EVERY_S = 0.2
"""Comparing all logs with each other costs more than a step."""
RECOVERY_S = 10.0
"""A healed group must write within this time: some thirty election timeouts."""
PROGRESS = 5
"""Operations that must succeed in a half-healed world."""
FILLERS_MAX = 8
PROBE_S_MAX = 0.015
PROBE_ANYWAY = 0.05

MODELS: dict[str, Model[Any]] = {"r": Register(), "l": Lock(), "s": GrowSet()}


def _probe(mode: str, caller: int, service: Service) -> None:
    service.read("r0", mode, caller, _ignore, index_only=True)


def _ignore(reply: Reply) -> None:
    """A probe is judged by its index, in `GroupChecker`."""
    del reply


@dataclass(frozen=True, slots=True)
class Parts:
    """What a group is built from; a broken variant replaces one."""

    node: type[RawNode] = RawNode
    machine: type[StateMachine] = StateMachine
    disk: type[SimDisk] = SimDisk
    process: type[SimProcess] = SimProcess
    async_process: type[AsyncProcess] = AsyncProcess
    modes: Sequence[str] = ("lease", "round")
    """How clients read, see `service`."""


class RaftCluster:
    """A group of founding voters, and spare members that may be added.

    Args:
        seed: everything follows from it.
        plan: what kind of world; by default the seed decides.
        parts: what the group is built from.
    """

    def __init__(self, seed: int, plan: Plan | None = None, parts: Parts | None = None) -> None:
        plan, parts = plan or Plan.of(seed), parts or Parts()
        self.world = world = World(seed)
        self.plan = plan
        founding = ConfState(tuple(range(1, plan.size + 1)))
        self.checker = GroupChecker(founding)
        self.network = Network(world, plan.faults, self._deliver, self._report_snapshot)
        around = Surroundings(world, plan, self.network, self.checker, parts.node, parts.machine, parts.disk)
        spares = plan.spares if "change_conf" in plan.orders else 0
        self.members: dict[int, SimProcess] = {}
        for member in range(1, plan.size + spares + 1):
            image = MemoryStorage()
            if member in founding.voters:
                image = MemoryStorage.founded(founding, StateMachine().encoded())
            process = (parts.async_process if plan.asynchronous else parts.process)(member, image, around)
            self.members[member] = process
        self.checker.images = {member: process.disk.image for member, process in self.members.items()}
        for process in self.members.values():
            process.start()
        self.nemesis = Nemesis(world, plan, self.network, list(self.members.values()))
        self.workload = Workload(world, list(self.members.values()), parts.modes)
        proposers = [Proposer() for _ in range((plan.clients + 1) // 2)]
        self.clients = [Client(number + 1, self.workload, proposers[number // 2]) for number in range(plan.clients)]
        world.after(0.0, self._fill)
        world.after(0.0, self._probe)
        world.after(0.0, self._check_group)

    # --- wires ------------------------------------------------------------------------------------------------

    def _deliver(self, message: Message) -> None:
        self.members[message.to].take(message)

    def _report_snapshot(self, message: Message, arrived: bool) -> None:
        sender = self.members[message.from_]

        def report() -> None:
            sender.node.report_snapshot(message.to, ok=arrived)
            sender.look()

        sender.in_this_life(report)()

    def _check_group(self) -> None:
        self.world.after(self.world.rng.random() * 2 * GROUP_CHECK_EVERY_S, self._check_group)
        check_group(process.node for process in self.members.values() if process.up)

    # --- load -------------------------------------------------------------------------------------------------

    def leaders(self) -> list[SimProcess]:
        """Who runs and believes to lead, the newest term last."""
        found = [process for process in self.members.values() if process.is_running()]
        found = [process for process in found if process.node.role is Role.LEADER]
        return sorted(found, key=lambda process: process.node.term)

    def _fill(self) -> None:
        self.world.after(self.world.rng.random() * self.plan.fill_s_max, self._fill)
        leaders = self.leaders()
        if leaders:
            self.write(self.world.rng.choice(leaders))

    def _probe(self) -> None:
        """Read where it may go wrong: at whoever believes to lead and does not know the newest commit."""
        rng = self.world.rng
        self.world.after(rng.random() * PROBE_S_MAX, self._probe)
        for process in self.leaders():
            if process.node.core.log.committed < self.checker.commit_max or self.world.chance(PROBE_ANYWAY):
                for mode in self.workload.modes:
                    process.serve(partial(_probe, mode, rng.randrange(READERS)))

    def write(self, process: SimProcess) -> int | None:
        """Propose a few commands without effect, which fill windows; returns the last index, or None."""
        count = self.world.rng.randint(1, FILLERS_MAX)
        datas = [encode_command(Command(0, self.workload.fresh(), 0, "fill")) for _ in range(count)]
        try:
            indexes = process.node.propose_many(datas)
        except ProposalDropped:
            return None
        process.look()
        return indexes[-1]

    # --- the end ----------------------------------------------------------------------------------------------

    def must_make_progress(self) -> None:
        """Heal the world, or a quorum of it if the plan says so, and demand progress.

        Raises:
            PropertyBrokenError: there is none within `RECOVERY_S`.
        """
        core = self._sound_core() if self.plan.core_only else None
        self._heal(core)
        if not (self._writes_everywhere() if core is None else self._answers()):
            healed = "the world is healed" if core is None else f"{core} are sound"
            raise PropertyBrokenError(f"no progress within {RECOVERY_S} s, although {healed}")

    def _revive(self, processes: Iterable[SimProcess]) -> None:
        for process in processes:
            process.paused_until = 0.0
            process.fuse = None
            if not process.up:
                process.start()

    def _heal(self, core: Sequence[int] | None) -> None:
        if core is None:
            self.nemesis.calm = self.network.calm = self.workload.calm = True
            self.network.cut.clear()
            self._revive(self.members.values())
            return
        self.network.protect(core)
        self.nemesis.spare(core)
        self._revive(self.members[member] for member in core)

    def _sound_core(self) -> list[int] | None:
        """A random set of members that holds a majority of every configuration that may matter, or None.

        Changes are active when they are applied, so a member that lags behind may campaign in an older configuration
        than the newest that is committed. A change that is in some log and not committed could take anybody away.
        """
        durable = [process.disk.image for process in self.members.values()]
        newest = self.checker.commit_max
        if any(self._changes_after(image, newest) for image in durable):
            return None
        oldest = min(image.first_index() for image in durable if image.first_index() > 1)
        confs = list(self.checker.confs_since(oldest - 1))
        chosen: list[int] = []
        for member in self.world.rng.sample(list(self.members), len(self.members)):
            chosen.append(member)
            if all(self._is_quorum(chosen, half) for conf in confs for half in (conf.voters, conf.voters_outgoing)):
                return chosen
        return None

    @staticmethod
    def _changes_after(image: MemoryStorage, index: int) -> bool:
        low = max(index + 1, image.first_index())
        entries = image.entries(low, image.last_index() + 1, 1 << 30) if low <= image.last_index() else ()
        return any(entry.kind is not EntryKind.NORMAL for entry in entries)

    @staticmethod
    def _is_quorum(members: Sequence[int], voters: Sequence[int]) -> bool:
        return not voters or sum(voter in members for voter in voters) > len(voters) // 2

    def _writes_everywhere(self) -> bool:
        deadline = self.world.now + RECOVERY_S
        target: int | None = None
        while self.world.now < deadline:
            self.world.run(ELECTION_TICKS * TICK_S)
            leaders = self.leaders()
            if not leaders:
                continue
            voters = leaders[-1].node.status().conf_state.voters
            if target is None:
                target = self.write(leaders[-1])
            elif all(self.members[voter].service.applied >= target for voter in voters):
                return True
        return False

    def _answers(self) -> bool:
        deadline = self.world.now + RECOVERY_S
        commit, answered = self.checker.commit_max, self.workload.answered
        while self.world.now < deadline:
            self.world.run(ELECTION_TICKS * TICK_S)
            if self.checker.commit_max > commit and self.workload.answered >= answered + PROGRESS:
                return True
        return False

    def history(self) -> list[Operation]:
        """What the clients saw until now, with what is under way as unknown; to be asked once, at the end."""
        for client in self.clients:
            client.give_up()
        return self.workload.history

    def judge(self) -> Verdict:
        """Judge the history: the first verdict that is not OK, or the last."""
        history = self.history()
        verdicts = [check([row for row in history if str(row.key)[0] == of], MODELS[of]) for of in MODELS]
        return next((verdict for verdict in verdicts if not verdict.ok), verdicts[-1])
