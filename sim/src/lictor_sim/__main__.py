"""Runs seeds: `python -m lictor_sim --seeds 200`; prints every failing seed with the way to run it again.

Exits 1 if a seed failed. A level of the simulation adds itself to `levels`.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass

from lictor_sim import members_run, raft_run
from lictor_sim.seeds import RunSeed, run_seeds


@dataclass(frozen=True, slots=True)
class Level:
    """What is simulated, and for how many virtual seconds a seed runs under faults unless told otherwise."""

    run: RunSeed
    seconds: float


def levels() -> dict[str, Level]:
    """What there is, by name."""
    return {
        "group": Level(raft_run.run_seed, raft_run.SECONDS),
        "member": Level(members_run.run_seed, members_run.SECONDS),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds that the arguments name; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lictor_sim", description="Clusters in virtual time, each from one seed.")
    parser.add_argument("--level", choices=[*levels(), "all"], default="all", help="what to simulate (default all)")
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds of each level (default 20)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--seconds", type=float, help="virtual seconds under faults (default: the level's own)")
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one per processor)")
    options = parser.parse_args(arguments)
    seeds = range(options.first, options.first + options.seeds)
    names = list(levels()) if options.level == "all" else [options.level]
    return max([_run_level(name, seeds, options.seconds, options.workers) for name in names])


def _run_level(name: str, seeds: range, seconds: float | None, workers: int) -> int:
    level = levels()[name]
    seconds = level.seconds if seconds is None else seconds
    counts: Counter[str] = Counter()
    failed = 0
    for report in run_seeds(level.run, seeds, seconds, workers):
        counts.update(report.counts)
        if report.broken is not None:
            failed += 1
            again = f"python -m lictor_sim --level {name} --first {report.seed} --seeds 1 --seconds {seconds:g}"
            sys.stdout.write(f"{name} seed {report.seed} failed: {report.broken}\n  again: {again}\n")
    seen = ", ".join(f"{count} {what}" for what, count in counts.items())
    sys.stdout.write(f"{name}: {len(seeds)} seeds, {failed} failed; {seen}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
