"""Reads of one service while a hundred thousand instances of a thousand others are in the catalog (Lictor alone).

The same rows before and after the load, on the same processes: what a large catalog costs a reader who does not ask for
it, over HTTP and over DNS, in requests, in processor time, and in memory. Then each of the thousand is asked for over
DNS in turn, and memory is looked at again: what names cost that are asked for. The load itself goes through the HTTP
API, over a few connections with many requests on their way.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from benchmarks.report import cell, number
from benchmarks.rounds import measure_row
from benchmarks.rows import Row, read_memory
from benchmarks.rows.dns import DnsRecords, srv
from benchmarks.rows.http import HealthService
from benchmarks.systems import System, Target, UnavailableError

LOADED = "loaded"
"""The word for `--rows`."""

INSTANCES = 100_000
SERVICES = 1_000
SAME_ROWS: tuple[Row, ...] = (HealthService(), DnsRecords(), srv())
_NAMES = tuple(f"svc-{count}.service.consul." for count in range(SERVICES))
ASKED_ROWS: tuple[Row, ...] = (
    DnsRecords("dns-loaded", "DNS A of every service", _NAMES),
    DnsRecords("dns-loaded-srv", "DNS SRV of every service", _NAMES, rtype="SRV"),
)
"""Their first round makes what the others find."""

CONNECTIONS = 16
UNDER_WAY = 16
"""Requests sent ahead on one connection; the answers come in order."""


class Loaded(NamedTuple):
    """What was found: the rows before and after, what only the loaded catalog can be asked, memory, seconds of loading.

    Memory is in MiB: of each process before the load, after it, and once every service was asked for over DNS.
    """

    before: dict[str, float]
    after: dict[str, float]
    asked: dict[str, float]
    memory: dict[str, tuple[float, float, float]]
    seconds: float


def measure(system: System, *, rounds: int, seconds: float, say: Callable[[str], None]) -> Loaded:
    """Measure, load, measure again.

    Raises:
        UnavailableError: a registration was refused, or a row is void.
    """
    target = system.targets()[0]
    before = _rows(SAME_ROWS, system, rounds, seconds, say)
    empty = read_memory(system.processes())
    began = time.monotonic()
    asyncio.run(_load(target))
    took = time.monotonic() - began
    say(f"{INSTANCES:,} instances registered in {took:.0f} s")
    time.sleep(2)
    after = _rows(SAME_ROWS, system, rounds, seconds, say)
    full = read_memory(system.processes())
    asked = _rows(ASKED_ROWS, system, rounds, seconds, say)
    last = read_memory(system.processes())
    memory = {
        name: (empty[name].rss, full[name].rss, last[name].rss) for name in last if name in empty and name in full
    }
    return Loaded(before, after, asked, memory, took)


def table(found: Loaded) -> list[str]:
    """What was found, as Markdown."""
    lines = [
        f"| of one service of 10 instances | alone | beside {INSTANCES:,} others | ratio |",
        "|---|---:|---:|---:|",
    ]
    for name, before in found.before.items():
        after = found.after[name]
        lines.append(f"| {name} | {number(before)} | {number(after)} | {after / before:.2f} |")
    lines += ["", f"| of {SERVICES:,} services of {INSTANCES // SERVICES} instances in turn | |", "|---|---:|"]
    lines += [f"| {name} | {number(value)} |" for name, value in found.asked.items()]
    lines += ["", "| RSS MiB | alone | loaded | each service asked for |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {a:.0f} | {b:.0f} | {c:.0f} |" for name, (a, b, c) in found.memory.items()]
    return lines


def _rows(
    rows: Sequence[Row], system: System, rounds: int, seconds: float, say: Callable[[str], None]
) -> dict[str, float]:
    figures: dict[str, float] = {}
    for row in rows:
        found = cell(measure_row(row, [system], rounds=rounds, seconds=seconds, say=say), "not run")
        if found.void:
            raise UnavailableError(found.void)
        figures |= {f"{row.name}: requests/s": found.median, f"{row.name}: CPU µs each": found.cpu_us_each}
        figures |= {f"{row.name}: {name} ms": ms for name, ms in found.latency_ms.items() if name == "p99"}
    return figures


def registration(count: int) -> dict[str, Any]:
    """The body of one registration: an instance with one check, on one of as many nodes as services."""
    service, node = f"svc-{count % SERVICES}", f"load-{count // SERVICES}"
    return {
        "Node": node,
        "Address": f"10.{count // SERVICES}.0.1",
        "Service": {"ID": f"{service}-{count}", "Service": service, "Port": 8000, "Tags": ["v1"]},
        "Check": {"CheckID": f"c-{count}", "Name": "answers", "Status": "passing", "ServiceID": f"{service}-{count}"},
    }


async def _load(target: Target) -> None:
    async with asyncio.TaskGroup() as group:
        for first in range(CONNECTIONS):
            group.create_task(_write(target, range(first, INSTANCES, CONNECTIONS)))


async def _write(target: Target, counts: range) -> None:
    reader, writer = await asyncio.open_connection(target.host, target.http_port)
    try:
        for at in range(0, len(counts), UNDER_WAY):
            some = counts[at : at + UNDER_WAY]
            for count in some:
                body = json.dumps(registration(count)).encode()
                head = (
                    f"PUT /v1/catalog/register HTTP/1.1\r\nHost: {target.host}\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
            for _ in some:
                await _acknowledged(reader)
    finally:
        writer.close()


async def _acknowledged(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or b"0")
    body = await reader.readexactly(length)
    if not head.startswith(b"http/1.1 200"):
        raise UnavailableError(f"a registration was answered {head[:40]!r} {body[:100]!r}")
