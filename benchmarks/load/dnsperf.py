"""DNS load: dnsperf over UDP."""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.load.outcome import LoadError, Outcome
from benchmarks.load.tools import run

CLIENTS = 32
OUTSTANDING = 100
LOST_RATIO_MAX = 0.001
"""UDP may lose a datagram when a socket buffer is full; more than one in a thousand is a server that cannot keep up."""


def load(host: str, port: int, names: Iterable[str], seconds: float) -> Outcome:
    """Ask for the A records of these names in turn, 32 clients with 100 questions under way, for some seconds.

    Raises:
        MissingToolError: dnsperf is not installed.
        LoadError: dnsperf failed.
    """
    with tempfile.TemporaryDirectory(prefix="bench-dns-") as folder:
        questions = Path(folder) / "questions"
        questions.write_text("".join(f"{name} A\n" for name in names))
        command = ["-s", host, "-p", str(port), "-d", str(questions), "-l", str(max(1, round(seconds)))]
        command += ["-c", str(CLIENTS), "-q", str(OUTSTANDING), "-T", "1"]
        return parse(run("dnsperf", command, seconds))


def parse(printed: str) -> Outcome:
    """The outcome from dnsperf's statistics; a code other than NOERROR or lost questions make it void.

    Raises:
        LoadError: the statistics are not there.
    """
    rate = re.search(r"Queries per second:\s+([\d.]+)", printed)
    sent = re.search(r"Queries sent:\s+(\d+)", printed)
    completed = re.search(r"Queries completed:\s+(\d+)", printed)
    if rate is None or sent is None or completed is None:
        raise LoadError(f"dnsperf printed no statistics: {printed.strip()[-200:]!r}")
    latency = re.search(r"Average Latency \(s\):\s+([\d.]+).*max ([\d.]+)", printed)
    return Outcome(
        per_second=float(rate[1]),
        completed=int(completed[1]),
        latency_ms={"mean": float(latency[1]) * 1e3, "max": float(latency[2]) * 1e3} if latency else {},
        void=_void(printed, int(sent[1]), int(completed[1])),
    )


def _void(printed: str, sent: int, completed: int) -> str:
    codes = re.search(r"Response codes:\s+(.+)", printed)
    wrong = [] if codes is None else [code for code in codes[1].split(", ") if not code.startswith("NOERROR ")]
    if wrong:
        return f"answers were not NOERROR: {', '.join(wrong)}"
    lost = sent - completed
    if not completed:
        return "no question was answered"
    return f"{lost} of {sent} questions were lost" if lost > sent * LOST_RATIO_MAX else ""
