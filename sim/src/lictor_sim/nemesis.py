"""What goes wrong, and when: one action at a time, by dice, among those that the plan allows.

Half of the time something is mended instead, so that the group falls and rises again and again. With a sound
core (`spare`) only the other members suffer, and the links between them and the core.
"""

from collections.abc import Callable, Sequence

from lictor_raft import (
    ConfChange,
    ConfChangeKind,
    ConfChanges,
    ConfState,
    ProposalDropped,
    Role,
    Transition,
)
from lictor_sim import partitions
from lictor_sim.faults import Plan
from lictor_sim.network import Network
from lictor_sim.process import Failpoint, SimProcess
from lictor_sim.world import World

MENDS = 0.5
BOUNCE_S_MAX = 0.05
"""A process that its supervisor starts again at once: well within a lease."""
MARGIN_MAX = 8
JUMP_S_MAX = 5.0


class Nemesis:
    """See the module.

    Args:
        world: time and chance.
        plan: what may go wrong.
        network: what can be cut.
        members: who can suffer.
    """

    def __init__(self, world: World, plan: Plan, network: Network, members: Sequence[SimProcess]) -> None:
        self.calm = False
        self._world = world
        self._rng = world.rng
        self._plan = plan
        self._network = network
        self._members = list(members)
        self._targets = list(members)
        self._actions: dict[str, Callable[[SimProcess], None]] = {
            "crash": lambda member: member.crash(),
            "bounce": self._bounce,
            "fuse": self._light_fuse,
            "power_loss": self._power_loss,
            "pause": self._pause,
            "cut_off": self._cut_off,
            "one_way": self._one_way,
            "one_link": self._one_link,
            "bridge": lambda _: self._cut(partitions.bridge(self._ring())),
            "neighbours": lambda _: self._cut(partitions.neighbours(self._ring())),
            "majorities": lambda _: self._cut(partitions.majorities(self._ring())),
            "transfer": self._transfer,
            "compact": lambda member: member.compact(self._rng.randint(0, MARGIN_MAX)),
            "change_conf": self._change_conf,
            "unreachable": self._unreachable,
            "jump": self._jump,
        }
        world.after(plan.faults.nemesis_every_s, self._strike)

    def spare(self, core: Sequence[int]) -> None:
        """Let only others suffer from now on."""
        self._targets = [member for member in self._members if member.id not in core]

    def _strike(self) -> None:
        if self.calm:
            return
        self._world.after(self._rng.random() * 2 * self._plan.faults.nemesis_every_s, self._strike)
        down = [member for member in self._targets if not member.up]
        if self._rng.random() < MENDS:
            if down and self._rng.random() < 0.6:
                self._rng.choice(down).start()
            else:
                self._network.cut.clear()
        elif self._targets and self._plan.actions:
            action = self._rng.choice(self._plan.actions)
            self._world.note(action)
            self._actions[action](self._rng.choice(self._targets))

    # --- processes --------------------------------------------------------------------------------------------

    def _bounce(self, member: SimProcess) -> None:
        member.crash()
        self._start_soon(member)

    def _start_soon(self, member: SimProcess) -> None:
        def start() -> None:
            if not member.up:
                member.start()

        self._world.after(self._rng.random() * BOUNCE_S_MAX, start)

    def _light_fuse(self, member: SimProcess) -> None:
        member.fuse = self._rng.choice(list(Failpoint))

    def _power_loss(self, _member: SimProcess) -> None:
        for member in self._targets:
            member.crash()
            self._start_soon(member)

    def _pause(self, member: SimProcess) -> None:
        # Where leases are read the clock counts on while a process or its machine sleeps (CLOCK_BOOTTIME).
        stops = not self._plan.lease and self._rng.random() < 0.3
        member.pause(self._rng.random() * self._plan.faults.pause_s_max, clock_stops=stops)

    def _jump(self, member: SimProcess) -> None:
        """A pause across which the clock jumps ahead."""
        if not self._plan.lease:
            member.pause(self._rng.random() * self._plan.faults.pause_s_max)
            member.clock_offset += self._rng.random() * JUMP_S_MAX

    # --- the network ------------------------------------------------------------------------------------------

    def _ids(self) -> list[int]:
        return [member.id for member in self._members]

    def _ring(self) -> list[int]:
        return self._rng.sample(self._ids(), len(self._members))

    def _cut(self, links: partitions.Links) -> None:
        self._network.cut = set(links)

    def _side(self, member: SimProcess) -> set[int]:
        others = [other for other in self._ids() if other != member.id]
        return {member.id, *self._rng.sample(others, self._rng.randint(0, len(others) // 2))}

    def _cut_off(self, member: SimProcess) -> None:
        self._cut(partitions.halves(self._ids(), self._side(member)))

    def _one_way(self, member: SimProcess) -> None:
        links = partitions.one_way(self._ids(), self._side(member))
        self._cut({(to, from_) for from_, to in links} if self._rng.random() < 0.5 else links)

    def _one_link(self, member: SimProcess) -> None:
        link = (member.id, self._rng.choice(self._ids()))
        self._network.cut |= {link, link[::-1]} if self._rng.random() < 0.5 else {link}

    # --- orders -----------------------------------------------------------------------------------------------

    def _transfer(self, member: SimProcess) -> None:
        if member.is_running():
            member.node.transfer_leader(self._rng.choice(self._ids()))
            member.look()

    def _unreachable(self, member: SimProcess) -> None:
        if member.is_running():
            member.node.report_unreachable(self._rng.choice(self._ids()))
            member.look()

    def _change_conf(self, _member: SimProcess) -> None:
        for leader in self._members:
            if leader.is_running() and leader.node.role is Role.LEADER:
                try:
                    leader.node.propose_conf_change(self._change(leader.node.status().conf_state))
                except ProposalDropped:
                    continue
                leader.look()

    def _change(self, conf: ConfState) -> ConfChange | ConfChanges:
        if conf.voters_outgoing and self._rng.random() < 0.5:
            return ConfChanges()
        count = self._rng.choice((1, 1, 2, 3))
        changes = [
            ConfChange(self._rng.choice(list(ConfChangeKind)), member)
            for member in self._rng.sample(self._ids(), count)
        ]
        if count == 1 and self._rng.random() < 0.7:
            return changes[0]
        return ConfChanges(tuple(changes), self._rng.choice(list(Transition)))
