"""Load of another kind: registrations at a steady rate, and how soon each of them is in the DNS answers.

The time of each runs from the moment at which its request is sent until the first answer that has it; the name is asked
for again and again meanwhile. One thread, a few HTTP connections in turn (a server may answer one connection's requests
one after the other), one socket for the questions: the client takes as little as it can of the cores that it shares
with the systems.
"""

import json
import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.load.outcome import LoadError, Outcome

ASK_EVERY_S = 0.001
LATE_S = 5.0
"""After the last registration; what has not shown by then makes the row void."""

CONNECTIONS = 16
READ_BYTES = 65_536
_ANSWERS = slice(6, 8)


def load(
    http: tuple[str, int], dns: tuple[str, int], rate: int, seconds: float, register: Callable[[int], tuple[str, Any]]
) -> Outcome:
    """Register `rate` times a second, and time how soon each is answered over DNS.

    Args:
        http: host and port of the HTTP API.
        dns: host and port of the DNS interface.
        rate: registrations/s.
        seconds: how long.
        register: the service name and the body (`PUT /v1/catalog/register`) of the registration with a number.

    Raises:
        LoadError: a connection failed, or a registration was refused.
    """
    try:
        with ExitStack() as stack:
            writers = [stack.enter_context(socket.create_connection(http, timeout=5)) for _ in range(CONNECTIONS)]
            asker = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            asker.connect(dns)
            return _measure(writers, asker, http[0], rate, seconds, register)
    except OSError as error:
        raise LoadError(f"registering: {error}") from error


def _measure(
    writers: list[socket.socket],
    asker: socket.socket,
    host: str,
    rate: int,
    seconds: float,
    register: Callable[[int], tuple[str, Any]],
) -> Outcome:
    count = max(1, round(rate * seconds))
    for writer in writers:
        writer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    began = time.perf_counter()
    sent: dict[int, float] = {}
    waiting: dict[int, bytes] = {}
    times: list[float] = []
    next_ask = began
    while len(times) < count and time.perf_counter() - began < seconds + LATE_S:
        now = time.perf_counter()
        if len(sent) < count and now >= began + len(sent) / rate:
            number = len(sent)
            name, body = register(number)
            content = json.dumps(body).encode()
            head = f"PUT /v1/catalog/register HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n\r\n"
            writers[number % len(writers)].sendall(head.encode() + content)
            sent[number] = now
            waiting[number] = question(number, f"{name}.service.consul")
        if now >= next_ask:
            for asked in waiting.values():
                asker.send(asked)
            next_ask = now + ASK_EVERY_S
        readable, _, _ = select.select([asker, *writers], [], [], ASK_EVERY_S / 4)
        for one in readable:
            if one is not asker and b"HTTP/1.1 " in one.recv(READ_BYTES).replace(b"HTTP/1.1 200", b""):
                raise LoadError("a registration was refused")
        if asker in readable:
            answer = asker.recv(READ_BYTES)
            number = int.from_bytes(answer[:2], "big")
            if number in waiting and answer[_ANSWERS] != b"\0\0":
                del waiting[number]
                times.append(time.perf_counter() - sent[number])
    missing = count - len(times)
    if not times:
        return Outcome(0.0, 0, {}, "no registration was answered over DNS")
    times.sort()
    latency = {"p50": times[len(times) // 2] * 1e3, "p99": times[len(times) * 99 // 100] * 1e3}
    void = f"{missing} of {count} registrations were not answered over DNS" if missing else ""
    return Outcome(len(times) / (time.perf_counter() - began), len(times), latency, void)


def question(number: int, name: str) -> bytes:
    """A query for the A records of a name, with a number as its id (RFC 1035, section 4.1)."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    return number.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
