"""Running a service: one event loop, one task group, one way to stop.

`run` gives a role its loop (uvloop), logs, signals and operations port, calls its `build`, and then waits for SIGTERM,
SIGINT or a task's unexpected end. The stop is always the same: readiness off, `stopping` set, the stop hooks in
reverse order under one limit, the tasks cancelled, the operations port closed. Exit 0 after a signal, 1 after a
failure. What a role does while it runs is not known here.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

import structlog
import uvloop

from lictor_kit import logs
from lictor_kit.metrics import Metrics
from lictor_kit.operations import OperationsServer
from lictor_kit.readiness import Readiness
from lictor_kit.settings import Settings

# Orchestrators kill after 10 s: 8 for the hooks leave room to cancel tasks and close ports.
STOP_LIMIT_S = 8.0
# After the hooks: a task that ignores its cancellation, or a blocked loop, is cut here.
CANCEL_LIMIT_S = 1.5

Hook = Callable[[], Awaitable[None]]
log = structlog.get_logger()


class Context:
    """What `run` hands to a role's `build`.

    `settings` has the type that `run` was given (a `build` that needs its own fields closes over them); `stopping` is
    set once the process should end; `readiness` and `metrics` are what the operations port shows, `operations_port` is
    the one that was bound.
    """

    def __init__(self, name: str, settings: Settings, group: asyncio.TaskGroup) -> None:
        self.name = name
        self.settings = settings
        self.stopping = asyncio.Event()
        self.metrics = Metrics(name)
        self.readiness = Readiness({"build": "starting"}, on_change=_log_readiness)
        self.failed = False
        self.operations_port = 0
        self._group = group
        self._hooks: list[Hook] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, work: Coroutine[Any, Any, Any], *, may_end: bool = False) -> asyncio.Task[None]:
        """Run `work` for as long as the process lives.

        Its exception, or its end before the stop unless it `may_end`, is logged once and stops the process (exit 1).
        Who keeps the returned task may cancel it at any time; at the stop it is cancelled after the hooks have run.
        """
        task = self._group.create_task(self._guarded(name, work, may_end), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def on_stop(self, hook: Hook) -> None:
        """Call `hook` at the stop; the last one added runs first."""
        self._hooks.append(hook)

    def stop(self, *, failed: bool = False) -> None:
        """Begin the stop; with `failed` the process will exit 1."""
        self.failed = self.failed or failed
        self.stopping.set()

    async def _guarded(self, name: str, work: Coroutine[Any, Any, Any], may_end: bool) -> None:
        try:
            await work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody cancelled this task: a cancelled future leaked out of it, and it is as dead as after a crash.
            log.exception("task ended by a stray cancellation", task=name)
            self.stop(failed=True)
        except Exception:  # the boundary that the task's owner promised: every failure ends the process, once logged
            log.exception("task failed", task=name)
            self.stop(failed=True)
        else:
            if not may_end and not self.stopping.is_set():
                log.error("task ended unexpectedly", task=name)
                self.stop(failed=True)

    async def run_hooks(self, deadline: float) -> None:
        """Run the stop hooks, last added first; after `deadline` (loop time) each runs only up to its first await."""
        for hook in reversed(self._hooks):
            name = getattr(hook, "__qualname__", repr(hook))
            scope = asyncio.timeout_at(deadline)
            try:
                async with scope:
                    await hook()
            except Exception:  # a failing hook must not keep the others from handing over
                if scope.expired():
                    log.warning("stop hook cut at the limit", hook=name)
                else:
                    log.exception("stop hook failed", hook=name)
        self._hooks.clear()

    def cancel_tasks(self) -> None:
        """Cancel everything that was spawned and still runs."""
        for task in tuple(self._tasks):
            task.cancel()


Build = Callable[[Context], Awaitable[None]]


def run(name: str, settings: Settings, build: Build, *, stop_limit_s: float = STOP_LIMIT_S) -> NoReturn:
    """Run a role until it is told to stop.

    Args:
        name: the role, as in logs and metrics.
        settings: its settings.
        build: makes and joins the role's parts, spawns its tasks and returns; the process is unready until then.
        stop_limit_s: seconds that all stop hooks together may take.

    Raises:
        SystemExit: 0 after SIGTERM or SIGINT, 1 after a failure.
    """
    logs.configure(name, settings.node, settings.log_level, settings.log_format)
    watchdog = threading.Timer(stop_limit_s + CANCEL_LIMIT_S, _cut)
    watchdog.daemon = True
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_serve(name, settings, build, stop_limit_s, watchdog))
    finally:
        watchdog.cancel()
    raise SystemExit(code)


async def _serve(name: str, settings: Settings, build: Build, stop_limit_s: float, watchdog: threading.Timer) -> int:
    async with asyncio.TaskGroup() as group:
        context = Context(name, settings, group)
        context.metrics.add_process_metrics()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, context.stop)
        operations = OperationsServer(
            settings.bind, settings.operations_port, context.readiness, context.metrics.registry
        )
        try:
            await operations.start()
        except OSError as error:
            log.error("operations port cannot be bound", host=operations.host, port=operations.port, error=str(error))  # noqa: TRY400  the port's number says more than a traceback
            return 1
        context.operations_port = operations.port
        log.info("starting", operations_port=operations.port, datacenter=settings.datacenter)
        building = context.spawn("build", _build(context, build), may_end=True)
        await context.stopping.wait()
        watchdog.start()
        log.info("stopping", failed=context.failed)
        context.readiness.set("stopping", ok=False, reason="the process is stopping")
        deadline = loop.time() + stop_limit_s
        building.cancel()
        # So that no hook is added while hooks run; a build that will not end leaves them half of the time.
        await asyncio.wait([building], timeout=stop_limit_s / 2)
        await context.run_hooks(deadline)
        context.cancel_tasks()
    await operations.stop()
    log.info("stopped")
    return 1 if context.failed else 0


async def _build(context: Context, build: Build) -> None:
    await build(context)
    context.readiness.set("build", ok=True)


def _log_readiness(ready: bool) -> None:
    log.info("ready" if ready else "not ready")


def _cut() -> None:
    # Runs on a thread of its own: the loop may be what hangs.
    log.error("stop cut: a task ignored its cancellation or the event loop is blocked")
    os._exit(1)
