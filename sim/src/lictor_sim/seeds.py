"""Runs seeds of one level of the simulation, in several processes, and reports them in order.

A level is a function from a seed and virtual seconds to a `SeedReport`. It must live at the top of a module, because
workers import it by name. A seed gives the same report in whichever process it runs.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

WORKERS_MAX = 8
"""A run is bound by the processor; more workers than this only cost memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedReport:
    """What one seed did."""

    level: str
    seed: int
    broken: str | None
    """The property that did not hold, or None."""
    counts: dict[str, int] = field(default_factory=dict)
    """What happened how often; the summary adds them up."""
    trace: int = 0
    """The fingerprint of the whole run."""


SEEDS_PER_PROCESS = 12
"""A member-level seed leaves up to 90 MiB behind that nothing gives back yet; a fresh process begins without it."""

RunSeed = Callable[[int, float], SeedReport]


def run_seeds(run: RunSeed, seeds: Iterable[int], seconds: float, workers: int = 0) -> Iterator[SeedReport]:
    """Run seeds and yield their reports in the order of `seeds`.

    Args:
        run: the level.
        seeds: which.
        seconds: virtual seconds under faults.
        workers: processes; 0 means one per processor up to `WORKERS_MAX`, 1 means this process.
    """
    workers = workers or min(os.cpu_count() or 1, WORKERS_MAX)
    if workers == 1:
        yield from (run(seed, seconds) for seed in seeds)
        return
    # Spawned, not forked: a worker must not inherit locks and threads of whoever called.
    with get_context("spawn").Pool(workers, maxtasksperchild=SEEDS_PER_PROCESS) as pool:
        yield from pool.imap(partial(_run_one, run, seconds), seeds)


def _run_one(run: RunSeed, seconds: float, seed: int) -> SeedReport:
    return run(seed, seconds)
