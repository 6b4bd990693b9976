"""A cluster of real processes for chaos tests: n NATS servers, m raft-stores, perhaps catalogs, on free ports.

    with RealCluster(tmp_path, nats=3, stores=3) as cluster:
        cluster.start()
        cluster.kill(cluster.leader())          # by process id: kill, freeze, thaw, terminate; then start again
        ...

Every process has a name (`nats-1`, `raft-store-2`, `catalog-1`), a folder of its own and a log in `logs/`. Process k
lists NATS server k first and the others after it, as a deployment with one NATS server beside each raft-store does.
When the `with` block fails, the ends of all logs are printed and the folder stays where pytest keeps it.

What it does not do: no network faults, no waiting beyond readiness and leadership.
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

HOST = "127.0.0.1"
PORTS_FROM, PORTS_TO = 20_000, 32_000
"""Below the ports that the kernel gives to outgoing connections, which would take one between the look and the bind."""

STARTS_S = 60.0
"""Python processes on a small busy machine need seconds; a hung start must still end."""

STOPS_S = 12.0
"""Every process promises to stop within 10 s of SIGTERM."""

ASK_S = 2.0
POLL_S = 0.02
LOG_TAIL = 40

_LEADER = re.compile(r"^\w*leader_count(?:\{[^}]*\})? 1(?:\.0)?$", re.MULTILINE)
_METRIC = re.compile(r"^(\w+?)(?:\{[^}]*\})? ([-+0-9.e]+)$", re.MULTILINE)
T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout_s: float, what: str) -> T:
    """Poll a condition; its first true value."""
    limit = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < limit, f"{what}: not within {timeout_s} s"
        time.sleep(POLL_S)


def free_ports() -> Iterator[int]:
    """TCP ports that nobody holds, each once, from a random place so that two runs rarely meet."""
    span = PORTS_TO - PORTS_FROM
    start = random.SystemRandom().randrange(span)
    for step in range(span):
        port = PORTS_FROM + (start + step) % span
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        yield port


@dataclass
class Program:
    """One process, whether it runs or not: how to start it, and where it answers."""

    name: str
    command: list[str]
    folder: Path
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    """NATS: clients' port. Roles: the operations port."""
    monitor: int = 0
    """NATS: the port of /connz. Catalogs: the HTTP API's."""
    process: subprocess.Popen[bytes] | None = None
    frozen: bool = False

    @property
    def pid(self) -> int:
        """The process id, 0 when it does not run."""
        return self.process.pid if self.process is not None and self.process.poll() is None else 0

    def start(self) -> None:
        """Start it, unless it runs; its log goes on where it ended."""
        if self.pid:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LICTOR_")}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**inherited, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.frozen = False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        assert self.process is not None, f"{self.name} was never started"
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        if number is signal.SIGSTOP:
            self.frozen = True
        elif number is signal.SIGCONT:
            self.frozen = False

    def end(self) -> None:
        """Kill it, frozen or not, and wait."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(STOPS_S)

    def tail(self) -> str:
        """The end of its log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join([f"--- {self.name}", *lines[-LOG_TAIL:]])


