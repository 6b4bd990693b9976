"""`python -m benchmarks.store`: the store's own rows; `python -m benchmarks` runs them too."""

import argparse
import asyncio
import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop

from benchmarks.store import commits, elections, install
from benchmarks.store.figures import commits_table, elections_table
from benchmarks.systems import Consul

PARTS = ("commits", "elections", "install")


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and how often."""

    parts: tuple[str, ...] = PARTS
    clients: tuple[int, ...] = commits.CLIENTS
    rounds: int = 3
    seconds: float = 3.0
    kills: int = 50
    peer_kills: int = 20
    mib: int = 100


def say(text: str) -> None:
    """Progress goes to stderr; stdout has the tables alone."""
    print(text, file=sys.stderr, flush=True)


def plan_of(arguments: Sequence[str]) -> tuple[Plan, Path | None]:
    """What the command line asks for, and where the logs are written."""
    default = Plan()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)} (default all)")
    parser.add_argument("--clients", default=",".join(map(str, default.clients)), help="clients at once, a row each")
    parser.add_argument("--rounds", type=int, default=default.rounds, help="rounds per row of commits and per lane")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="length of one round of commits")
    parser.add_argument("--kills", type=int, default=default.kills, help="kills of our leader")
    parser.add_argument("--peer-kills", type=int, default=default.peer_kills, help="kills of Consul's leader")
    parser.add_argument("--mib", type=int, default=default.mib, help="size of the installed snapshot")
    parser.add_argument("--folder", type=Path, help="where the logs are written (default: the temporary directory)")
    given = parser.parse_args(arguments)
    parts, clients = tuple(given.parts.split(",")), tuple(int(one) for one in given.clients.split(","))
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if min(given.rounds, given.kills, given.mib, *clients) < 1:
        parser.error("--rounds, --kills, --mib and --clients are at least 1")
    return Plan(parts, clients, given.rounds, given.seconds, given.kills, given.peer_kills, given.mib), given.folder


def run(plan: Plan, folder: Path) -> dict[str, Any]:
    """Measure, print the tables; what goes into the JSON file."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"plan": dataclasses.asdict(plan)}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if "commits" in plan.parts:
            rounds = runner.run(commits.run(folder, plan.clients, plan.rounds, plan.seconds, say))
            found["commits"] = [one._asdict() for one in rounds]
            print("\n" + "\n".join(commits_table(rounds)), flush=True)
        if "install" in plan.parts:
            installed = [runner.run(install.run(folder, plan.mib, say, direct=direct)) for direct in (False, True)]
            found["install"] = [one._asdict() for one in installed]
            print("\n" + "\n".join(map(install.lines, installed)), flush=True)
    if "elections" in plan.parts:
        binary = shutil.which(os.environ.get("CONSUL_BIN", ""))
        consul = Consul(binary, folder / "elections-consul") if binary and plan.peer_kills else None
        seconds, loads = elections.run(folder, plan.kills, consul, plan.peer_kills, say)
        found["elections"] = {"seconds": seconds, "loads": loads}
        print("\nfrom the kill of the leader until a write succeeded\n")
        print("\n".join(elections_table(seconds, loads)), flush=True)
        if consul is None:
            print("Consul: not run: CONSUL_BIN names no program, or --peer-kills is 0")
    return found


def main() -> None:
    """Measure and print."""
    plan, where = plan_of(sys.argv[1:])
    with tempfile.TemporaryDirectory(dir=where) as folder:
        run(plan, Path(folder))


if __name__ == "__main__":
    main()
