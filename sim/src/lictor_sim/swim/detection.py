"""Crashes in a large pool: how long until someone suspects, someone is sure, everybody knows; and at what price."""

import random
import time
from statistics import mean

from msgspec import Struct

from lictor_sim.swim.formulas import suspicion_s
from lictor_sim.swim.pool import SwimPool
from lictor_swim import LAN, SwimConfig

SETTLE_S = 2.0
IDLE_S = 3.0
"""How long the pool's load is measured before the first crash."""

CRASH_GAP_S = 5.0
AFTER_S = 14.0
"""How long after the shortest suspicion of the last crash the run goes on: time for all to hear of it."""


class Crash(Struct, frozen=True):
    """One member's crash, in seconds after it.

    Attributes:
        suspected: the first suspicion.
        declared: the first member that was sure.
        known: when the last of the living knew; infinite if not all did.
    """

    suspected: float
    declared: float
    known: float


class Detection(Struct, frozen=True):
    """One run. Loads are per member."""

    size: int
    loss: float
    crashes: tuple[Crash, ...]
    idle_packets_s: float
    idle_bytes_s: float
    crash_packets: float
    false_suspicions: int
    false_deaths: int
    virtual_s: float
    run_s: float
    events: int


def detect(size: int, seed: int, *, crashes: int = 3, loss: float = 0.01, config: SwimConfig = LAN) -> Detection:
    """Run a pool in which members crash one after the other."""
    began = time.process_time()
    pool = SwimPool(size, seed, config=config, loss=loss)
    victims = random.Random(seed).sample(range(size), crashes)
    pool.run_until(SETTLE_S)
    packets, octets = pool.packets, pool.bytes
    pool.run_until(SETTLE_S + IDLE_S)
    idle_packets_s = (pool.packets - packets) / IDLE_S / size
    idle_bytes_s = (pool.bytes - octets) / IDLE_S / size
    packets, started = pool.packets, pool.now
    died: dict[int, float] = {}
    for victim in victims:
        died[victim] = pool.now
        pool.kill(victim)
        pool.run_until(pool.now + CRASH_GAP_S)
    pool.run_until(pool.now + suspicion_s(config, size)[0] + AFTER_S)
    extra = (pool.packets - packets) / size - idle_packets_s * (pool.now - started)
    return Detection(
        size,
        loss,
        tuple([_crash(pool, victim, at) for victim, at in died.items()]),
        idle_packets_s,
        idle_bytes_s,
        extra / crashes,
        sum(seen.subject not in died for seen in pool.suspicions),
        sum(seen.subject not in died for seen in pool.deaths),
        pool.now,
        time.process_time() - began,
        pool.events,
    )


def _crash(pool: SwimPool, victim: int, at: float) -> Crash:
    suspected = min([seen.at for seen in pool.suspicions if seen.subject == victim], default=float("inf"))
    knew = {seen.observer: seen.at for seen in pool.deaths if seen.subject == victim}
    living = [index for index in range(len(pool.members)) if index not in pool.dead]
    known = max([knew.get(index, float("inf")) for index in living])
    return Crash(suspected - at, min(knew.values(), default=float("inf")) - at, known - at)


def summary(runs: list[Detection]) -> list[str]:
    """The cells of one row of the table."""
    crashes = [crash for run in runs for crash in run.crashes]
    spread = [crash.known - crash.declared for crash in crashes]
    return [
        f"{runs[0].size:,}",
        str(len(crashes)),
        _both([crash.suspected for crash in crashes]),
        _both([crash.declared for crash in crashes]),
        _both(spread),
        _both([crash.known for crash in crashes]),
        f"{mean(run.idle_packets_s for run in runs):.2f}",
        f"{mean(run.idle_bytes_s for run in runs):,.0f}",
        f"{mean(run.crash_packets for run in runs):.0f}",
        str(sum(run.false_suspicions for run in runs)),
        str(sum(run.false_deaths for run in runs)),
        f"{mean(run.virtual_s for run in runs):.0f}",
        f"{mean(run.run_s for run in runs):.0f}",
    ]


def _both(seconds: list[float]) -> str:
    return f"{mean(seconds):.1f} / {max(seconds):.1f}"
