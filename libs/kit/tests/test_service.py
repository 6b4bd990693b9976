"""run(): a real process, real signals, a real operations port."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from lictor_kit.operations import OperationsServer
from lictor_kit.readiness import Readiness

PRELUDE = """
import asyncio, os, sys, time
from lictor_kit import Context, Settings, load, run

async def forever():
    await asyncio.Event().wait()

def hook(name, seconds=0.0):
    async def stop():
        print('{"event": "hook ' + name + '"}', flush=True)
        await asyncio.sleep(seconds)
    return stop
"""

STEADY = """
async def build(context: Context) -> None:
    context.on_stop(hook("bus"))
    context.on_stop(hook("view"))
    context.spawn("view", forever())

run("dns", load(Settings, sys.argv[1:], os.environ), build, stop_limit_s=0.5)
"""

STRAY = """
async def work():
    waited = asyncio.get_running_loop().create_future()
    waited.cancel()
    await waited
"""


class Process:
    """A service in a subprocess whose events are read line by line."""

    def __init__(self, path: Path, body: str) -> None:
        path.write_text(textwrap.dedent(PRELUDE) + textwrap.dedent(body))
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LICTOR_")}
        self.popen = subprocess.Popen(
            [sys.executable, str(path)], stdout=subprocess.PIPE, text=True, env=environ | {"LICTOR_NODE": "node-1"}
        )
        self.events: list[dict[str, Any]] = []

    def until(self, event: str) -> dict[str, Any]:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == event:
                return self.events[-1]
        raise AssertionError(f"{event!r} never came: {self.events}")

    def end(self) -> int:
        assert self.popen.stdout is not None
        self.events += [json.loads(line) for line in self.popen.stdout]
        return self.popen.wait(timeout=10)

    def names(self) -> list[str]:
        return [event["event"] for event in self.events]


@contextlib.contextmanager
def process(tmp_path: Path, body: str) -> Iterator[Process]:
    started = Process(tmp_path / "service.py", body)
    try:
        yield started
    finally:
        started.popen.kill()
        started.popen.wait()
        assert started.popen.stdout is not None
        started.popen.stdout.close()


def fetch(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_sigterm_runs_the_hooks_in_reverse_order_and_exits_0(tmp_path: Path) -> None:
    with process(tmp_path, STEADY) as service:
        port = service.until("starting")["operations_port"]
        service.until("ready")
        assert fetch(port, "/livez") == (200, b"ok\n")
        assert fetch(port, "/readyz") == (200, b'{"ready":true,"waiting":{},"notes":{}}')
        status, metrics = fetch(port, "/metrics")
        assert status == 200
        assert b"process_open_fds" in metrics
        assert fetch(port, "/other")[0] == 404
        service.popen.send_signal(signal.SIGTERM)
        assert service.end() == 0
        assert service.names() == [
            "starting", "ready", "stopping", "not ready", "hook view", "hook bus", "stopped",
        ]  # fmt: skip
        assert all(event.get("service", "dns") == "dns" for event in service.events)


def test_readyz_is_503_while_the_hooks_run(tmp_path: Path) -> None:
    body = STEADY.replace('hook("bus")', 'hook("bus", 0.4)')
    with process(tmp_path, body) as service:
        port = service.until("starting")["operations_port"]
        service.until("ready")
        service.popen.send_signal(signal.SIGINT)
        service.until("hook bus")
        status, answer = fetch(port, "/readyz")
        assert status == 503
        assert json.loads(answer)["waiting"] == {"stopping": "the process is stopping"}
        assert service.end() == 0


def test_a_hanging_hook_is_cut_at_the_limit_and_the_exit_is_still_0(tmp_path: Path) -> None:
    body = STEADY.replace('hook("view")', 'hook("view", 60)')
    with process(tmp_path, body) as service:
        service.until("ready")
        began = time.monotonic()
        service.popen.send_signal(signal.SIGTERM)
        assert service.end() == 0
        assert time.monotonic() - began < 2.0
        assert "stop hook cut at the limit" in service.names()
        assert "hook bus" in service.names(), "later hooks get their turn"


def test_a_failing_hook_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    body = STEADY.replace('hook("view")', "failing") + ""
    body = "async def failing():\n    raise RuntimeError('no hand-over')\n" + body
    with process(tmp_path, body) as service:
        service.until("ready")
        service.popen.send_signal(signal.SIGTERM)
        assert service.end() == 0
        assert service.names().count("stop hook failed") == 1
        assert "hook bus" in service.names()


@pytest.mark.parametrize(
    ("work", "event"),
    [
        ("async def work():\n    raise ValueError('torn row')\n", "task failed"),
        ("async def work():\n    pass\n", "task ended unexpectedly"),
        (
            STRAY,
            "task ended by a stray cancellation",
        ),
    ],
)
def test_a_task_s_unexpected_end_is_logged_once_and_exits_1(tmp_path: Path, work: str, event: str) -> None:
    with process(tmp_path, work + STEADY.replace("forever()", "work()")) as service:
        assert service.end() == 1
        errors = [entry for entry in service.events if entry.get("level") == "error"]
        assert [entry["event"] for entry in errors] == [event]
        assert errors[0]["task"] == "view"
        assert "hook bus" in service.names(), "a crash stops in order too"


def test_a_task_that_may_end_leaves_the_process_running(tmp_path: Path) -> None:
    body = "async def once():\n    pass\n" + STEADY.replace(
        'context.spawn("view", forever())', 'context.spawn("once", once(), may_end=True)'
    )
    with process(tmp_path, body) as service:
        service.until("ready")
        service.popen.send_signal(signal.SIGTERM)
        assert service.end() == 0


def test_a_failing_build_exits_1_with_one_event(tmp_path: Path) -> None:
    body = STEADY.replace("context.spawn(", "raise OSError('no disk'); context.spawn(")
    with process(tmp_path, body) as service:
        assert service.end() == 1
        errors = [entry for entry in service.events if entry.get("level") == "error"]
        assert [(entry["event"], entry["task"]) for entry in errors] == [("task failed", "build")]


def test_sigterm_ends_a_build_that_still_waits(tmp_path: Path) -> None:
    body = STEADY.replace("context.spawn(", "await forever(); context.spawn(")
    with process(tmp_path, body) as service:
        port = service.until("starting")["operations_port"]
        assert fetch(port, "/readyz") == (503, b'{"ready":false,"waiting":{"build":"starting"},"notes":{}}')
        service.popen.send_signal(signal.SIGTERM)
        assert service.end() == 0
        assert "ready" not in service.names()


def test_a_task_that_ignores_its_cancellation_is_cut(tmp_path: Path) -> None:
    stubborn = """
    import lictor_kit.service
    lictor_kit.service.CANCEL_LIMIT_S = 0.2

    async def work():
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
    """
    with process(tmp_path, textwrap.dedent(stubborn) + STEADY.replace("forever()", "work()")) as service:
        service.until("ready")
        service.popen.send_signal(signal.SIGTERM)
        assert service.end() == 1
        assert service.names()[-1].startswith("stop cut")


def test_a_taken_operations_port_is_told_and_exits_1(tmp_path: Path) -> None:
    async def taken() -> int:
        holder = OperationsServer("127.0.0.1", 0, Readiness(), CollectorRegistry())
        await holder.start()
        body = STEADY.replace("os.environ)", f"os.environ | {{'LICTOR_OPERATIONS_PORT': '{holder.port}'}})")
        with process(tmp_path, body) as service:
            code = await asyncio.to_thread(service.end)
            assert [entry["event"] for entry in service.events] == ["operations port cannot be bound"]
        await holder.stop()
        return code

    assert asyncio.run(taken()) == 1
