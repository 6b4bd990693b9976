"""The life of one `lictor dev`: check ports, start, wait until everything answers, tour, end."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from lictor_cli.connect.envoy import bootstrap_for
from lictor_cli.dev import control, mesh_demo, plan
from lictor_cli.dev.console import DevConsole
from lictor_cli.dev.free_ports import first_taken
from lictor_cli.dev.plan import HOST, Options, Ports, Process
from lictor_cli.dev.supervisor import Supervisor
from lictor_cli.dev.tour import tour
from lictor_cli.http_api import Api, ApiError

READY_POLL_S = 0.05
READY_LIMIT_S = 120.0
DEMO_SIDECARS = ("frontend", "backend-1", "backend-2")


class StartError(Exception):
    """The suite cannot be started; the message is one clear line."""


class Launcher:
    """Starts and ends the suite."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._ports: Ports = options.ports()
        self._console = DevConsole(width=16)
        self._began = time.monotonic()

    async def run(self) -> int:
        """Run until SIGINT or SIGTERM; the exit code.

        Raises:
            StartError: a port is taken.
        """
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        processes = [plan.nats(self._ports), *plan.roles(self._options)]
        applications = plan.demo_applications(self._ports) if self._options.demo else []
        self._check_ports([*processes, *applications])
        self._options.data_dir.mkdir(parents=True, exist_ok=True)
        async with asyncio.TaskGroup() as group:
            supervisor = Supervisor(self._console, group)
            server = await control.listen(self._options.data_dir, lambda asked: self._command(supervisor, asked))
            for process in [*processes, *applications]:
                supervisor.start(process)
            arriving = group.create_task(self._arrive(supervisor, [*processes, *applications]), name="arrive")
            await stopping.wait()
            self._console.say("stopping")
            arriving.cancel()
            server.close()
            await supervisor.stop()
            (self._options.data_dir / control.SOCKET_NAME).unlink(missing_ok=True)
        self._console.say("stopped")
        return 0

    def _check_ports(self, processes: list[Process]) -> None:
        taken = first_taken(processes)
        if taken:
            process, listen = taken
            raise StartError(
                f"port {listen.port} ({'UDP' if listen.udp else 'TCP'}, {process.name}) is taken: "
                f"choose another with {listen.option}"
            )

    async def _arrive(self, supervisor: Supervisor, processes: list[Process]) -> None:
        """Wait for the roles, set up the demo, wait for it, and say that everything is ready."""
        try:
            if self._options.demo:  # its sidecars start while the other roles do: only the catalog is needed
                await self._all_ready([one for one in processes if one.name == "catalog"])
                sidecars = await asyncio.to_thread(self._set_up_demo)
                for one in sidecars:
                    supervisor.start(one)
                processes = [*processes, *sidecars]
            await self._all_ready(processes)
            if self._options.demo:
                await self._demo_answers()
        except (ApiError, TimeoutError) as error:
            self._console.plain(f"not ready: {error}")
            return
        seconds = time.monotonic() - self._began
        self._console.plain(f"ready in {seconds:.1f} s: http://{HOST}:{self._ports.http}")
        for line in tour(self._options, self._ports):
            self._console.plain(line)

    async def _all_ready(self, processes: list[Process]) -> None:
        limit = time.monotonic() + READY_LIMIT_S
        for process in processes:
            while process.ready_url and not await asyncio.to_thread(_answers, process.ready_url):
                if time.monotonic() > limit:
                    raise TimeoutError(f"{process.name} does not become ready; see {process.ready_url}")
                await asyncio.sleep(READY_POLL_S)

    def _set_up_demo(self) -> list[Process]:
        """Register the demo and write one bootstrap file per sidecar."""
        api = Api(f"{HOST}:{self._ports.http}")
        mesh_demo.register(api, self._ports)
        registered = api.get("/v1/agent/services")
        sidecars = []
        folder = self._options.data_dir / "envoy"
        folder.mkdir(exist_ok=True)
        for offset, name in enumerate(DEMO_SIDECARS):
            proxy = registered[f"{name}-sidecar-proxy"]
            admin = self._ports.envoy_admin + offset
            bootstrap = bootstrap_for(api, proxy["ID"], grpc=f"{HOST}:{self._ports.grpc}", admin=f"{HOST}:{admin}")
            path = folder / f"{name}.json"
            path.write_text(json.dumps(bootstrap, indent=2))
            sidecars.append(plan.sidecar(name, admin, path, proxy["Port"]))
        return sidecars

    async def _demo_answers(self) -> None:
        """Wait until one true call has gone through the whole mesh."""
        limit = time.monotonic() + READY_LIMIT_S
        while not await asyncio.to_thread(_answers, f"http://{HOST}:{self._ports.frontend}/"):
            if time.monotonic() > limit:
                raise TimeoutError("the demo's call does not get through the mesh")
            await asyncio.sleep(READY_POLL_S)

    @staticmethod
    def _command(supervisor: Supervisor, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("do") == "restart":
            known = supervisor.restart(str(asked.get("name")))
            return {"ok": known, "names": supervisor.names()}
        return {"ok": True, "processes": {name: supervisor.pid(name) for name in supervisor.names()}}


def launch(options: Options, *, fresh: bool) -> int:
    """Run `lictor dev`.

    Raises:
        StartError: it cannot be started.
    """
    if fresh:
        _forget(options.data_dir)
    return asyncio.run(Launcher(options).run())


def _forget(data_dir: Path) -> None:
    """Remove what earlier runs left, unless one still runs."""
    with contextlib.suppress(OSError, ValueError):
        control.ask(data_dir, {"do": "status"})
        raise StartError(f"a lictor dev runs on {data_dir}: end it before --fresh")
    for name in ("raft-store", "gossip", "envoy"):
        shutil.rmtree(data_dir / name, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:  # noqa: S310  http on this machine
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def in_ci() -> bool:
    """Whether nobody watches the terminal."""
    return bool(os.environ.get("CI"))
