"""`python -m benchmarks.raft_store`: commits per second and latency of three raft-stores with real disks, by lane.

Two of the three members are processes of their own. The third runs inside this process, put together by the same
`open_member` as in a raft-store process, and is made the leader by the cluster's own `transfer_leader`: so "in-process
clients" can call the store's own propose path (`StoreApi.propose_own`, one command a call, closed loop) without a hop
to the leader. *External* clients are a usual client side (tracker, proposer) in a process of its own, over the same
lane.

A commit is what it is for users: encoded, appended, synced by a quorum, applied, answered. Every run writes 100 bytes
to one of 1,000 keys. The load generator shares the leader's event loop: the figures are what the whole costs.
"""

import argparse
import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop

from lictor_bus import DirectLane, Lane, LeaderTracker, NatsBus, NatsLane, Presence, Proposer, connect
from lictor_kit.metrics import Metrics
from lictor_raft import ConfState, Role
from lictor_raft_store.direct import open_direct
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.founding_driver import found
from lictor_raft_store.member import StoreMember, open_member
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.slots import claim_slot
from lictor_raft_store.surroundings import boottime
from lictor_state.commands import Command, KVSet
from tests.chaos.real_cluster import HOST, RealCluster

CLIENTS = (1, 64, 256)
VALUE = b"x" * 100
KEYS = 1_000
WARM_S = 1.0
LEAD_LIMIT_S = 30.0
EXTERNAL = "--external"

Propose = Callable[[Command], Awaitable[object]]


