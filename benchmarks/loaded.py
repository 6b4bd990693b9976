"""Reads of one service while a hundred thousand instances of a thousand others are in the catalog (Lictor alone).

The same row before and after the load, on the same processes: what a large catalog costs a reader who does not ask for
it, in requests, in processor time, and in memory. The load itself goes through the HTTP API, over a few connections
with many requests on their way.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.report import cell, number
from benchmarks.rounds import measure_row
from benchmarks.rows import read_memory
from benchmarks.rows.http import HealthService
from benchmarks.systems import System, Target, UnavailableError

LOADED = "loaded"
"""The word for `--rows`."""

INSTANCES = 100_000
SERVICES = 1_000
CONNECTIONS = 16
UNDER_WAY = 16
"""Requests sent ahead on one connection; the answers come in order."""


class Loaded(NamedTuple):
    """What was found: the row before and after, memory of each process before and after in MiB, the load's seconds."""

    before: dict[str, float]
    after: dict[str, float]
    memory: dict[str, tuple[float, float]]
    seconds: float


def measure(system: System, *, rounds: int, seconds: float, say: Callable[[str], None]) -> Loaded:
    """Measure, load, measure again.

    Raises:
        UnavailableError: a registration was refused, or a row is void.
    """
    target = system.targets()[0]
    before = _row(system, rounds, seconds, say)
    empty = read_memory(system.processes())
    began = time.monotonic()
    asyncio.run(_load(target))
    took = time.monotonic() - began
    say(f"{INSTANCES:,} instances registered in {took:.0f} s")
    time.sleep(2)
    after = _row(system, rounds, seconds, say)
    full = read_memory(system.processes())
    return Loaded(before, after, {name: (empty[name].rss, full[name].rss) for name in full if name in empty}, took)


def table(found: Loaded) -> list[str]:
    """What was found, as Markdown."""
    lines = [
        f"| health of one service of 10 instances | alone | beside {INSTANCES:,} others | ratio |",
        "|---|---:|---:|---:|",
    ]
    for name, before in found.before.items():
        after = found.after[name]
        lines.append(f"| {name} | {number(before)} | {number(after)} | {after / before:.2f} |")
    lines += [f"| RSS MiB, {name} | {a:.0f} | {b:.0f} | {b / a:.2f} |" for name, (a, b) in found.memory.items()]
    return lines


def _row(system: System, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, float]:
    samples = measure_row(HealthService(), [system], rounds=rounds, seconds=seconds, say=say)
    found = cell(samples, "not run")
    if found.void:
        raise UnavailableError(found.void)
    return {"requests/s": found.median, "CPU µs each": found.cpu_us_each, "p99 ms": found.latency_ms["p99"]}


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
