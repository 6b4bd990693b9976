"""HTTP load: wrk with a Lua script that makes the requests and prints the outcome as one line of JSON.

wrk's own summary rounds its numbers for people; `scripts/result.lua` prints what its `done` hook is told.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.load.outcome import LoadError, Outcome
from benchmarks.load.tools import run

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
CONNECTIONS = 32
THREADS = 1
"""One thread of wrk makes far more requests than either system answers, and the machine needs its cores for them."""

REQUEST_TIMEOUT_S = 5
MARK = "RESULT "


def load(root: str, script: str, seconds: float, arguments: list[str], *, connections: int = CONNECTIONS) -> Outcome:
    """Keep some connections busy for some seconds.

    Args:
        root: `http://host:port`.
        script: a file name in `scripts/`.
        seconds: how long; wrk takes whole ones.
        arguments: what the script is given.
        connections: how many.

    Raises:
        MissingToolError: wrk is not installed.
        LoadError: wrk failed.
    """
    command = [f"-t{THREADS}", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", f"{REQUEST_TIMEOUT_S}s"]
    command += ["-s", str(SCRIPTS / script), root, "--", *arguments]
    return parse(run("wrk", command, seconds))


def parse(printed: str) -> Outcome:
    """The outcome from the line that `result.lua` printed; any error makes it void.

    Raises:
        LoadError: there is no such line.
    """
    line = next((line for line in printed.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise LoadError(f"wrk printed no result: {printed.strip()[-200:]!r}")
    found: dict[str, Any] = json.loads(line.removeprefix(MARK))
    seconds = found["duration_us"] / 1e6
    errors = {kind: count for kind, count in found["errors"].items() if count}
    void = ""
    if errors:
        void = ", ".join(f"{count} {_named(kind)}" for kind, count in errors.items())
    elif not found["requests"]:
        void = "no request was answered"
    return Outcome(
        per_second=found["requests"] / seconds if seconds else 0.0,
        completed=found["requests"],
        latency_ms={"p50": found["p50_us"] / 1e3, "p99": found["p99_us"] / 1e3},
        void=void,
    )


def _named(kind: str) -> str:
    return "answers were not 2xx" if kind == "status" else f"socket errors ({kind})"
