"""Several processes of one role on one port (`LICTOR_WORKERS`): started, watched, told to stop, spoken for.

Each worker is a whole process of its role with its own view; the kernel deals connections and datagrams out among them
(SO_REUSEPORT), and the rest of Lictor sees replicas of one node. This process serves no requests. Its operations port
answers for all: ready when every worker is, their metrics with a label `worker`, at most `LOOK_S` old. A worker that
dies is started anew, with growing pauses; one whose parent is gone ends by itself.

Between parent and worker is one socket pair: the worker writes its operations port as a line, and reads to the end.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence

import structlog
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from lictor_kit.backoff import Backoff
from lictor_kit.service import Context

LOOK_S = 1.0
ANSWER_S = 2.0
RESTART_FIRST_S, RESTART_MAX_S = 0.2, 5.0
STEADY_S = 10.0
"""A worker that lived this long starts over with the shortest pause."""

STOP_S = 7.5
"""Below the eight seconds that the kit gives all hooks; who is left is killed."""

ANSWER_BYTES_MAX = 4 * 1024 * 1024

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a port is reached that is bound at every address."""

WORKER = "--worker"
"""The argument that makes a process a worker; it is for the parent alone."""

log = structlog.get_logger()


class Worker:
    """One of them."""

    def __init__(self, number: int, host: str, command: Callable[[int, int], Sequence[str]]) -> None:
        """`command` makes the command line from the number and the file descriptor of the worker's socket.

        `host` is where its operations port is reached.
        """
        self.number = number
        self._host = host
        self._command = command
        self._child: asyncio.subprocess.Process | None = None
        self.operations_port = 0
        self.metrics = ""
        self.restarts = 0

    async def keep(self, stopping: Callable[[], bool]) -> None:
        """Run it for as long as nobody stops."""
        loop = asyncio.get_running_loop()
        pauses = Backoff(RESTART_FIRST_S, RESTART_MAX_S, random.random)
        while not stopping():
            began = loop.time()
            code = await self._run(stopping)
            if stopping():
                return
            if loop.time() - began > STEADY_S:
                pauses.reset()
            pause_s = next(pauses)
            self.restarts += 1
            log.error("worker died", worker=self.number, code=code, restart_in_s=round(pause_s, 2))
            await asyncio.sleep(pause_s)

    async def _run(self, stopping: Callable[[], bool]) -> int:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            with theirs:
                self._child = await asyncio.create_subprocess_exec(
                    *self._command(self.number, theirs.fileno()), pass_fds=(theirs.fileno(),)
                )
            if stopping():  # the signal for all was sent while this one was being born
                self.send(signal.SIGTERM)
            with contextlib.suppress(ValueError, OSError):
                self.operations_port = int(await reader.readline() or b"0")
            return await self._child.wait()
        finally:
            self.operations_port = 0
            self.metrics = ""
            writer.close()

    def send(self, number: signal.Signals) -> None:
        """Pass on a signal."""
        if self.alive and self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.returncode is None

    async def ended(self) -> None:
        """Wait for its end."""
        if self._child is not None:
            await self._child.wait()

    async def readiness(self) -> tuple[str, dict[str, str]]:
        """Why it is not ready, empty when it is, and its notes."""
        found = await self._get("/readyz")
        if found is None:
            return "does not answer", {}
        told = json.loads(found)
        reasons = [f"{name}: {reason}" for name, reason in told["waiting"].items()]
        return "; ".join(reasons), told["notes"]

    async def look(self) -> None:
        """Fetch its metrics."""
        self.metrics = await self._get("/metrics") or ""

    async def _get(self, path: str) -> str | None:
        """The body at a path of its operations port, None when there is none."""
        if not self.operations_port:
            return None
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_connection(self._host, self.operations_port)
                try:
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n".encode())
                    answer = await reader.read(ANSWER_BYTES_MAX)
                    while not reader.at_eof() and len(answer) < ANSWER_BYTES_MAX:
                        answer += await reader.read(ANSWER_BYTES_MAX)
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return None
        return answer.partition(b"\r\n\r\n")[2].decode()


