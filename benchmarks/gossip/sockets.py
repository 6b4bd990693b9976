"""Probes that one gossip process answers over real sockets: its driver, its event loop, the kernel's UDP included.

A process of its own runs the driver; this one keeps a window of probes under way and counts the answers. What matters
is CPU of that process for each answer: the rate itself depends on who else uses the machine.
"""

import multiprocessing
import os
import random
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks.gossip.pool import TAGS, ping
from lictor_gossip.swim_driver import SwimDriver
from lictor_swim import CONSUL_LAN, LAN, Endpoint, Framing, SerfNode, address_bytes

HOST = "127.0.0.1"
WINDOW = 64
"""Probes under way at once: what a large pool's bursts may bring, and far below the socket's buffer."""


class Answered(NamedTuple):
    """Answers in a second, and CPU of the process for each, in microseconds."""

    per_second: float
    cpu_us: float
    lost: int


def run(seconds: float) -> Answered:
    """Start a process, keep it busy, end it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        port = int(ours.recv())
        return _ask(port, seconds, lambda: _cpu_s(process.pid or 0))
    finally:
        ours.send(None)
        process.join(10.0)
        process.kill()


def _serve(pipe: Connection) -> None:
    uvloop.run(_drive(pipe))


async def _drive(pipe: Connection) -> None:
    import asyncio  # noqa: PLC0415  (in the spawned process only)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    node = SerfNode(
        name="me", address=address_bytes(HOST), port=port, tags=TAGS, swim=LAN, serf=CONSUL_LAN,
        framing=Framing(), dice=random.Random(1),
    )  # fmt: skip
    async with SwimDriver(node, Endpoint(HOST, port), stream_timeout_s=1.0):
        pipe.send(port)
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)


def _ask(port: int, seconds: float, cpu_s: Callable[[], float]) -> Answered:
    framing = Framing()
    packets = [ping(index, 1, framing) for index in range(1000)]
    # The probes name another address to answer to; without it the answer comes back here.
    packets = [_without_source(index) for index in range(len(packets))]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((HOST, port))
        client.settimeout(0.2)
        answered = lost = 0
        sent = 0
        before, began = cpu_s(), time.perf_counter()
        for _ in range(WINDOW):
            client.send(packets[sent % 1000])
            sent += 1
        while time.perf_counter() - began < seconds:
            try:
                client.recv(2048)
            except TimeoutError:
                lost += WINDOW
                for _ in range(WINDOW):
                    client.send(packets[sent % 1000])
                    sent += 1
                continue
            answered += 1
            client.send(packets[sent % 1000])
            sent += 1
        spent, elapsed = cpu_s() - before, time.perf_counter() - began
    return Answered(answered / elapsed, spent / max(answered, 1) * 1e6, lost)


def _without_source(sequence: int) -> bytes:
    from lictor_swim.wire import Ping, encode_message  # noqa: PLC0415  (here alone)

    return encode_message(Ping(sequence, "me"))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
