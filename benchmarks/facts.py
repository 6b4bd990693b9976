"""What a reader must know of the machine before comparing these numbers with others."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def machine(data: Path) -> dict[str, Any]:
    """The machine, the moment, and the code.

    Args:
        data: the folder that both systems write into; a file system in memory makes every sync free.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _printed("git", "-C", str(ROOT), "rev-parse", "HEAD"),
        "uncommitted_files": len(_printed("git", "-C", str(ROOT), "status", "--porcelain").splitlines()),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "kernel": platform.release(),
        "python": f"{platform.python_version()} ({Path(sys.executable).resolve()})",
        "file_system": _printed("stat", "--file-system", "--format", "%T", str(data)),
        "load_average_at_start": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _printed(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
