"""Founding, simulated: five fresh machines of which three found a cluster, on a network that falls into halves.

The members run the real `find_membership`: hellos, promises on disk, vetoes. Halves change while they promise, and
machines lose power in the middle of writing a promise. Whatever happens, at most one cluster is founded. When the
network is whole again the cluster must be there, lead and take writes; who did not found it has joined it.
"""

import asyncio

from lictor_bus import Bus
from lictor_raft import ConfState
from lictor_raft_store.membership import find_membership
from lictor_raft_store.slots import Slot
from lictor_sim.members_checks import Oracle, require
from lictor_sim.members_cluster import RECOVERY_S, MembersCluster
from lictor_sim.members_faults import cut_power, cut_power_inside, pause
from lictor_sim.members_process import MemberProcess

MACHINES = 5
EXPECT = 3
HALVES_EVERY_S = 0.7


class FoundingCluster(MembersCluster):
    """Machines that have never run, and no cluster yet."""

    def __init__(self, seed: int, machines: int = MACHINES, expect: int = EXPECT) -> None:
        super().__init__(seed, machines)
        self.expect = expect
        self.founded: dict[str, set[int]] = {}
        self.clients_at_start = 0
        self._minted = 0

    async def _membership(self, process: MemberProcess, bus: Bus, slot: Slot) -> tuple[str, ConfState]:
        def mint() -> str:
            self._minted += 1
            return f"00000000-0000-4000-8000-{self._minted:012d}"

        membership = await find_membership(bus, slot, self.expect, process.room.clock, lambda _waiting: None, mint)
        if membership.founders.voters:
            if not self.founded:
                self.oracle = Oracle(membership.cluster)
            self.founded.setdefault(membership.cluster, set()).add(slot.member_id)
            require(len(self.founded) == 1, f"two clusters were founded: {sorted(self.founded)}")
            self.founders = membership.founders
            self.count("founders")
        else:
            self.count("joiners")
        process.oracle = self.oracle
        return membership.cluster, membership.founders

    async def _must_make_progress(self) -> None:
        deadline = self.loop.now + RECOVERY_S
        while not self.founded:
            require(self.loop.now < deadline, "no cluster was founded within the time that a whole network has")
            await asyncio.sleep(0.1)
        self.wiped = {
            number
            for number, process in self.processes.items()
            if process.slot is None or process.slot.member_id not in self.founders.voters
        }
        for number in (1, 2):
            self.start_client(number)
        await super()._must_make_progress()


async def halves(cluster: MembersCluster) -> None:
    """Every now and then the network falls into two other halves, or is whole, and something else happens."""
    dice, network = cluster.dice, cluster.network
    names = [room.name for room in cluster.rooms.values()]
    while True:
        side = set(dice.sample(names, dice.randint(1, len(names) - 1)))
        network.cut.clear()
        if dice.random() < 0.8:
            network.cut |= {(a, b) for a in names for b in names if (a in side) != (b in side)}
        fault = dice.choice((cut_power, cut_power_inside, pause, None, None))
        if fault is not None:
            fault(cluster, dice.choice(list(cluster.rooms)))
        await asyncio.sleep(dice.random() * 2 * HALVES_EVERY_S)