class RealCluster:
    """NATS servers, raft-stores and catalogs as processes of their own; nothing runs before `start`."""

    def __init__(
        self,
        folder: Path,
        *,
        nats: int = 1,
        stores: int = 3,
        catalogs: int = 0,
        settings: dict[str, str] | None = None,
        own_nats_only: bool = False,
    ) -> None:
        """Define the processes.

        Args:
            folder: data and logs.
            nats: servers, joined to one NATS cluster.
            stores: raft-stores that found the cluster.
            catalogs: catalogs, each with an HTTP API.
            settings: `LICTOR_…` variables for every role, e.g. `{"LICTOR_DIRECT": "on"}`.
            own_nats_only: process k knows NATS server k and no other, so that killing that cuts it off alone.
        """
        self.folder = folder
        self._ports = free_ports()
        self._own_nats_only = own_nats_only
        self._settings = settings or {}
        self._expect = stores
        self.programs: dict[str, Program] = {}
        self._add_nats(nats)
        for number in range(1, stores + 1):
            self.add_store(number)
        for number in range(1, catalogs + 1):
            self._add_role("catalog", number, {"LICTOR_CATALOG_HTTP_PORT": str(self._next_port())})

    # -- what there is

    def _next_port(self) -> int:
        return next(self._ports)

    def _add(self, program: Program) -> Program:
        self.programs[program.name] = program
        return program

    def _add_nats(self, count: int) -> None:
        routes = [self._next_port() for _ in range(count)]
        for number, route in enumerate(routes, start=1):
            port, monitor = self._next_port(), self._next_port()
            command = [beside_python("nats-server"), "--addr", HOST, "--port", str(port), "--http_port", str(monitor)]
            command += ["--server_name", f"nats-{number}"]
            if count > 1:
                others = ",".join(f"nats://{HOST}:{one}" for one in routes if one != route)
                command += ["--cluster_name", "chaos", "--cluster", f"nats://{HOST}:{route}", "--routes", others]
                command += ["--no_advertise"] if self._own_nats_only else []  # else clients learn of the others
            name = f"nats-{number}"
            self._add(Program(name, command, self.folder / name, self._log(name), port=port, monitor=monitor))

    def add_store(self, number: int) -> Program:
        """Define one more raft-store; all share nothing, each has a volume of its own."""
        return self._add_role("raft-store", number, {"LICTOR_RAFT_STORE_SLOTS": "1"})

    def _add_role(self, role: str, number: int, own: dict[str, str]) -> Program:
        name, port = f"{role}-{number}", self._next_port()
        if role == "raft-store":
            own = {"LICTOR_RAFT_STORE_NAME": f"server-{number}", **own}
        environment = {
            "LICTOR_NODE": f"node-{number}",
            "LICTOR_NATS_URL": self.nats_url(number, alone=self._own_nats_only),
            "LICTOR_BOOTSTRAP_EXPECT": str(self._expect),
            "LICTOR_DATA_DIR": str(self.folder / name / "data"),
            "LICTOR_LOG_FORMAT": "json",
            "LICTOR_OPERATIONS_PORT": str(port),
            **own,
            **self._settings,
        }
        command = [sys.executable, "-m", f"lictor_{role.replace('-', '_')}"]
        monitor = int(own.get("LICTOR_CATALOG_HTTP_PORT", "0"))
        program = Program(name, command, self.folder / name, self._log(name), environment, port, monitor)
        return self._add(program)

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def named(self, role: str) -> list[Program]:
        """All processes of `nats`, `raft-store` or `catalog`."""
        return [one for one in self.programs.values() if one.name.rsplit("-", 1)[0] == role]

    def nats_url(self, first: int = 1, *, alone: bool = False) -> str:
        """The NATS servers as one setting, beginning with server number `first`, or that one `alone`."""
        servers = self.named("nats")
        turn = (first - 1) % len(servers)
        return ",".join(
            f"nats://{HOST}:{one.port}" for one in [servers[turn]] * alone or servers[turn:] + servers[:turn]
        )

    def http(self, catalog: int = 1) -> str:
        """The root of a catalog's HTTP API."""
        return f"http://{HOST}:{self.programs[f'catalog-{catalog}'].monitor}"

    # -- what is done to them

    def start(self, *names: str) -> None:
        """Start the named processes (all, without names) and wait until they are ready."""
        chosen = [self.programs[name] for name in names] or list(self.programs.values())
        for program in chosen:
            program.start()
        for program in chosen:
            wait_until(lambda one=program: self._is_ready(one), STARTS_S, f"{program.name} is ready")  # type: ignore[misc]

    def kill(self, *names: str) -> None:
        """SIGKILL, and wait until they are gone."""
        for name in names:
            self.programs[name].signal(signal.SIGKILL)
        for name in names:
            process = self.programs[name].process
            assert process is not None
            process.wait(STOPS_S)

    def terminate(self, *names: str) -> None:
        """SIGTERM, and wait for the exit code 0."""
        for name in names:
            self.programs[name].signal(signal.SIGTERM)
        for name in names:
            process = self.programs[name].process
            assert process is not None
            code = process.wait(STOPS_S)
            assert code == 0, f"{name} ended with {code}"

    def freeze(self, *names: str) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        for name in names:
            self.programs[name].signal(signal.SIGSTOP)

    def thaw(self, *names: str) -> None:
        """SIGCONT."""
        for name in names:
            self.programs[name].signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill everything that still runs."""
        for program in reversed(self.programs.values()):
            program.end()

    # -- what they say

    def _is_ready(self, program: Program) -> bool:
        assert program.pid, f"{program.name} ended by itself\n{program.tail()}"
        if program.name.startswith("nats-"):
            body = get(f"http://{HOST}:{program.monitor}/routez")
            others = len(self.named("nats")) - 1
            return body is not None and int(json.loads(body)["num_routes"]) >= others
        return get(f"http://{HOST}:{program.port}/readyz") is not None

    def metrics(self, name: str) -> dict[str, float]:
        """A role's metrics without labels, summed by name; empty when it does not answer."""
        body = get(f"http://{HOST}:{self.programs[name].port}/metrics")
        found: dict[str, float] = {}
        for metric, value in _METRIC.findall(body or ""):
            found[metric] = found.get(metric, 0.0) + float(value)
        return found

    def find_leader(self) -> str:
        """The raft-store that says it leads, "" for none; of several (one is cut off and does not know) the newest."""
        found: list[tuple[float, str]] = []
        for program in self.named("raft-store"):
            if program.pid and not program.frozen:
                body = get(f"http://{HOST}:{program.port}/metrics") or ""
                if _LEADER.search(body):
                    found.append((term_in(body), program.name))
        return max(found)[1] if found else ""

    def leader(self, timeout_s: float = 15.0) -> str:
        """Wait for a leader; its name."""
        return wait_until(self.find_leader, timeout_s, "a leader")

    def term(self) -> int:
        """The highest term that any raft-store knows."""
        return max((int(term_in(get(f"http://{HOST}:{one.port}/metrics") or "")) for one in self._awake()), default=0)

    def _awake(self) -> list[Program]:
        return [one for one in self.named("raft-store") if one.pid and not one.frozen]

    def nats_of(self, name: str) -> str:
        """The NATS server that a raft-store is connected to, "" for none: asked at every server that answers."""
        wanted = self.connection_name(name)
        for server in self.named("nats"):
            if not server.pid or server.frozen:
                continue
            connections: list[dict[str, Any]] = json.loads(get(f"http://{HOST}:{server.monitor}/connz") or "{}").get(
                "connections", []
            )
            if any(one.get("name") == wanted for one in connections):
                return server.name
        return ""

    @staticmethod
    def connection_name(name: str) -> str:
        """What a process calls its connection to NATS; see each role's `app`."""
        role, number = name.rsplit("-", 1)
        return f"raft-store server-{number}" if role == "raft-store" else f"{role} node-{number}"

    def tails(self) -> str:
        """The ends of all logs."""
        return "\n".join(one.tail() for one in self.programs.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is not None:
            print(f"\nlogs in {self.folder / 'logs'}\n{self.tails()}")


def term_in(metrics: str) -> float:
    """The Raft term in a raft-store's metrics, 0 when there is none."""
    return next((float(value) for name, value in _METRIC.findall(metrics) if name.endswith("term_index")), 0.0)


def get(url: str) -> str | None:
    """The body of a 200 answer, or None."""
    try:
        with urllib.request.urlopen(url, timeout=ASK_S) as answer:
            body: bytes = answer.read()
            return body.decode()
    except (OSError, urllib.error.HTTPError, ValueError):
        return None


def beside_python(name: str) -> str:
    """A program installed in the same environment as this Python."""
    return str(Path(sys.executable).parent / name)
