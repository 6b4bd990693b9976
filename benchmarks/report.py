"""From samples to medians, ratios and a table. Pure.

A row of an address is void as soon as one of its rounds is: a number beside errors would be read as a number.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from benchmarks.rows.memory import Memory

NONE = "-"


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one row on one address. `cpu_us_each`: processor time of all the system's processes per request."""

    row: str
    target: str
    round: int
    per_second: float = 0.0
    completed: int = 0
    latency_ms: dict[str, float] = field(default_factory=dict)
    cpu_us_each: float = 0.0
    void: str = ""


class Cell(NamedTuple):
    """All rounds of one row on one address. `spread` is (largest - smallest) / median."""

    median: float = 0.0
    spread: float = 0.0
    cpu_us_each: float = 0.0
    latency_ms: dict[str, float] = {}  # noqa: RUF012  a NamedTuple's default is never written to
    void: str = ""

    def text(self) -> str:
        """The cell in the table."""
        return f"void: {self.void}" if self.void else f"{number(self.median)} ±{self.spread / 2:.0%}"


def cell(samples: Sequence[Sample], absent: str) -> Cell:
    """The cell of some rounds; `absent` is the reason when there are none."""
    if not samples:
        return Cell(void=absent)
    for sample in samples:
        if sample.void:
            return Cell(void=sample.void)
    rates = [sample.per_second for sample in samples]
    middle = median(rates)
    named = {name for sample in samples for name in sample.latency_ms}
    return Cell(
        median=middle,
        spread=(max(rates) - min(rates)) / middle if middle else 0.0,
        cpu_us_each=median(sample.cpu_us_each for sample in samples),
        latency_ms={name: median(sample.latency_ms.get(name, 0.0) for sample in samples) for name in sorted(named)},
    )


def ratio(ours: Cell, peers: Cell) -> float | None:
    """Ours through the peer's; None where either is void."""
    return None if ours.void or peers.void or not peers.median else ours.median / peers.median


def number(value: float) -> str:
    """A number for people: three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(
    titles: Mapping[str, str], samples: Sequence[Sample], ours: str, peers: Sequence[str], absent: Mapping[str, str]
) -> list[str]:
    """The Markdown table of the rows under load: a line per row and address of the peer.

    Args:
        titles: name and title of the rows, in order.
        samples: all rounds.
        ours: the name of our address.
        peers: the names of the peer's addresses.
        absent: per address, why it has no rounds.
    """
    lines = [
        f"| row | {ours} | peer | peer's | ratio | CPU µs each, {ours} / peer | latency ms, {ours} / peer |",
        "|---|---:|---|---:|---:|---:|---|",
    ]
    for row, title in titles.items():
        mine = cell([one for one in samples if (one.row, one.target) == (row, ours)], absent.get(ours, "not run"))
        for peer in peers:
            its = cell([one for one in samples if (one.row, one.target) == (row, peer)], absent.get(peer, "not run"))
            found = ratio(mine, its)
            shown = NONE if found is None else f"{found:.2f}"
            cpu = f"{_cpu(mine)} / {_cpu(its)}"
            latency = f"{_latency(mine)} / {_latency(its)}"
            lines.append(f"| {title} | {mine.text()} | {peer} | {its.text()} | {shown} | {cpu} | {latency} |")
    return lines


def memory_table(before: Mapping[str, Mapping[str, Memory]], after: Mapping[str, Mapping[str, Memory]]) -> list[str]:
    """The Markdown table of memory: a line per process and a sum per system, in MiB.

    Args:
        before: system, process, memory after the set-up.
        after: the same when all rows have been measured.
    """
    lines = [
        "| system | process | RSS MiB, set up | RSS MiB, after load | PSS MiB, set up | PSS MiB, after load |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for system, processes in before.items():
        late = after.get(system, {})
        for name, early in processes.items():
            lines.append(_memory_line(system, name, early, late.get(name)))
        whole = _total(processes.values())
        lines.append(_memory_line(f"**{system}**", "**all**", whole, _total(late.values()) if late else None))
    if len(before) == 2:
        ours, peers = before
        at_first = _share(before[ours], before[peers])
        at_last = _share(after.get(ours, {}), after.get(peers, {}))
        lines.append(f"| {ours} / {peers} | ratio | {at_first[0]} | {at_last[0]} | {at_first[1]} | {at_last[1]} |")
    return lines


def _share(ours: Mapping[str, Memory], peers: Mapping[str, Memory]) -> tuple[str, str]:
    if not ours or not peers:
        return NONE, NONE
    mine, its = _total(ours.values()), _total(peers.values())
    return f"{mine.rss / its.rss:.2f}", f"{mine.pss / its.pss:.2f}"


def _total(several: Collection[Memory]) -> Memory:
    return Memory(sum(one.rss for one in several), sum(one.pss for one in several))


def _memory_line(system: str, name: str, early: Memory, late: Memory | None) -> str:
    rss, pss = (f"{late.rss:.0f}", f"{late.pss:.0f}") if late else (NONE, NONE)
    return f"| {system} | {name} | {early.rss:.0f} | {rss} | {early.pss:.0f} | {pss} |"


def _cpu(one: Cell) -> str:
    return NONE if one.void else number(one.cpu_us_each)


def _latency(one: Cell) -> str:
    return NONE if one.void else ", ".join(f"{name} {number(ms)}" for name, ms in one.latency_ms.items())
