"""What goes wrong, and when: in episodes, by dice, among the kinds that the plan allows.

An episode is a few strikes of a few kinds in quick succession. Then everything is mended, and the group gets the time
to elect a leader and to work: it is leaders with leases and reads, and members that lag behind, that the next episode
can hurt. With a sound core (`spare`) only the other members suffer, and the links between them and the core.
"""

from collections.abc import Callable, Sequence
from functools import partial

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

KINDS_MAX = 3
STRIKES = (1, 2, 2, 3, 3, 6)
WAIT_S = 0.1
WAITS_MAX = 10
"""An episode waits about a second for a leader: without one there is little to break."""
PAUSES_S = ((0.02, 0.2), (0.35, 1.0))
VICTIM = 0.7
LINGER_S_MAX = 1.0
"""How long what was broken last stays so, at least: an election takes about half of it."""
BOUNCE_S_MAX = 0.04
"""A process that its supervisor starts again at once: well within a lease."""
ROLLS = 5
ROLL_EVERY_S = 0.2
ROLL_S = 0.03
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
        self._victim = self._members[0]
        self._rolls_until = 0.0
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
            "rolling_restart": self._rolling_restart,
            "drift": self._drift,
            "unreachable": self._unreachable,
            "jump": self._jump,
        }
        self._orders: dict[str, Callable[[SimProcess], None]] = {
            "transfer": self._transfer,
            "compact": lambda member: member.compact(self._rng.randint(0, MARGIN_MAX)),
            "change_conf": self._change_conf,
        }
        world.after(plan.faults.quiet_s, self._begin_episode)
        world.after(plan.faults.orders_every_s, self._order)

    def spare(self, core: Sequence[int]) -> None:
        """Let only others suffer from now on."""
        self._targets = [member for member in self._members if member.id not in core]

    def _begin_episode(self, waits: int = WAITS_MAX) -> None:
        """A few strikes of a few kinds in quick succession, then mending, then quiet."""
        if self.calm:
            return
        rng, gap = self._rng, self._plan.faults.strike_gap_s
        leaders = [member for member in self._targets if member.is_running() and member.node.role is Role.LEADER]
        if not leaders and waits:
            self._world.after(WAIT_S, partial(self._begin_episode, waits - 1))
            return
        self._victim = rng.choice(leaders or self._targets or self._members)
        kinds = rng.sample(self._plan.actions, min(len(self._plan.actions), rng.randint(1, KINDS_MAX)))
        after = 0.0
        for _ in range(rng.choice(STRIKES) if kinds else 0):
            self._world.after(after, partial(self._strike, rng.choice(kinds)))
            after += rng.random() * 2 * gap
        self._world.after(after + rng.random() * LINGER_S_MAX, self._mend)

    def _mend(self) -> None:
        if self.calm:
            return
        if self._world.now < self._rolls_until:
            self._world.after(self._rolls_until - self._world.now, self._mend)
            return
        # Now and then something stays broken into the next episode.
        if self._rng.random() < 0.9:
            self._network.cut.clear()
        for member in self._targets:
            if not member.up and self._rng.random() < 0.9:
                member.start()
        self._world.after(self._rng.random() * 2 * self._plan.faults.quiet_s, self._begin_episode)

    def _strike(self, action: str) -> None:
        if self._targets and not self.calm:
            self._world.note(action)
            self._actions[action](self._target())

    def _target(self) -> SimProcess:
        """Who suffers: mostly whoever led when the episode began, for that is where things go wrong."""
        chosen = self._victim if self._rng.random() < VICTIM else self._rng.choice(self._targets)
        return chosen if chosen in self._targets else self._rng.choice(self._targets)

    def _order(self) -> None:
        if self.calm:
            return
        self._world.after(self._rng.random() * 2 * self._plan.faults.orders_every_s, self._order)
        if self._targets and self._plan.orders:
            order = self._rng.choice(self._plan.orders)
            self._world.note(order)
            self._orders[order](self._rng.choice(self._targets))

    # --- processes --------------------------------------------------------------------------------------------

    def _bounce(self, member: SimProcess) -> None:
        if not self.calm:
            member.crash()
            self._start_soon(member)

    def _start_soon(self, member: SimProcess) -> None:
        def start() -> None:
            if not member.up:
                member.start()

        self._world.after(self._rng.random() * BOUNCE_S_MAX, start)

    def _rolling_restart(self, leader: SimProcess) -> None:
        """One member loses sight of the leader for good; the others restart several times, and are out of sight then.

        What they have promised that leader, its lease rests on; and the first is ready to campaign.
        """
        voters = leader.node.status().conf_state.voters
        others = [member for member in self._targets if member is not leader and member.id in voters]
        if not others or self._world.now < self._rolls_until:
            return
        self._rolls_until = self._world.now + (ROLLS + 1) * ROLL_EVERY_S
        self._rng.shuffle(others)
        spared = others.pop().id
        lost = {(leader.id, spared), (spared, leader.id)}
        blind = partitions.halves(self._ids(), (leader.id,)) - lost
        self._network.cut.update(lost)
        for roll in range(1, ROLLS + 1):
            start = (roll + self._rng.random() / 2) * ROLL_EVERY_S
            self._world.after(start, partial(self._network.cut.update, blind))
            self._world.after(start + ROLL_EVERY_S / 2, partial(self._network.cut.difference_update, blind))
            for member in others:
                self._world.after(start + self._rng.random() * ROLL_S, partial(self._bounce, member))

    def _drift(self, member: SimProcess) -> None:
        """The clock goes on at another rate."""
        member.set_rate(self._rng.uniform(*self._plan.clock_rates))

    def _light_fuse(self, member: SimProcess) -> None:
        """Let the target, and perhaps others, die at a chosen step of their work."""
        for other in self._targets:
            if other is member or self._rng.random() < 0.3:
                other.fuse = self._rng.choice(list(Failpoint))

    def _power_loss(self, _member: SimProcess) -> None:
        for member in self._targets:
            member.crash()
            self._start_soon(member)

    def _pause(self, member: SimProcess) -> None:
        # Where leases are read the clock counts on while a process or its machine sleeps (CLOCK_BOOTTIME).
        stops = not self._plan.lease and self._rng.random() < 0.3
        member.pause(self._pause_s(), clock_stops=stops)

    def _pause_s(self) -> float:
        """A hiccup, or long enough for others to elect a leader."""
        return self._rng.uniform(*self._rng.choice(PAUSES_S))

    def _jump(self, member: SimProcess) -> None:
        """A pause across which the clock jumps ahead."""
        if not self._plan.lease:
            member.pause(self._pause_s())
            member.clock_offset += self._rng.random() * JUMP_S_MAX

    # --- the network ------------------------------------------------------------------------------------------

    def _ids(self) -> list[int]:
        return [member.id for member in self._members]

    def _ring(self) -> list[int]:
        return self._rng.sample(self._ids(), len(self._members))

    def _cut(self, links: partitions.Links) -> None:
        self._network.cut.clear()
        self._network.cut.update(links)

    def _side(self, member: SimProcess) -> set[int]:
        others = [other for other in self._ids() if other != member.id]
        company = self._rng.randint(0, len(others) // 2) if self._rng.random() < 0.4 else 0
        return {member.id, *self._rng.sample(others, company)}

    def _cut_off(self, member: SimProcess) -> None:
        self._cut(partitions.halves(self._ids(), self._side(member)))

    def _one_way(self, member: SimProcess) -> None:
        links = partitions.one_way(self._ids(), self._side(member))
        self._cut({(to, from_) for from_, to in links} if self._rng.random() < 0.5 else links)

    def _one_link(self, member: SimProcess) -> None:
        link = (member.id, self._rng.choice(self._ids()))
        self._network.cut.update({link, link[::-1]} if self._rng.random() < 0.5 else {link})

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
        ids = self._ids()
        if self._rng.random() < 0.5:
            return ConfChange(self._rng.choice(list(ConfChangeKind)), self._rng.choice(ids))
        target = set(self._rng.sample(ids, self._rng.randint(1, len(ids))))
        going = self._rng.choice((ConfChangeKind.REMOVE, ConfChangeKind.ADD_LEARNER))
        changes = [ConfChange(ConfChangeKind.ADD_VOTER, member) for member in ids if member in target]
        changes += [ConfChange(going, member) for member in conf.voters if member not in target]
        return ConfChanges(tuple(changes), self._rng.choice(list(Transition)))
