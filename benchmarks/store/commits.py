"""Commits per second and their latency: three members with real disks, over NATS and over the direct lane.

A commit is what it is for users: encoded, appended, synced by a quorum, applied, answered. Clients write 100 bytes to
one of 1,000 keys in a closed loop. *In-process* clients live in the leader's process (see `embedded`), and share its
event loop; *external* ones are a usual client side (tracker, proposer) in a process of its own, on the same lane.

Both clusters are up all the time and the rounds alternate between them, so that both lanes meet the same slow and fast
minutes of the machine; the one at rest sends heartbeats only.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
import uvloop

from benchmarks.store.embedded import LEAD_LIMIT_S, Embedded
from benchmarks.store.figures import Commits, commits_of, load_now
from lictor_bus import DirectLane, Lane, LeaderTracker, NatsLane, Proposer, connect
from lictor_state.commands import Command, KVSet
from tests.chaos.real_cluster import RealCluster

LANES = ("NATS", "direct")
CLIENTS = (1, 64, 256)
VALUE = b"x" * 100
KEYS = 1_000
WARM_S = 1.0

Propose = Callable[[Command], Awaitable[object]]


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


async def external(nats_url: str, clients: int, seconds: float, *, direct: bool) -> list[float]:
    """The client side of another process, as this module runs it; the latencies."""
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
    return latencies


async def _external(cluster: RealCluster, clients: int, seconds: float, lane: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.store.commits", cluster.nats_url(), str(clients), str(seconds), lane]
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await running.communicate()
    latencies: list[float] = json.loads(output)
    return latencies


async def _open(stack: AsyncExitStack, folder: Path, lane: str) -> tuple[RealCluster, Embedded]:
    direct = lane == "direct"
    settings = {
        "LICTOR_DIRECT": "on" if direct else "off",
        "LICTOR_BOOTSTRAP_EXPECT": "3",
        "LICTOR_LOG_LEVEL": "warning",
    }
    cluster = stack.enter_context(RealCluster(folder / lane, stores=2, settings=settings))
    for program in cluster.programs.values():
        program.start()
    embedded = Embedded(cluster, direct=direct)
    await embedded.start()
    stack.push_async_callback(embedded.close)
    await embedded.lead()
    return cluster, embedded


async def run(
    folder: Path, clients: Sequence[int], rounds: int, seconds: float, say: Callable[[str], None]
) -> list[Commits]:
    """Every round of every row, the lanes in alternation."""
    found: list[Commits] = []
    async with AsyncExitStack() as stack:
        opened = {lane: await _open(stack, folder, lane) for lane in LANES}
        for who in ("in-process", "external"):
            for count in clients:
                for number in range(rounds):
                    for lane in LANES if number % 2 == 0 else LANES[::-1]:
                        cluster, embedded = opened[lane]
                        if who == "external":
                            latencies = await _external(cluster, count, seconds, lane)
                        else:
                            latencies = await load(embedded.propose, count, seconds)
                        assert embedded.member.api.leading, "the leader changed during the run: the rows are void"
                        found.append(commits_of(who, lane, count, number, latencies, seconds, load_now()))
                        say(f"{who}, {lane}, {count} at once: {found[-1].per_second:,.0f} commits/s")
    return found


def main() -> None:
    """The process of the external clients: prints the latencies as JSON."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for the latencies
    nats_url, clients, seconds, lane = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(external(nats_url, int(clients), float(seconds), direct=lane == "direct"))))


if __name__ == "__main__":
    main()
