"""Waiting until what a row has left behind is worked off, so that the next row measures nothing of it.

The systems share the machine, and one that works on slows the other down. After the row with 5,000 blocking queries a
Consul server uses a sixth of a core for a minute or more; measured beside that, Lictor's writes were a sixth slower.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from benchmarks.rounds import cpu_seconds

BUSY_CORES = 0.15
"""A system at rest uses less: Lictor's nine processes together some 0.09 of a core, three Consul servers 0.04."""

LOOK_S = 1.0
LIMIT_S = 90.0


class Working(Protocol):
    """What is known of a system here."""

    name: str

    def processes(self) -> dict[str, int]:
        """Name and process id of every process that belongs to it."""


def wait_until_quiet(systems: Sequence[Working], say: Callable[[str], None], limit_s: float = LIMIT_S) -> bool:
    """Wait until every system is at rest; False, and a word about it, if one still works after `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while True:
        busy = {name: cores for name, cores in _cores_used(systems).items() if cores >= BUSY_CORES}
        if not busy:
            return True
        if time.monotonic() >= deadline:
            for name, cores in busy.items():
                say(f"not at rest after {limit_s:.0f} s: {name} uses {cores:.2f} of a core")
            return False


def _cores_used(systems: Sequence[Working]) -> dict[str, float]:
    """By system: the processor time that it used in the next `LOOK_S` seconds, in cores."""
    began = time.monotonic()
    before = {system.name: cpu_seconds(system.processes()) for system in systems}
    time.sleep(LOOK_S)
    took_s = time.monotonic() - began
    used: dict[str, float] = {}
    for system in systems:
        earlier = before[system.name]
        after = cpu_seconds(system.processes())
        used[system.name] = sum(after[pid] - earlier[pid] for pid in after if pid in earlier) / took_s
    return used
