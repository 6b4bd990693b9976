"""The installation of a 100 MB snapshot on a member that lags behind the log, while a client goes on writing.

A follower is stopped, the others take 100 MB of values and snapshots of them with no entries kept behind. Then the
follower starts again. Told are: the time from its start until it has installed the snapshot and caught up with the
leader's index of that moment; whether the term stayed; the longest time between two beacons of the leader, which come
every 0.25 s from the same event loop as its heartbeats; and the longest pause of the writer.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.store.figures import load_now, longest_gap
from lictor_bus import LeaderTracker, Proposer, connect
from lictor_state.commands import KVSet
from tests.chaos.real_cluster import RealCluster

VALUE_BYTES = 256 * 1024
MIB = 1 << 20
AT_ONCE = 8
WRITE_EVERY_S = 0.02
POLL_S = 0.05
LIMIT_S = 300.0


class Installed(NamedTuple):
    """What one installation showed. `beacon_gap_s`: the leader's longest silence."""

    lane: str
    mib: int
    seconds: float
    beacon_gap_s: float
    write_gap_s: float
    term_before: int
    term_after: int
    load: float


def lines(found: Installed) -> str:
    """The line of text."""
    stayed = "stayed" if found.term_before == found.term_after else f"went on to {found.term_after}"
    return (
        f"{found.mib} MiB snapshot on a lagging member, {found.lane}: {found.seconds:.1f} s from its start; longest "
        f"silence of the leader {found.beacon_gap_s:.2f} s, of a writer {found.write_gap_s:.2f} s; "
        f"the term ({found.term_before}) {stayed}; load average {found.load}"
    )


async def run(folder: Path, mib: int, say: Callable[[str], None], *, direct: bool) -> Installed:
    """One installation."""
    settings = {
        "LICTOR_DIRECT": "on" if direct else "off",
        "LICTOR_LOG_LEVEL": "warning",
        "LICTOR_RAFT_STORE_SNAPSHOT_ENTRIES": "128",
        "LICTOR_RAFT_STORE_TRAILING_ENTRIES": "0",
    }
    lane = "direct lane" if direct else "NATS"
    with RealCluster(folder / f"install {lane}".replace(" ", "-"), stores=3, settings=settings) as cluster:
        await asyncio.to_thread(cluster.start)
        leader = await asyncio.to_thread(cluster.leader)
        lagging = next(one.name for one in cluster.named("raft-store") if one.name != leader)
        await asyncio.to_thread(cluster.terminate, lagging)
        bus = await connect(cluster.nats_url(), "benchmark")
        tracker = LeaderTracker(bus)
        await tracker.start()
        proposer = Proposer(bus, tracker, "benchmark")
        running = asyncio.create_task(proposer.run())
        await tracker.wait_for_cluster()
        say(f"{lane}: writing {mib} MiB")
        await _fill(proposer, mib * MIB // VALUE_BYTES)
        before = cluster.term()
        beacons: list[float] = []
        tracker.listen(lambda _beacon: beacons.append(time.monotonic()))
        written: list[float] = []
        writer = asyncio.create_task(_write(proposer, written))
        say(f"{lane}: starting the lagging member")
        began = time.monotonic()
        aim = (await asyncio.to_thread(cluster.metrics, leader))["lictor_raft_store_store_index"]
        cluster.programs[lagging].start()
        async with asyncio.timeout(LIMIT_S):
            while not await asyncio.to_thread(_is_there, cluster, lagging, aim):  # noqa: ASYNC110  another process
                await asyncio.sleep(POLL_S)
        took = time.monotonic() - began
        writer.cancel()
        running.cancel()
        await asyncio.gather(writer, running, return_exceptions=True)
        found = Installed(
            lane, mib, took, longest_gap(beacons), longest_gap(written), before, cluster.term(), load_now()
        )
        await bus.close()
    return found


async def _fill(proposer: Proposer, values: int) -> None:
    numbers = iter(range(values))
    dice = random.Random(1)  # bytes that no file system can shrink

    async def one() -> None:
        for number in numbers:
            await proposer.propose(KVSet(f"big/{number}", dice.randbytes(VALUE_BYTES)))

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def _write(proposer: Proposer, written: list[float]) -> None:
    while True:
        await proposer.propose(KVSet("bench", b"x"))
        written.append(time.monotonic())
        await asyncio.sleep(WRITE_EVERY_S)


def _is_there(cluster: RealCluster, name: str, aim: float) -> bool:
    with suppress(KeyError):
        found = cluster.metrics(name)
        return found["lictor_raft_store_snapshot_installs_total"] >= 1 and found["lictor_raft_store_store_index"] >= aim
    return False
