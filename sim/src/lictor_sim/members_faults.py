"""What goes wrong in a simulated cluster of whole members, and when: chosen by the dice of the run.

Processes are killed with and without their machine's power, also in the middle of any disk operation; they are paused
beyond the lease, stopped as an operator stops them, and one machine may come back with an empty disk. Disks fail or
run full. Links are cut: around one process, in one direction, in halves, halves with a bridge, in a ring. One server of
the bus is down or frozen. Leadership is handed over, clients are killed and paused, and the
whole state is restored from an archive.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from lictor_raft_store.disk import StorageFailed
from lictor_sim.members_bus import SERVERS
from lictor_sim.members_cluster import MembersCluster
from lictor_sim.members_process import MemberProcess
from lictor_sim.members_restore import save_and_restore

EVERY_S = 0.35
"""Mean time between two faults, in virtual seconds."""

PAUSE_S_MAX = 1.5
"""Five election timeouts: far beyond a lease."""

OUTAGE_S_MAX = 1.5
LONG_S_MAX = 5.0

EARLY = 0.3
"""How often a machine loses its power while its member makes its first files."""


async def usual_faults(cluster: MembersCluster) -> None:
    """Break something now and then, for ever."""
    if cluster.dice.random() < EARLY:
        cut_power_inside(cluster, _any_member(cluster))
    await asyncio.sleep(cluster.dice.random())
    while True:
        fault, weight = zip(*_FAULTS, strict=True)
        cluster.dice.choices(fault, weight)[0](cluster, _any_member(cluster))
        await asyncio.sleep(cluster.dice.random() * 2 * EVERY_S)


def _any_member(cluster: MembersCluster) -> int:
    """A member; often the one that leads, which has the most to lose."""
    leaders = [number for number, one in cluster.processes.items() if one.leading]
    if leaders and cluster.dice.random() < 0.4:
        return cluster.dice.choice(leaders)
    return cluster.dice.choice(list(cluster.rooms))


def kill(cluster: MembersCluster, number: int) -> None:
    """As `kill -9`."""
    if cluster.processes[number].alive:
        cluster.count("killed")
        cluster.kill_member(number, power=False)
        cluster.restart_later(number)


def cut_power(cluster: MembersCluster, number: int) -> None:
    """The machine loses power now."""
    if cluster.processes[number].alive:
        cluster.count("power cut")
        cluster.kill_member(number, power=True)
        cluster.restart_later(number)


def cut_power_inside(cluster: MembersCluster, number: int) -> None:
    """The machine loses power in the middle of one of the next disk operations, perhaps while it opens its log."""
    disk = cluster.rooms[number].disk
    disk.power_off_at = disk.operations + cluster.dice.randint(1, 30)


def cut_power_after_snapshot(cluster: MembersCluster, number: int) -> None:
    """The machine loses power soon after its next snapshot, taken or received, has got its name."""
    cluster.rooms[number].disk.power_off_after_snapshot = cluster.dice.randint(1, 6)


def cut_power_for_long(cluster: MembersCluster, number: int) -> None:
    """A machine is off until the log no longer reaches back to where it stood."""
    if cluster.processes[number].alive:
        cluster.count("off for long")
        cluster.kill_member(number, power=True)
        cluster.restart_later(number, LONG_S_MAX)


def cut_power_of_all(cluster: MembersCluster, _number: int) -> None:
    """All machines lose power at once."""
    cluster.count("power of all cut")
    for number in cluster.rooms:
        cut_power(cluster, number)


def restart_into_a_power_cut(cluster: MembersCluster, number: int) -> None:
    """Killed, and the power goes again while the log is being opened."""
    if cluster.processes[number].alive:
        cluster.kill_member(number, power=True)
        cut_power_inside(cluster, number)
        cluster.restart_later(number, 0.2)


def pause(cluster: MembersCluster, number: int) -> None:
    """SIGSTOP, and SIGCONT later."""
    process = cluster.processes[number]
    if process.alive:
        cluster.count("paused")
        process.pause()
        cluster.loop.call_later(cluster.dice.random() * PAUSE_S_MAX, process.resume)


def stop(cluster: MembersCluster, number: int) -> None:
    """SIGTERM; started again."""
    process = cluster.processes[number]
    if process.alive and not process.owner.held:
        cluster.count("stopped")
        process.stop(partial(_stopped, cluster, process))


def _stopped(cluster: MembersCluster, process: MemberProcess) -> None:
    number = process.room.number
    if cluster.processes[number] is process and process.alive:
        cluster.kill_member(number, power=False)
        cluster.restart_later(number)


def hand_over(cluster: MembersCluster, number: int) -> None:
    """Leadership is given away under load."""
    process = cluster.processes[number]
    if process.leading and process.member is not None:
        cluster.count("handed over")
        driver = process.member.driver

        async def give() -> None:
            await driver.hand_over(1.0)

        process.spawn("hand over", give())


def wipe(cluster: MembersCluster, number: int) -> None:
    """One machine loses its disk for good; once a run, so that the majority of disks stays."""
    if not cluster.wiped:
        cluster.wipe(number)


def fail_disk(cluster: MembersCluster, number: int) -> None:
    """One of the next disk operations fails, which ends the process."""
    disk = cluster.rooms[number].disk
    cluster.disk_faults.add(number)
    disk.fail_at[disk.operations + cluster.dice.randint(1, 20)] = StorageFailed("simulated: the medium failed")


def fill_disk(cluster: MembersCluster, number: int) -> None:
    """The disk runs full, and has room again later."""
    room = cluster.rooms[number]
    cluster.disk_faults.add(number)
    cluster.count("disk full")
    room.disk.capacity_bytes = 1

    def make_room() -> None:
        room.disk.capacity_bytes = None

    cluster.loop.call_later(cluster.dice.random() * LONG_S_MAX, make_room)


def cut_links(cluster: MembersCluster, number: int) -> None:
    """Links are cut, in one of the shapes in which networks break."""
    dice, cut = cluster.dice, cluster.network.cut
    members = [room.name for room in cluster.rooms.values()]
    everyone = [*members, *(client.name for client in cluster.clients.values())]
    one = cluster.rooms[number].name
    shape = dice.choice(("isolated", "deaf", "mute", "halves", "bridge", "ring", "link"))
    cluster.count(f"links cut: {shape}")
    if shape in {"isolated", "deaf"}:
        cut |= {(other, one) for other in everyone if other != one}
    if shape in {"isolated", "mute"}:
        cut |= {(one, other) for other in everyone if other != one}
    if shape in {"halves", "bridge"}:
        side = set(dice.sample(everyone, len(everyone) // 2))
        cut |= {(a, b) for a in everyone for b in everyone if (a in side) != (b in side)}
        if shape == "bridge":
            cut -= {pair for pair in cut if one in pair}
    if shape == "ring":
        size = len(members)
        cut |= {
            (members[a], members[b]) for a in range(size) for b in range(size) if (a - b) % size not in {0, 1, size - 1}
        }
    if shape == "link":
        cut.add((one, dice.choice(everyone)))
    if dice.random() < 0.8:
        cluster.loop.call_later(dice.random() * OUTAGE_S_MAX, cut.clear)


def mend_links(cluster: MembersCluster, _number: int) -> None:
    """All links work again."""
    cluster.network.cut.clear()


def stop_server(cluster: MembersCluster, _number: int) -> None:
    """One server of the bus dies, and comes back."""
    server = cluster.dice.randrange(SERVERS)
    cluster.count("bus server stopped")
    cluster.network.stop_server(server)
    cluster.loop.call_later(cluster.dice.random() * OUTAGE_S_MAX, cluster.network.start_server, server)


def freeze_server(cluster: MembersCluster, _number: int) -> None:
    """One server of the bus answers nothing, and goes on later with what it held."""
    server = cluster.dice.randrange(SERVERS)
    cluster.count("bus server frozen")
    cluster.network.freeze_server(server)
    cluster.loop.call_later(cluster.dice.random() * 2 * OUTAGE_S_MAX, cluster.network.start_server, server)


def pause_client(cluster: MembersCluster, _number: int) -> None:
    """A client stands still; its subscriptions may overflow."""
    client = cluster.dice.choice(list(cluster.clients.values()))
    cluster.loop.hold(client.owner)

    def resume() -> None:
        if client.alive:
            cluster.loop.release(client.owner)

    cluster.loop.call_later(cluster.dice.random() * PAUSE_S_MAX, resume)


def replace_client(cluster: MembersCluster, _number: int) -> None:
    """A client is killed, and another one comes in its place."""
    number = cluster.dice.choice(list(cluster.clients))
    cluster.clients[number].kill()
    cluster.count("client replaced")
    cluster.start_client(number)


def restore(cluster: MembersCluster, _number: int) -> None:
    """An operator saves the state, and puts it back a moment later."""
    client = cluster.dice.choice(list(cluster.clients.values()))
    restore_id = f"restore-{cluster.dice.getrandbits(32):08x}"

    async def work() -> None:
        if client.view.ready.is_set():
            done = await save_and_restore(client, restore_id)
            cluster.count("restored" if done else "restores given up")

    client.spawn("restore", work())


_FAULTS: list[tuple[Callable[[MembersCluster, int], None], float]] = [
    (kill, 2),
    (cut_power, 3),
    (cut_power_inside, 3),
    (cut_power_after_snapshot, 2),
    (cut_power_for_long, 1),
    (cut_power_of_all, 0.5),
    (restart_into_a_power_cut, 1),
    (pause, 3),
    (stop, 1),
    (hand_over, 1),
    (wipe, 0.2),
    (fail_disk, 0.5),
    (fill_disk, 1),
    (cut_links, 4),
    (mend_links, 2),
    (stop_server, 1),
    (freeze_server, 1),
    (pause_client, 0.5),
    (replace_client, 0.5),
    (restore, 0.3),
]
