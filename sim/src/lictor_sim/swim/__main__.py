"""Prints what large pools do: `python -m lictor_sim.swim`, with memberlist's formulas beside it (minutes of CPU).

`--sizes 300 --runs 1` is a small version. Exits 1 if a healthy member was declared dead, or a crash not known to all.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from lictor_sim.swim import formulas
from lictor_sim.swim.detection import Detection, detect, summary
from lictor_sim.swim.rows import all_rows
from lictor_swim import LAN

HEADINGS = (
    "members", "crashes", "first suspicion, s", "first sure, s", "first to last, s", "known to all, s",
    "idle packets/s", "idle bytes/s", "packets for a crash", "false suspicions", "false deaths", "virtual s", "CPU s",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run and print; the exit status."""
    parser = argparse.ArgumentParser(prog="lictor_sim.swim", description="Large gossip pools in virtual time.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000], help="members (default 1000 5000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each size (default 3)")
    parser.add_argument("--crashes", type=int, default=3, help="members that crash in each run (default 3)")
    parser.add_argument("--loss", type=float, default=0.01, help="share of packets lost (default 0.01)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    options = parser.parse_args(arguments)
    wrong = False
    say(f"LAN profile, {options.loss:.0%} of packets lost, mean / worst; formulas below each size\n\n")
    say(line(HEADINGS) + line(["---"] * len(HEADINGS)))
    with ProcessPoolExecutor(options.workers) as workers:
        for size in options.sizes:
            run = partial(detect, size, crashes=options.crashes, loss=options.loss)
            runs = list(workers.map(run, range(options.seed, options.seed + options.runs)))
            say(line(summary(runs)) + line(promised(size, options.loss)))
            wrong |= any(is_wrong(run) for run in runs)
    say("\n" + line(["row", "fault", "passed", "seen"]) + line(["---"] * 4))
    for row in all_rows(options.seed):
        say(line([row.name, row.fault, "yes" if row.passed else "NO", row.seen]))
        wrong |= not row.passed
    return 1 if wrong else 0


def promised(size: int, loss: float) -> list[str]:
    """The formulas' row."""
    shortest, longest = formulas.suspicion_s(LAN, size)
    first = formulas.first_suspicion_s(LAN, size)
    spread = formulas.convergence_s(LAN, size, loss)
    return [
        "formula", "", f"{first:.1f}", f"{first + shortest:.1f} ({first + longest:.0f} unconfirmed)", f"≤ {spread:.1f}",
        f"≤ {first + shortest + spread:.1f}", f"{formulas.idle_packets_s(LAN):.2f}", "",
        f"{formulas.copies(LAN, size)} copies of each claim", "0", "0", "", "",
    ]  # fmt: skip


def is_wrong(run: Detection) -> bool:
    """Whether a healthy member was declared dead, or somebody never heard of a crash."""
    return run.false_deaths > 0 or any(crash.known == float("inf") for crash in run.crashes)


def line(cells: "list[str] | tuple[str, ...]") -> str:
    """One line of a table."""
    return "| " + " | ".join(cells) + " |\n"


def say(text: str) -> None:
    """Print at once: a run takes minutes."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
