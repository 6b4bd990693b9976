"""What a row needs to know of a system: its addresses, its processes, its name. Starting it is each system's own."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

LICTOR = "Lictor"
PEER_LEADER = "Consul leader"
PEER_FOLLOWER = "Consul follower"

READY_LIMIT_S = 120.0
"""Eight Python processes on a small, busy machine need some seconds; a hung start should still end."""

STOP_LIMIT_S = 15.0
"""Both systems promise to stop within 10 s."""

POLL_S = 0.1


class UnavailableError(Exception):
    """A system cannot be started or does not answer; the message is what its rows say instead of a number."""


class Target(NamedTuple):
    """One address of a system that can be put under load."""

    name: str
    host: str
    http_port: int
    dns_port: int

    @property
    def http(self) -> str:
        """The root of its HTTP API, without a slash at the end."""
        return f"http://{self.host}:{self.http_port}"


class System(Protocol):
    """A control plane that this harness started."""

    name: str

    def start(self) -> None:
        """Start every process and wait until all answer.

        Raises:
            UnavailableError: it did not come up; whatever was started is still to be stopped.
        """

    def targets(self) -> list[Target]:
        """The addresses as they are now: a leader may have changed since the last round.

        Raises:
            UnavailableError: there is no leader at the moment.
        """

    def processes(self) -> dict[str, int]:
        """Name and process id of every process that belongs to the system."""

    def version(self) -> str:
        """What it calls itself."""

    def stop(self) -> None:
        """End every process that `start` started."""


def wait_until(done: Callable[[], bool], limit_s: float, what: str) -> None:
    """Ask again until it is true.

    Raises:
        UnavailableError: it was not true within `limit_s`; `what` says what was waited for.
    """
    limit = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > limit:
            raise UnavailableError(f"{what} within {limit_s:.0f} s")
        time.sleep(POLL_S)


def all_free(host: str, ports: Iterable[int]) -> bool:
    """Whether nobody holds any of these ports, neither TCP nor UDP."""
    for port in ports:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind is socket.SOCK_STREAM))
                try:
                    probe.bind((host, port))
                except OSError:
                    return False
    return True


def spawn(command: list[str], log: Path, settings: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C reaches this harness alone; its output goes to `log`.

    `settings` are added to its environment unless they are there already.
    """
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**(settings or {}), **os.environ},
        )


def end(children: list[subprocess.Popen[bytes]], number: signal.Signals = signal.SIGTERM) -> None:
    """Ask all to end, and kill by process id those that do not in time."""
    for child in children:
        if child.poll() is None:
            child.send_signal(number)
    limit = time.monotonic() + STOP_LIMIT_S
    for child in children:
        try:
            child.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def last_lines(log: Path, count: int = 3) -> str:
    """The end of what a program printed, on one line."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return " / ".join(line.strip() for line in lines[-count:])


def inherited_settings() -> dict[str, str]:
    """The LICTOR_… variables that this process passes on: part of what was measured."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith("LICTOR_")}
