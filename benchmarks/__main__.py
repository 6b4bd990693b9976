"""`python -m benchmarks`: start both systems, measure every row in alternating rounds, print the tables."""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks import data, facts, loaded, report
from benchmarks.quiet import wait_until_quiet
from benchmarks.report import Sample
from benchmarks.rounds import measure_row
from benchmarks.rows import MEMORY, ROWS, Memory, read_memory
from benchmarks.store import __main__ as store
from benchmarks.systems import LICTOR, PEER_FOLLOWER, PEER_LEADER, Consul, Lictor, System, UnavailableError
from benchmarks.systems.system import inherited_settings

RESULTS = Path(__file__).resolve().parent / "results"
LANES = ("nats", "direct")
NO_PEER = "there is no peer: CONSUL_BIN names no program"


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    names = [*(row.name for row in ROWS), MEMORY, loaded.LOADED]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one round (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds per row and address (default 3)")
    parser.add_argument("--rows", default=",".join(names), help=f"some of {','.join(names)} (default all)")
    parser.add_argument("--systems", default="lictor,consul", help="one of lictor, consul, or both (default)")
    parser.add_argument("--lanes", default="nats,direct", help="how Lictor's parts talk: nats, direct, or both in turn")
    parser.add_argument("--keep", action="store_true", help="keep the systems' folder with data and logs")
    parser.add_argument("--no-store", action="store_true", help="leave out the store's own rows (benchmarks.store)")
    given = parser.parse_args(arguments)
    given.rows = given.rows.split(",")
    given.systems = given.systems.split(",")
    given.lanes = given.lanes.split(",")
    unknown = (set(given.rows) - set(names)) | (set(given.systems) - {"lictor", "consul"})
    if unknown := unknown | (set(given.lanes) - set(LANES)):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if given.rounds < 1 or given.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    return given


def say(text: str) -> None:
    """Progress goes to stderr; stdout has the tables alone."""
    print(text, file=sys.stderr, flush=True)


def start(systems: Sequence[System], absent: dict[str, str], stack: ExitStack) -> list[System]:
    """Start the systems and write the same data into each; `absent` takes the reason of one that does not come up."""
    running: list[System] = []
    for system in systems:
        stack.callback(system.stop)
        say(f"starting {system.name}")
        try:
            system.start()
            targets = system.targets()
            data.load(targets[0], targets)
        except UnavailableError as error:
            say(f"{system.name}: {error}")
            system.stop()
            absent.update(dict.fromkeys(_addresses(system.name), str(error)))
        else:
            running.append(system)
    return running


def memory_of(running: Sequence[System]) -> dict[str, dict[str, Memory]]:
    """System, process, memory now."""
    return {system.name: read_memory(system.processes()) for system in running}


def dns_answers(running: Sequence[System]) -> dict[str, int]:
    """How many addresses one reply of each address holds: replies of different length are different work."""
    found = {}
    for system in running:
        try:
            found.update({target.name: data.addresses(target) for target in system.targets()})
        except UnavailableError as error:
            say(str(error))
    return found


def run(given: argparse.Namespace, folder: Path, lane: str) -> dict[str, Any]:
    """The whole run over one lane; what goes into the JSON file."""
    binary = shutil.which(os.environ.get("CONSUL_BIN", ""))
    absent = {} if binary else dict.fromkeys((PEER_LEADER, PEER_FOLLOWER), NO_PEER)
    folder.mkdir(parents=True, exist_ok=True)
    systems: list[System] = [Lictor(folder / "lictor", direct=lane == "direct")] if "lictor" in given.systems else []
    if "consul" in given.systems and binary:
        systems.append(Consul(binary, folder / "consul"))
    found: dict[str, Any] = {"facts": facts.machine(folder), "settings": inherited_settings()}
    found["options"] = {"seconds": given.seconds, "rounds": given.rounds, "rows": given.rows, "lane": lane}
    samples: list[Sample] = []
    with ExitStack() as stack:
        running = start(systems, absent, stack)
        found["versions"] = {system.name: system.version() for system in running}
        found["dns_answers"] = dns_answers(running)
        before = memory_of(running)
        for row in ROWS:
            if row.name in given.rows:
                wait_until_quiet(running, say)
                samples += measure_row(row, running, rounds=given.rounds, seconds=given.seconds, say=say)
        after = memory_of(running)
        full = beside_many(given, running)
    found["samples"] = [dataclasses.asdict(sample) for sample in samples]
    found["memory"] = {"before": _plain(before), "after": _plain(after)}
    show(given, found, samples, absent, (before, after))
    if full is not None:
        found["loaded"] = full._asdict()
        print("\n" + "\n".join(loaded.table(full)))
    return found


def beside_many(given: argparse.Namespace, running: Sequence[System]) -> loaded.Loaded | None:
    """The row of the loaded catalog, last, since nothing is as before after it; None when it is not asked for."""
    ours = next((system for system in running if system.name == LICTOR), None)
    if loaded.LOADED not in given.rows or ours is None:
        return None
    try:
        return loaded.measure(ours, rounds=given.rounds, seconds=given.seconds, say=say)
    except (UnavailableError, OSError) as error:
        say(f"{loaded.LOADED}: {error}")
        return None


def show(
    given: argparse.Namespace,
    found: Mapping[str, Any],
    samples: Sequence[Sample],
    absent: Mapping[str, str],
    memory: tuple[dict[str, dict[str, Memory]], dict[str, dict[str, Memory]]],
) -> None:
    """Print the tables."""
    told = {**found["versions"], **found["facts"], **found["settings"]}
    print(f"\n## Lictor's lane: {found['options']['lane']}\n")
    print(", ".join(f"{name}: {value}" for name, value in told.items()))
    print(f"addresses in a DNS reply: {found['dns_answers']}")
    print(f"{given.rounds} rounds of {given.seconds:g} s per row and address; median ± half of the range\n")
    titles = {row.name: row.title for row in ROWS if row.name in given.rows}
    if titles:
        print("\n".join(report.table(titles, samples, LICTOR, (PEER_LEADER, PEER_FOLLOWER), absent)))
    if MEMORY in given.rows:
        print("\n" + "\n".join(report.memory_table(*memory)))
        for name, reason in absent.items():
            print(f"\nmemory of {name}: void: {reason}")


def main(arguments: Sequence[str]) -> int:
    """Run, print, save."""
    given = options(arguments)
    signal.signal(signal.SIGTERM, _end)
    folder = Path(tempfile.mkdtemp(prefix="lictor-bench-"))
    found: dict[str, Any] = {}
    try:
        for lane in given.lanes:
            found[lane] = run(given, folder / lane, lane)
        if not given.no_store:
            found["store"] = store.run(store.Plan(), folder / "store")
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    finally:
        if given.keep:
            say(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{found[given.lanes[0]]['facts']['date'].replace(':', '')}.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    say(f"saved {path}")
    return 0


def _addresses(system: str) -> tuple[str, ...]:
    return (LICTOR,) if system == LICTOR else (PEER_LEADER, PEER_FOLLOWER)


def _plain(memory: Mapping[str, Mapping[str, Memory]]) -> dict[str, Any]:
    return {system: {name: one._asdict() for name, one in processes.items()} for system, processes in memory.items()}


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends the run like Ctrl-C: every started process is ended on the way out."""
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
