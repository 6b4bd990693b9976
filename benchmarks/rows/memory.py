"""The rows of memory: what the kernel says that each process holds.

RSS counts a page in every process that maps it. PSS divides a shared page among its processes, so that its sum over
a system is what the machine gives; Lictor's processes share the interpreter's pages.
"""

import re
from pathlib import Path
from typing import NamedTuple

MEMORY = "memory"
"""The word for `--rows`."""


class Memory(NamedTuple):
    """One process at one moment, in MiB."""

    rss: float
    pss: float


def read_memory(processes: dict[str, int]) -> dict[str, Memory]:
    """What each process holds; one that has gone is left out."""
    found = {}
    for name, pid in processes.items():
        try:
            found[name] = parse_smaps_rollup(Path(f"/proc/{pid}/smaps_rollup").read_text())
        except OSError:
            continue
    return found


def parse_smaps_rollup(text: str) -> Memory:
    """RSS and PSS from `/proc/<pid>/smaps_rollup`, which tells them in KiB."""
    kib = {name: int(number) for name, number in re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, flags=re.MULTILINE)}
    return Memory(kib.get("Rss", 0) / 1024, kib.get("Pss", 0) / 1024)
