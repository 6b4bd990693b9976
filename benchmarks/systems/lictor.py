"""The suite of this repository, as `lictor dev --no-demo` starts it: three raft-stores, one of every other role."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.systems.system import (
    LICTOR,
    READY_LIMIT_S,
    Target,
    UnavailableError,
    all_free,
    end,
    last_lines,
    spawn,
    wait_until,
)

HOST = "127.0.0.1"
SERVERS = 3
HTTP, DNS = 8500, 8600
PORTS = (8500, 8502, 8600, 8300, 8301, 4222, *range(8571, 8571 + 7 + SERVERS))
"""What `lictor dev` binds without the demo, before the offset."""

OFFSETS = range(3_000, 23_000, 500)
"""Beyond Consul's and NATS' own ports, below the ports that the kernel gives to clients."""


SETTINGS = {"LICTOR_CATALOG_CONNECTIONS_PER_CLIENT": "8000"}
"""As Consul's `http_max_conns_per_client` here: the load comes from one address."""


class Lictor:
    """One `lictor dev`, and what it tells about itself."""

    name = LICTOR

    def __init__(self, folder: Path, *, direct: bool = False) -> None:
        """`folder` takes data and logs; `direct` has the direct lane beside NATS."""
        self._folder = folder
        self._direct = direct
        self._command = str(Path(sys.executable).parent / "lictor")
        self._offset = 0
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the suite and wait until it says that everything is ready.

        Raises:
            UnavailableError: it ended, or a role did not become ready.
        """
        self._offset = free_offset()
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [self._command, "dev", "--no-demo", "--servers", str(SERVERS)]
        command += ["--port-offset", str(self._offset), "--data-dir", str(self._data)]
        if self._direct:
            command.append("--direct")
        try:
            self._children.append(spawn(command, self._log, SETTINGS))
        except OSError as error:
            raise UnavailableError(f"lictor dev does not run: {error}") from error
        wait_until(self._ready, READY_LIMIT_S + 10, "lictor dev was not ready")

    def targets(self) -> list[Target]:
        """The one catalog and the one dns."""
        return [Target(LICTOR, HOST, HTTP + self._offset, DNS + self._offset)]

    def processes(self) -> dict[str, int]:
        """Every process of the suite that runs, workers too; the supervisor, a tool for developing, is left out.

        Raises:
            UnavailableError: the supervisor does not answer.
        """
        asked = [self._command, "dev", "status", "--data-dir", str(self._data)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"lictor dev status: {done.stderr.strip()}")
        found = parse_status(done.stdout)
        workers = {
            f"{name} worker {number}": child
            for name, pid in found.items()
            for number, child in enumerate(children(pid), 1)
        }
        return found | workers

    def version(self) -> str:
        """The commit that is measured."""
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=False
        )
        return f"Lictor {done.stdout.strip() or 'without a commit'}"

    def stop(self) -> None:
        """End the suite; it ends its own processes."""
        end(self._children, signal.SIGINT)
        self._children.clear()

    def _ready(self) -> bool:
        code = self._children[0].poll()
        if code is not None:
            raise UnavailableError(f"lictor dev ended ({code}): {last_lines(self._log)}")
        for line in self._log.read_text(errors="replace").splitlines():
            if line.startswith("not ready:"):
                raise UnavailableError(f"lictor dev is {line}")
            if line.startswith("ready in "):
                return True
        return False

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "dev.log"


def children(pid: int) -> list[int]:
    """The processes that a process has started (proc(5), children): its workers, where it has any."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def free_offset() -> int:
    """An offset at which all ports of the suite are free.

    Raises:
        UnavailableError: there is none.
    """
    for offset in OFFSETS:
        if all_free(HOST, (port + offset for port in PORTS)):
            return offset
    raise UnavailableError("no port offset is free for lictor dev")


def parse_status(printed: str) -> dict[str, int]:
    r"""Name and process id from `lictor dev status`, without those that are down.

    Example:
        >>> parse_status("     812  nats\n       0  xds\n")
        {'nats': 812}
    """
    found = re.findall(r"^\s*(\d+)\s+(\S+)\s*$", printed, flags=re.MULTILINE)
    return {name: int(pid) for pid, name in found if int(pid)}
