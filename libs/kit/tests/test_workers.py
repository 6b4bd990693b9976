"""Workers: several processes on one port, with one operations port that speaks for all."""

import asyncio
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lictor_kit import Context, workers
from lictor_kit.settings import Settings
from lictor_kit.workers import Workers, command, descriptor_of

STUB = """
import http.server, json, os, signal, socket, sys, threading
number, descriptor = sys.argv[1:]
signal.signal(signal.SIGTERM, signal.SIG_IGN if number == "9" else lambda *_: os._exit(0))
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        waiting = {"view": "not complete"} if number == "2" and not os.path.exists(os.environ["COMPLETE"]) else {}
        self.wfile.write(
            json.dumps({"ready": not waiting, "waiting": waiting, "notes": {"leader": "silent"}}).encode()
            if self.path == "/readyz"
            else b"# HELP lictor_catalog_requests_total Requests\\n# TYPE lictor_catalog_requests_total counter\\n"
            b'lictor_catalog_requests_total{route="/a"} ' + number.encode() + b"\\n"
            b"# HELP process_open_fds Files\\n# TYPE process_open_fds gauge\\nprocess_open_fds 3\\n"
        )
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
threading.Thread(target=server.serve_forever, daemon=True).start()
pair = socket.socket(fileno=int(descriptor))
pair.sendall(f"{server.server_port}\\n".encode())
pair.recv(1)
os._exit(0)
"""


def story(told: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an asynchronous test in a loop of its own, at most ten seconds."""

    @functools.wraps(told)
    def run() -> None:
        async def bounded() -> None:
            async with asyncio.timeout(10):
                await told()

        asyncio.run(bounded())

    return run


async def until(holds: Callable[[], bool], pause_s: float) -> None:
    """Wait, bounded, until something holds."""
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(pause_s)
    raise AssertionError("it never came to hold")


@asynccontextmanager
async def running(count: int, first: int = 1) -> AsyncIterator[tuple[Workers, Context]]:
    async with asyncio.TaskGroup() as group:
        context = Context("catalog", Settings(), group)
        context.readiness.set("build", ok=True)

        def command(number: int, descriptor: int) -> list[str]:
            return [sys.executable, "-c", STUB, str(number + first - 1), str(descriptor)]

        fleet = Workers(context, count, command)
        fleet.start()
        try:
            yield fleet, context
        finally:
            context.stop()
            loop = asyncio.get_running_loop()
            await context.run_hooks(loop.time() + 5)
            context.cancel_tasks()


def pids(fleet: Workers) -> list[int]:
    return [worker._child.pid for worker in fleet.all if worker._child]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workers, "LOOK_S", 0.02)
    monkeypatch.setenv("COMPLETE", str(tmp_path / "complete"))


def ready(context: Context) -> Callable[[], bool]:
    return lambda: context.readiness.ready


@story
async def test_all_are_ready_when_each_is_and_the_reason_names_the_one_that_is_not() -> None:
    async with running(2) as (_, context):
        assert not context.readiness.ready
        await until(lambda: context.readiness.waiting == {"worker 2": "view: not complete"}, pause_s=0.005)
        await until(lambda: b"worker 1 leader" in context.readiness.json(), pause_s=0.005)
        os.close(os.open(os.environ["COMPLETE"], os.O_CREAT))
        await until(ready(context), pause_s=0.005)


@story
async def test_metrics_of_all_workers_are_one_valid_page_with_a_label() -> None:
    async with running(1) as (fleet, context), running(1, first=3) as (other, _):
        await until(lambda: bool(fleet.all[0].metrics and other.all[0].metrics), pause_s=0.005)
        fleet.all.append(other.all[0])
        other.all[0].number = 3
        text = generate_latest(context.metrics.registry).decode()
        fleet.all.pop()
    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert {one.labels["worker"]: one.value for one in families["lictor_catalog_requests"].samples} == {
        "1": 1.0,
        "3": 3.0,
    }
    assert len(families["lictor_catalog_worker_process_open_fds"].samples) == 2
    assert text.count("# TYPE lictor_catalog_requests_total counter") == 1


@story
async def test_a_worker_that_dies_is_started_anew_and_none_is_ready_meanwhile() -> None:
    async with running(1) as (fleet, context):
        await until(ready(context), pause_s=0.005)
        (before,) = pids(fleet)
        os.kill(before, signal.SIGKILL)
        await until(lambda: not context.readiness.ready, pause_s=0.002)
        await until(ready(context), pause_s=0.005)
        assert pids(fleet) != [before]
        assert fleet.all[0].restarts == 1


@story
async def test_the_stop_ends_every_worker_and_starts_none() -> None:
    async with running(2) as (fleet, _):
        await until(lambda: all(worker.operations_port for worker in fleet.all), pause_s=0.005)
        started = pids(fleet)
    assert [worker.alive for worker in fleet.all] == [False, False]
    assert pids(fleet) == started


def test_a_worker_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "STOP_S", 0.2)

    @story
    async def told() -> None:
        async with running(1, first=9) as (fleet, _):
            await until(lambda: bool(fleet.all[0].operations_port), pause_s=0.005)
            child = fleet.all[0]._child
        assert child is not None
        assert await child.wait() == -signal.SIGKILL

    told()


def test_a_command_line_names_the_module_and_only_a_worker_has_a_descriptor() -> None:
    line = command("lictor_dns")(2, 7)
    assert line == [sys.executable, "-m", "lictor_dns", "--worker", "2", "7"]
    assert descriptor_of(line[3:]) == 7
    assert descriptor_of([]) is None
    assert descriptor_of(["--help"]) is None