class Workers:
    """All of them."""

    def __init__(self, context: Context, count: int, command: Callable[[int, int], Sequence[str]]) -> None:
        self._context = context
        self._prefix = f"lictor_{context.name.replace('-', '_')}_worker_"
        host = EVERYWHERE.get(context.settings.bind, context.settings.bind)
        self.all = [Worker(number, host, command) for number in range(1, count + 1)]
        self._noted: set[str] = set()

    def start(self) -> None:
        """Start and watch them; the context's stop ends them."""
        context = self._context
        for worker in self.all:
            context.readiness.set(_name(worker), ok=False, reason="starting")
            context.spawn(_name(worker), worker.keep(context.stopping.is_set), may_end=True)
        context.spawn("looking at workers", self._watch())
        context.metrics.registry.register(self)
        context.on_stop(self._stop)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)

    def _pass_on(self, number: signal.Signals) -> None:
        for worker in self.all:
            worker.send(number)

    async def _watch(self) -> None:
        while True:
            notes: dict[str, str] = {}
            for worker in self.all:
                reason, told = await worker.readiness()
                self._context.readiness.set(_name(worker), ok=not reason, reason=reason)
                notes.update({f"{_name(worker)} {name}": text for name, text in told.items()})
                await worker.look()
            for name in self._noted - notes.keys():
                self._context.readiness.note(name, "")
            for name, text in notes.items():
                self._context.readiness.note(name, text)
            self._noted = set(notes)
            await asyncio.sleep(LOOK_S)

    async def _stop(self) -> None:
        self._pass_on(signal.SIGTERM)
        await asyncio.wait([asyncio.ensure_future(worker.ended()) for worker in self.all], timeout=STOP_S)
        for worker in self.all:
            if worker.alive:
                log.warning("worker killed: it did not stop in time", worker=worker.number)
                worker.send(signal.SIGKILL)

    # -- a collector of prometheus-client

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are the workers'."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The workers' metrics as they were at the last look."""
        restarts = Metric(f"{self._prefix}restarts_count", "Times a worker died and was started anew", "gauge")
        families: dict[str, Metric] = {restarts.name: restarts}
        for worker in self.all:
            label = {"worker": str(worker.number)}
            restarts.samples.append(Sample(restarts.name, label, worker.restarts))
            for found in text_string_to_metric_families(worker.metrics):
                name = self._shown(found.name)
                family = families.setdefault(name, Metric(name, found.documentation, found.type))
                for sample in found.samples:
                    family.samples.append(Sample(self._shown(sample.name), {**sample.labels, **label}, sample.value))
        return families.values()

    def _shown(self, name: str) -> str:
        """A process's own metrics (`process_…`, `python_…`) would be taken for this process's."""
        return name if name.startswith("lictor_") else self._prefix + name


def _name(worker: Worker) -> str:
    return f"worker {worker.number}"


def command(module: str) -> Callable[[int, int], list[str]]:
    """The command lines of real workers: `python -m MODULE --worker NUMBER DESCRIPTOR`."""
    return lambda number, descriptor: [sys.executable, "-m", module, WORKER, str(number), str(descriptor)]


def descriptor_of(arguments: Sequence[str]) -> int | None:
    """The descriptor in the arguments of a worker; None for any other process."""
    return int(arguments[2]) if arguments[:1] == [WORKER] and len(arguments) == 3 else None


async def obey_parent(context: Context, descriptor: int) -> None:
    """In a worker: tell the parent our operations port, and stop when the parent has ended."""
    pair = socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    reader, writer = await asyncio.open_connection(sock=pair)
    writer.write(f"{context.operations_port}\n".encode())

    async def watch() -> None:
        await reader.read()
        context.stop()

    context.spawn("parent", watch(), may_end=True)

    async def close() -> None:
        writer.close()

    context.on_stop(close)
