"""Runs seeds: `python -m lictor_sim --seeds 100 --seconds 20`; prints a line per failing seed and a summary.

Exits 1 if a seed failed.
"""

import argparse
import sys

from lictor_sim.raft_cluster import run_seed


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds that the arguments name; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lictor_sim", description="Raft groups in virtual time, each from one seed.")
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds (default 20)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--seconds", type=float, default=20.0, help="virtual seconds under faults (default 20)")
    options = parser.parse_args(arguments)
    failed = terms = committed = reads = messages = 0
    for seed in range(options.first, options.first + options.seeds):
        report = run_seed(seed, options.seconds)
        if report.broken is not None:
            failed += 1
            sys.stdout.write(f"seed {seed} failed: {report.broken}\n")
        terms += report.terms_led
        committed += report.committed
        reads += report.reads_confirmed + report.lease_reads
        messages += report.messages
    sys.stdout.write(
        f"{options.seeds} seeds, {failed} failed; "
        f"{terms} terms led, {committed} entries committed, {reads} reads checked, {messages} messages\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
