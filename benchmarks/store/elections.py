"""How long writing stands still when the leader is killed: ours and the real Consul's, measured the same way.

The leader gets SIGKILL at a random moment of its heartbeat. From then on a KV PUT is sent every 20 ms, to our catalog
or to one of Consul's survivors, none waiting for another; the time is that until the first of them has succeeded. It
so contains the detection, the election, the new leader's first commit, and the client path. The killed server then
starts again and all three are awaited before the next kill; kills of the two systems alternate.

What it does not do: no frozen leader, no cut network (the chaos tests have both).
"""

import itertools
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from benchmarks.http_call import HttpCallError, call
from benchmarks.store.figures import load_now
from benchmarks.systems import Consul, UnavailableError
from tests.chaos.real_cluster import RealCluster, wait_until

PROBE_EVERY_S = 0.02
LIMIT_S = 30.0
HEARTBEAT_S = 0.1
SETTLE_S = 1.0
"""A member that is back has heard a few heartbeats and has caught up with the few writes it missed."""

Say = Callable[[str], None]


class Electorate(Protocol):
    """Three servers whose leader can be killed."""

    name: str

    def start(self) -> None:
        """Start all; a write succeeds afterwards."""

    def kill_leader(self) -> tuple[float, str]:
        """SIGKILL the leader; the moment of that, and below which URL a key can be written from now on."""

    def restore(self) -> None:
        """Start the killed one again and wait for it."""


class OurStores:
    """Three raft-stores and a catalog as processes."""

    def __init__(self, folder: Path, *, direct: bool) -> None:
        """`folder` takes data and logs; `direct` has the members talk over the direct lane."""
        self.name = f"Lictor, {'direct lane' if direct else 'NATS'}"
        settings = {"LICTOR_DIRECT": "on" if direct else "off", "LICTOR_LOG_LEVEL": "warning"}
        self.cluster = RealCluster(folder, stores=3, catalogs=1, settings=settings)
        self._killed = ""

    def start(self) -> None:
        """Start all; a write succeeds afterwards."""
        self.cluster.start()
        wait_until(self._writes, LIMIT_S, "a first write")

    def kill_leader(self) -> tuple[float, str]:
        """SIGKILL the leader; the catalog takes the writes."""
        self._killed = self.cluster.leader()
        url = f"{self.cluster.http()}/v1/kv/bench"
        time.sleep(random.uniform(0, HEARTBEAT_S))
        since = time.monotonic()
        self.cluster.kill(self._killed)
        return since, url

    def restore(self) -> None:
        """Start the killed one again and wait for it."""
        self.cluster.start(self._killed)

    def _writes(self) -> bool:
        try:
            return call("PUT", f"{self.cluster.http()}/v1/kv/bench/first", b"x").strip() == b"true"
        except HttpCallError:
            return False


class PeerStores:
    """Three servers of the real Consul."""

    def __init__(self, consul: Consul) -> None:
        """`consul` is not started yet."""
        self.name = "Consul"
        self._consul = consul

    def start(self) -> None:
        """Start all; a write succeeds afterwards."""
        self._consul.start()

    def kill_leader(self) -> tuple[float, str]:
        """SIGKILL the leader; a survivor takes the writes."""
        time.sleep(random.uniform(0, HEARTBEAT_S))
        since, root = self._consul.kill_leader()
        return since, f"{root}/v1/kv/bench"

    def restore(self) -> None:
        """Start the killed one again and wait for it."""
        self._consul.restart_killed()


def until_written(url: str, since: float) -> float:
    """Seconds from `since` until a PUT below `url` has succeeded.

    Raises:
        UnavailableError: none did within `LIMIT_S`.
    """
    done = threading.Event()
    ended: list[float] = []

    def probe(number: int) -> None:
        try:
            good = call("PUT", f"{url}/{number}", b"x").strip() == b"true"
        except HttpCallError:
            return  # no leader yet, or the one that died: the next probe is on its way
        if good:
            ended.append(time.monotonic())
            done.set()

    for number in itertools.count():
        threading.Thread(target=probe, args=(number,), daemon=True).start()
        if done.wait(PROBE_EVERY_S):
            return min(ended) - since
        if time.monotonic() > since + LIMIT_S:
            raise UnavailableError(f"no write succeeded within {LIMIT_S:.0f} s of the kill")
    raise AssertionError


def one_kill(system: Electorate) -> float:
    """Kill the leader, measure, and have the system whole again."""
    since, url = system.kill_leader()
    took = until_written(url, since)
    system.restore()
    time.sleep(SETTLE_S)
    return took


def run(
    folder: Path, kills: int, consul: Consul | None, peer_kills: int, say: Say, *, direct: bool = False
) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of every kill by system, and the load averages seen."""
    found: dict[str, list[float]] = {}
    loads: list[float] = []
    with ExitStack() as stack:
        ours = OurStores(folder / "elections", direct=direct)
        stack.enter_context(ours.cluster)
        plan: list[tuple[Electorate, int]] = [(ours, kills)]
        if consul is not None:
            stack.callback(consul.stop)
            plan.append((PeerStores(consul), peer_kills))
        for system, _ in plan:
            system.start()
        for number in range(max(count for _, count in plan)):
            for system, count in plan:
                if number < count:
                    took = one_kill(system)
                    loads.append(load_now())
                    found.setdefault(system.name, []).append(took)
                    say(f"{system.name}: kill {number + 1} of {count}: {took:.2f} s, load {loads[-1]}")
    return found, loads
