"""Starts processes, passes on what they print, restarts those that die, and ends all of them.

Each process is the leader of its own session, so that Ctrl-C reaches the supervisor alone, and is told by the kernel
to end should the supervisor be killed. Roles that die are started again with growing pauses; a demo application stays
down until it is asked for.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
from dataclasses import dataclass, field

from lictor_cli.dev.console import DevConsole
from lictor_cli.dev.plan import Kind, Process

RESTART_FIRST_S = 0.2
RESTART_MAX_S = 5.0
STEADY_S = 10.0
"""A process that lived this long starts over with the shortest pause."""

STOP_LIMIT_S = 9.0
LINE_BYTES_MAX = 256 * 1024
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """In the child, before it becomes the program: ask the kernel for SIGTERM when the supervisor ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class _Running:
    process: Process
    child: asyncio.subprocess.Process | None = None
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Runs processes until it is told to stop."""

    def __init__(self, console: DevConsole, group: asyncio.TaskGroup) -> None:
        self._console = console
        self._group = group
        self._running: dict[str, _Running] = {}
        self._stopping = False

    def start(self, process: Process) -> None:
        """Start a process and keep it running."""
        running = self._running[process.name] = _Running(process)
        running.task = self._group.create_task(self._keep(running), name=process.name)

    def names(self) -> list[str]:
        """What is supervised, in the order of starting."""
        return list(self._running)

    def pid(self, name: str) -> int:
        """The process id of a running process, 0 when it is down."""
        child = self._running[name].child
        return child.pid if child and child.returncode is None else 0

    def restart(self, name: str) -> bool:
        """Start a process that is down, or end and start one that runs; whether the name is known."""
        running = self._running.get(name)
        if running is None:
            return False
        running.wanted.set()
        if running.child and running.child.returncode is None:
            running.child.send_signal(signal.SIGTERM)
        return True

    async def stop(self) -> None:
        """End everything: last started first told, NATS last, whoever hangs is killed."""
        self._stopping = True
        order = [one for one in reversed(self._running.values()) if one.process.name != "nats"]
        await self._end(order, STOP_LIMIT_S - 1.0)
        await self._end([one for one in self._running.values() if one.process.name == "nats"], 1.0)
        for running in self._running.values():
            if running.task:
                running.task.cancel()

    async def _end(self, several: list[_Running], limit_s: float) -> None:
        children = [one.child for one in several if one.child and one.child.returncode is None]
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
        waits = [asyncio.ensure_future(child.wait()) for child in children]
        if waits:
            await asyncio.wait(waits, timeout=limit_s)
        for child in children:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
        if waits:
            await asyncio.wait(waits)

    async def _keep(self, running: _Running) -> None:
        loop = asyncio.get_running_loop()
        pause = RESTART_FIRST_S
        while not self._stopping:
            began = loop.time()
            running.wanted.clear()
            code = await self._run(running)
            if self._is_stopping():
                return
            if running.process.kind is Kind.DEMO and not running.wanted.is_set():
                name = running.process.name
                self._console.say(f"{name} ended ({_how(code)}); start it with: lictor dev restart {name}")
                await running.wanted.wait()
                pause = RESTART_FIRST_S
            elif running.wanted.is_set():
                self._console.say(f"{running.process.name} is started again")
            else:
                pause = RESTART_FIRST_S if loop.time() - began > STEADY_S else min(pause * 2, RESTART_MAX_S)
                self._console.say(f"{running.process.name} died ({_how(code)}); it is started again in {pause:.1f} s")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await running.wanted.wait()

    def _is_stopping(self) -> bool:
        return self._stopping

    async def _run(self, running: _Running) -> int:
        """Run a process once; its exit code."""
        child = running.child = await asyncio.create_subprocess_exec(
            *running.process.command,
            env={**os.environ, **running.process.environment, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
            limit=LINE_BYTES_MAX,
        )
        assert child.stdout is not None
        while True:
            try:
                line = await child.stdout.readline()
            except ValueError:  # a line beyond the limit: asyncio has dropped what it held of it
                continue
            if not line:
                break
            self._console.line(running.process.name, line.decode(errors="replace").rstrip())
        return await child.wait()


def _how(code: int) -> str:
    """How a process ended, for people."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
