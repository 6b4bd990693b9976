"""Real `serf` agents as processes, each on a loopback address of its own, with their command line."""

import asyncio
import json
import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from lictor_swim import Endpoint

SERF = shutil.which("serf")
LIMIT_S = 60.0


def free_endpoint(host: str) -> Endpoint:
    """A port of an address that is free for TCP at this moment."""
    with closing(socket.socket()) as probe:
        probe.bind((host, 0))
        return Endpoint(host, probe.getsockname()[1])


async def until(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Watch a condition that no one event tells."""
    deadline = asyncio.get_running_loop().time() + limit_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"{what}: not within {limit_s} s"
        await asyncio.sleep(0.02)


class RealAgent:
    """A `serf agent` process with its command line."""

    def __init__(self, name: str, host: str, folder: Path, *options: str, profile: str = "local") -> None:
        self.name, self.endpoint = name, free_endpoint(host)
        self.log_path = folder / f"{name}.log"
        self._rpc = "{}:{}".format(*free_endpoint(self.endpoint.host))
        self.options, self.profile = options, profile
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *more: str) -> None:
        assert SERF is not None
        with self.log_path.open("a") as log:
            self.process = await asyncio.create_subprocess_exec(
                SERF, "agent", f"-node={self.name}", f"-bind={self.endpoint.host}:{self.endpoint.port}",
                f"-rpc-addr={self._rpc}", f"-profile={self.profile}", "-log-level=debug", *self.options, *more,
                stdout=log, stderr=log,
            )  # fmt: skip
        await until(lambda: "Serf agent starting" in self.log(), f"{self.name} starts")

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()

    def log(self) -> str:
        return self.log_path.read_text()

    async def run(self, *arguments: str, code: int = 0) -> str:
        assert SERF is not None
        verb, *rest = arguments
        process = await asyncio.create_subprocess_exec(
            SERF, verb, f"-rpc-addr={self._rpc}", *rest,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
        assert process.returncode == code, output.decode()
        return output.decode()

    async def status_of(self, name: str) -> str:
        output = await self.run("members", "-format=json")
        members = json.loads(output)["members"] if output.startswith("{") else []
        return next((one["status"] for one in members if one["name"] == name), "absent")

    async def sees(self, name: str, status: str) -> None:
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        while await self.status_of(name) != status:
            assert asyncio.get_running_loop().time() < deadline, f"{self.name} does not see {name} {status}"
            await asyncio.sleep(0.1)
