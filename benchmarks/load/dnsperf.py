"""DNS load: dnsperf over UDP, as fast as it goes or at a rate, and a second one that times single answers meanwhile."""

import re
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.load.outcome import LoadError, Outcome
from benchmarks.load.tools import run

CLIENTS = 32
OUTSTANDING = 100
LOST_RATIO_MAX = 0.001
"""UDP may lose a datagram when a socket buffer is full; more than one in a thousand is a server that cannot keep up."""

PROBES_PER_S = 500
"""Answers timed one by one: enough for a p99 within seconds, too few to be a load; dnsperf prints a line for each."""


def load(
    host: str, port: int, names: Iterable[str], seconds: float, rtype: str = "A", rate: int | None = None
) -> Outcome:
    """Ask for records of these names in turn, 32 clients with 100 questions under way, for some seconds.

    Args:
        host: address of the system.
        port: its DNS port.
        names: what is asked for.
        seconds: how long.
        rtype: the type asked for.
        rate: questions/s; None: as many as it can.

    Raises:
        MissingToolError: dnsperf is not installed.
        LoadError: dnsperf failed.
    """
    options = ["-c", str(CLIENTS), "-q", str(OUTSTANDING), "-T", "1"]
    if rate is not None:
        options += ["-Q", str(rate)]
    return parse(_run(host, port, [f"{name} {rtype}" for name in names], seconds, options))


def paced(host: str, port: int, names: Sequence[str], seconds: float, rate: int) -> Outcome:
    """`load` at a rate, with the latency that other clients find meanwhile: p50 and p99 of single answers.

    Raises:
        MissingToolError: dnsperf is not installed.
        LoadError: dnsperf failed, or printed no times.
    """
    options = ["-c", "8", "-q", "8", "-T", "1", "-Q", str(PROBES_PER_S), "-v"]
    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(_run, host, port, [f"{name} A" for name in names], seconds, options)
        loaded = load(host, port, names, seconds, rate=rate)
        times = times_of(probing.result())
    if not times:
        raise LoadError("dnsperf timed no answers")
    latency = {"p50": times[len(times) // 2] * 1e3, "p99": times[len(times) * 99 // 100] * 1e3}
    return loaded._replace(latency_ms=latency)


def times_of(printed: str) -> list[float]:
    """The seconds that each answer took, sorted, from what `dnsperf -v` prints."""
    return sorted(float(found) for found in re.findall(r"^> [A-Z]+ \S+ \S+ (\d+\.\d+)$", printed, flags=re.MULTILINE))


def _run(host: str, port: int, questions: Iterable[str], seconds: float, options: list[str]) -> str:
    with tempfile.TemporaryDirectory(prefix="bench-dns-") as folder:
        asked = Path(folder) / "questions"
        asked.write_text("".join(f"{question}\n" for question in questions))
        command = ["-s", host, "-p", str(port), "-d", str(asked), "-l", str(max(1, round(seconds)))]
        return run("dnsperf", command + options, seconds)


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
