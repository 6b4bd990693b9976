"""From the store's measurements to lines of text. Pure."""

import os
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple


class Commits(NamedTuple):
    """One round of one row: closed-loop clients on one lane. `load`: the machine's load average at its end."""

    who: str
    lane: str
    clients: int
    round: int
    per_second: float
    p50_ms: float
    p99_ms: float
    load: float


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` of all values do not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    rank = -int(-len(ordered) * part // 1)  # the ceiling, so that p99 of 50 values is the largest
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def commits_of(
    who: str, lane: str, clients: int, number: int, latencies: Sequence[float], seconds: float, load: float
) -> Commits:
    """The round of these latencies, given in seconds."""
    p50, p99 = (quantile(latencies, part) * 1000 for part in (0.50, 0.99))
    return Commits(who, lane, clients, number, len(latencies) / seconds, p50, p99, load)


def commits_table(rounds: Sequence[Commits]) -> list[str]:
    """A line per kind of client, lane and number of clients, in the order in which they first came."""
    lines = [
        "| clients | lane | at once | commits/s, median | least | most | p50 ms | p99 ms | load average |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for who, lane, clients in dict.fromkeys(one[:3] for one in rounds):
        some = [one for one in rounds if one[:3] == (who, lane, clients)]
        rates = [one.per_second for one in some]
        p50, p99 = median(one.p50_ms for one in some), median(one.p99_ms for one in some)
        load = f"{min(one.load for one in some):.1f} to {max(one.load for one in some):.1f}"
        lines.append(
            f"| {who} | {lane} | {clients} | {median(rates):,.0f} | {min(rates):,.0f} | {max(rates):,.0f} "
            f"| {p50:.2f} | {p99:.2f} | {load} |"
        )
    return lines


def elections_table(found: dict[str, list[float]], loads: Sequence[float]) -> list[str]:
    """A line per system: seconds from the kill of its leader until a write succeeded."""
    lines = ["| system | kills | least s | p50 s | p90 s | p99 s | max s |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name, seconds in found.items():
        if seconds:
            shown = " | ".join(f"{quantile(seconds, part):.2f}" for part in (0.0, 0.50, 0.90, 0.99, 1.0))
            lines.append(f"| {name} | {len(seconds)} | {shown} |")
    if loads:
        lines.append(f"\nload average {min(loads):.1f} to {max(loads):.1f}")
    return lines


def longest_gap(times: Sequence[float]) -> float:
    """The longest time between two moments that follow each other; 0 of fewer than two."""
    return max((late - early for early, late in pairwise(times)), default=0.0)


def load_now() -> float:
    """The machine's load average of the last minute."""
    return round(os.getloadavg()[0], 2)
