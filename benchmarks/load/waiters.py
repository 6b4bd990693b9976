"""Load of another kind: thousands of clients that wait for one change, and how soon each of them hears of it.

Plain sockets on one epoll, so that the clients take as little as they can of the cores that they share with the
systems. The time of each client runs from the moment at which the change is asked for until its answer begins to
arrive; the answer's rest is read, so that its length costs what it costs, but not waited for.
"""

import resource
import select
import socket
import time
from collections.abc import Callable

from benchmarks.load.outcome import LoadError, Outcome

FILES_SPARE = 64
CONNECT_BATCH = 50
"""Connections are opened a few at a time, or a system's accept queue overflows and the kernel tries again later."""

SETTLE_S = 2.0
"""After the last question was sent: both systems have long put all of them to sleep."""

ANSWER_LIMIT_S = 30.0
READ_BYTES = 65_536


def load(host: str, port: int, path: str, count: int, change: Callable[[], None]) -> Outcome:
    """Have `count` clients wait at `path`, make the change, and time the answers.

    Args:
        host: address of the system.
        port: its HTTP port.
        path: path and query of a blocking query, with an index that nothing but the change exceeds.
        count: how many clients.
        change: makes the change; returns when it is acknowledged.

    Raises:
        LoadError: too few files may be open, a connection failed, or an answer came before the change.
    """
    _allow_files(count + FILES_SPARE)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    clients: dict[int, socket.socket] = {}
    poll = select.epoll()
    try:
        for number in range(count):
            client = socket.create_connection((host, port), timeout=5)
            clients[client.fileno()] = client
            client.sendall(request)
            client.setblocking(False)
            poll.register(client.fileno(), select.EPOLLIN | select.EPOLLET)
            if number % CONNECT_BATCH == 0:
                time.sleep(0.005)
        if poll.poll(SETTLE_S):
            raise LoadError("a client was answered before the change")
        return _woken(poll, clients, change)
    except OSError as error:
        raise LoadError(f"{len(clients)} of {count} clients: {error}") from error
    finally:
        poll.close()
        for client in clients.values():
            client.close()


def _woken(poll: select.epoll, clients: dict[int, socket.socket], change: Callable[[], None]) -> Outcome:
    began = time.perf_counter()
    change()
    times: dict[int, float] = {}
    wrong = 0
    while len(times) < len(clients) and time.perf_counter() - began < ANSWER_LIMIT_S:
        for number, _ in poll.poll(1.0):
            head = clients[number].recv(READ_BYTES)
            if number not in times:
                times[number] = time.perf_counter() - began
                wrong += not head.startswith(b"HTTP/1.1 200")
    missing = len(clients) - len(times)
    void = f"{missing} clients were not answered" if missing else f"{wrong} answers were not 200" if wrong else ""
    return outcome(sorted(times.values()), void)


def outcome(seconds: list[float], void: str) -> Outcome:
    """What the sorted times come to; the rate is how fast 99 of 100 were answered."""
    if not seconds:
        return Outcome(0.0, 0, {}, void or "nobody was answered")
    median, late = seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100]
    return Outcome(0.99 * len(seconds) / late, len(seconds), {"p50": median * 1e3, "p99": late * 1e3}, void)


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard < count:
        raise LoadError(f"{count} open files are needed and {hard} allowed: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
