"""The order of the measurements: short rounds that alternate between the addresses, one under load at a time.

A small machine has slow and fast minutes; when the systems take turns every few seconds, both meet the same ones.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.http_call import HttpCallError
from benchmarks.load import LoadError, MissingToolError, Outcome
from benchmarks.report import Sample
from benchmarks.rows import Row
from benchmarks.systems import System, Target, UnavailableError

PAUSE_S = 0.5
"""Between rounds: the system that was under load writes out and collects what it still has."""


def measure_row(
    row: Row, systems: Sequence[System], *, rounds: int, seconds: float, say: Callable[[str], None]
) -> list[Sample]:
    """Every round of one row, on every address of every system in turn.

    A round that fails is a void sample with its reason; the others go on. A missing load generator ends the row.
    """
    samples = []
    for number in range(1, rounds + 1):
        for system in systems:
            try:
                targets = system.targets()
            except UnavailableError as error:
                samples.append(Sample(row.name, system.name, number, void=str(error)))
                continue
            for target in targets:
                sample = _measure(row, system, target, number, seconds)
                samples.append(sample)
                say(f"{row.name} {number}/{rounds} {target.name}: {sample.void or f'{sample.per_second:,.0f}/s'}")
                time.sleep(PAUSE_S)
    return samples


def _measure(row: Row, system: System, target: Target, number: int, seconds: float) -> Sample:
    mark = f"{row.name}-{number}-{target.name.lower().replace(' ', '-')}"
    try:
        before = cpu_seconds(system.processes())
        outcome: Outcome = row.measure(target, mark, seconds)
        after = cpu_seconds(system.processes())
        moved = target not in system.targets()
    except (MissingToolError, LoadError, UnavailableError, HttpCallError) as error:
        return Sample(row.name, target.name, number, void=str(error))
    used = sum(after[pid] - before[pid] for pid in after if pid in before)
    return Sample(
        row.name,
        target.name,
        number,
        per_second=outcome.per_second,
        completed=outcome.completed,
        latency_ms=outcome.latency_ms,
        cpu_us_each=used * 1e6 / outcome.completed if outcome.completed else 0.0,
        void=outcome.void or ("the leader changed during the round" if moved else ""),
    )


def cpu_seconds(processes: dict[str, int]) -> dict[int, float]:
    """Processor time that each process has used so far, user and system together, by process id (proc(5), stat)."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for pid in processes.values():
        try:
            # The second field is the program's name in parentheses and may hold anything: count from its end.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[pid] = (int(fields[11]) + int(fields[12])) / ticks
    return found