class Embedded:
    """The third member, in this process."""

    def __init__(self, cluster: RealCluster, *, direct: bool) -> None:
        """`cluster` runs the other two; they expect three founders."""
        self._cluster, self._direct = cluster, direct
        self._tasks: list[asyncio.Task[Any]] = []
        self.member: StoreMember
        self.cluster_id = ""

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> object:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        return task

    async def start(self) -> None:
        """Found the cluster with the other two."""
        disk, settings = RealDisk(), RaftStoreSettings()
        slot = claim_slot(
            disk, str(self._cluster.folder / "embedded"), lambda bits: uuid.uuid4().int >> (128 - bits), slots=1
        )
        self._bus: NatsBus = await connect(self._cluster.nats_url(), "embedded raft-store")
        record = {"member": slot.member_id, "name": "embedded", "address": HOST, "port": 8300}
        presence = Presence(self._bus, "raft-store", "embedded", uuid.uuid4().hex, record)
        self._spawn("presence", presence.run())
        promise = await found(self._bus, slot, 3, str(uuid.uuid4()), boottime, lambda _text: None)
        assert not isinstance(promise, str), "the others founded a cluster without this member"
        self.cluster_id = promise.cluster
        lane: Lane = NatsLane(self._bus, lambda: promise.cluster, slot.member_id)
        if self._direct:
            own = slot.member_id
            direct = await open_direct(
                self._bus, presence, promise.cluster, own, bind=HOST, port=0, advertise=HOST, clock=boottime
            )
            self._spawn("direct lane", direct.run())
            lane = direct
        self.member = await open_member(
            bus=self._bus,
            disk=disk,
            slot=slot,
            cluster=promise.cluster,
            founders=ConfState(promise.members),
            presence=presence,
            settings=settings,
            metrics=StoreMetrics(Metrics("raft-store")),
            spawn=self._spawn,
            lane=lane,
        )
        self._spawn("raft", self.member.driver.run())
        self._spawn("leadership", self.member.leadership.run())
        await asyncio.to_thread(self._cluster.start)

    async def lead(self) -> None:
        """Have this member lead: whoever leads is asked to hand over to it."""
        driver = self.member.driver
        async with asyncio.timeout(LEAD_LIMIT_S):
            while not self.member.api.leading:
                if driver.node.role is not Role.LEADER and driver.node.leader:
                    driver.post(lambda: driver.node.transfer_leader(driver.node.status().id))
                await asyncio.sleep(0.5)

    async def propose(self, command: Command) -> object:
        """One command through the leader's own propose path."""
        done = await self.member.api.propose_own(command)
        assert done is not None, "a command was not applied in time"
        return done

    async def close(self) -> None:
        """End the member."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.member.durable.close()
        await self._bus.close()


async def load(propose: Propose, clients: int, seconds: float) -> list[float]:
    """Clients in a closed loop; the latency of every commit after the warm-up, in seconds."""
    began = time.perf_counter()
    latencies: list[float] = []

    async def client(number: int) -> None:
        turn = number
        while (start := time.perf_counter()) < began + WARM_S + seconds:
            await propose(KVSet(f"bench/{turn % KEYS}", VALUE))
            turn += clients
            if start >= began + WARM_S:
                latencies.append(time.perf_counter() - start)

    await asyncio.gather(*(client(number) for number in range(clients)))
    return latencies


def row(title: str, clients: int, latencies: Sequence[float], seconds: float) -> str:
    """One line of the table."""
    ordered = sorted(latencies)
    p50, p99 = (ordered[int(len(ordered) * part)] * 1000 for part in (0.50, 0.99))
    return f"{title:<22}{clients:>8}{len(ordered) / seconds:>14,.0f}{p50:>10.2f}{p99:>10.2f}"


async def external(nats_url: str, clients: int, seconds: float, *, direct: bool) -> str:
    """The client side of another process, as `--external` runs it."""
    bus = await connect(nats_url, "external clients")
    leader = LeaderTracker(bus)
    lane: Lane = NatsLane(bus, lambda: leader.cluster)
    tasks = []
    if direct:
        straight = DirectLane(lane, lambda: leader.cluster, uuid.uuid4().hex, time.monotonic)
        leader.listen(lambda beacon: straight.learn({one.member_id: one.direct for one in beacon.members}))
        tasks.append(asyncio.create_task(straight.run()))
        lane = straight
    await leader.start()
    proposer = Proposer(bus, leader, "external", lane=lane)
    tasks.append(asyncio.create_task(proposer.run()))
    beacon = await leader.wait_for_cluster()
    if direct:
        async with asyncio.timeout(LEAD_LIMIT_S):
            while beacon.leader not in straight.connected:  # noqa: ASYNC110  asked once a run
                await asyncio.sleep(0.05)
    latencies = await load(proposer.propose, clients, seconds)
    for task in tasks:
        task.cancel()
    return row(f"external, {'direct' if direct else 'NATS'}", clients, latencies, seconds)


async def measure(given: argparse.Namespace, folder: Path, *, direct: bool) -> None:
    """Every row of one lane."""
    settings = {
        "LICTOR_DIRECT": "on" if direct else "off",
        "LICTOR_BOOTSTRAP_EXPECT": "3",
        "LICTOR_LOG_LEVEL": "warning",
    }
    with RealCluster(folder, nats=1, stores=2, settings=settings) as cluster:
        for program in cluster.programs.values():
            program.start()
        embedded = Embedded(cluster, direct=direct)
        await embedded.start()
        await embedded.lead()
        name = "direct" if direct else "NATS"
        profile = cProfile.Profile()
        for clients in given.clients:
            if given.profile and clients == given.profile:
                profile.enable()
            latencies = await load(embedded.propose, clients, given.seconds)
            profile.disable()
            print(row(f"in-process, {name}", clients, latencies, given.seconds), flush=True)
        for clients in given.clients:
            command = [sys.executable, "-m", "benchmarks.raft_store", EXTERNAL, cluster.nats_url()]
            command += ["--clients", str(clients), "--seconds", str(given.seconds), "--lanes", name.lower()]
            running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            output, _ = await running.communicate()
            print(output.decode().rstrip(), flush=True)
        assert embedded.member.api.leading, "the leader changed during the run: the rows are void"
        await embedded.close()
        if given.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.raft_store", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one row (default 5)")
    parser.add_argument("--clients", default=",".join(map(str, CLIENTS)), help="clients at once, a row each")
    parser.add_argument("--lanes", default="nats,direct", help="nats, direct, or both (default)")
    parser.add_argument("--profile", type=int, default=0, help="profile the leader in the row with this many clients")
    parser.add_argument("--folder", type=Path, help="where the logs are written (default: the temporary directory)")
    parser.add_argument(EXTERNAL, default="", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    given.clients = [int(one) for one in given.clients.split(",")]
    given.lanes = given.lanes.split(",")
    return given


def main() -> None:
    """Measure and print."""
    given = options(sys.argv[1:])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if given.external:
            direct = "direct" in given.lanes
            print(runner.run(external(given.external, given.clients[0], given.seconds, direct=direct)))
            return
        print(f"{'clients':<22}{'at once':>8}{'commits/s':>14}{'p50 ms':>10}{'p99 ms':>10}")
        for lane in given.lanes:
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                runner.run(measure(given, Path(folder), direct=lane == "direct"))


if __name__ == "__main__":
    main()
