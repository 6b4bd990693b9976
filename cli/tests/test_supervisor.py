"""Processes under the supervisor: restarted, left down, ended."""

import asyncio
import os
import socket
import sys
from pathlib import Path

from rich.console import Console

from lictor_cli.dev.console import DevConsole
from lictor_cli.dev.free_ports import first_taken
from lictor_cli.dev.plan import Kind, Listen, Process
from lictor_cli.dev.supervisor import Supervisor

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def process(name, code=SLEEPER, kind=Kind.ROLE):
    return Process(name, (sys.executable, "-c", code), kind)


def run(story, tmp_path):
    path = tmp_path / "out.txt"

    async def main():
        with path.open("w", buffering=1) as file:
            console = DevConsole(4, Console(file=file, width=200))
            async with asyncio.TaskGroup() as group:
                supervisor = Supervisor(console, group)
                try:
                    await asyncio.wait_for(story(supervisor), 20)
                finally:
                    await supervisor.stop()

    asyncio.run(main())
    return path.read_text()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_role_that_dies_is_started_again_and_said(tmp_path):
    async def story(supervisor):
        supervisor.start(process("role"))
        await until(lambda: (tmp_path / "out.txt").read_text().count("role │ up") == 1)
        first = supervisor.pid("role")
        os.kill(first, 9)
        await until(lambda: (tmp_path / "out.txt").read_text().count("role │ up") == 2)
        assert supervisor.pid("role") not in {0, first}

    assert "role died (SIGKILL)" in run(story, tmp_path)


def test_a_demo_application_stays_down_until_it_is_asked_for(tmp_path):
    async def story(supervisor):
        supervisor.start(process("app", kind=Kind.DEMO))
        await until(lambda: supervisor.pid("app"))
        os.kill(supervisor.pid("app"), 9)
        await until(lambda: not supervisor.pid("app"))
        assert supervisor.restart("app")
        await until(lambda: supervisor.pid("app"))
        assert not supervisor.restart("nobody")

    assert "lictor dev restart app" in run(story, tmp_path)


def test_asking_for_a_running_process_replaces_it(tmp_path):
    async def story(supervisor):
        supervisor.start(process("role"))
        await until(lambda: supervisor.pid("role"))
        first = supervisor.pid("role")
        supervisor.restart("role")
        await until(lambda: supervisor.pid("role") not in {0, first})
        assert not alive(first)

    assert "role is started again" in run(story, tmp_path)


def test_the_end_leaves_no_process_even_one_that_will_not_listen(tmp_path, monkeypatch):
    monkeypatch.setattr("lictor_cli.dev.supervisor.STOP_LIMIT_S", 1.5)
    pids: list[int] = []

    async def story(supervisor):
        for name, code in (("nats", SLEEPER), ("one", SLEEPER), ("deaf", DEAF)):
            supervisor.start(process(name, code))
        await until(lambda: all(supervisor.pid(name) for name in supervisor.names()))
        await asyncio.sleep(0.3)  # the deaf one has to have become deaf
        pids.extend(supervisor.pid(name) for name in supervisor.names())

    run(story, tmp_path)
    assert len(pids) == 3
    assert not any(alive(pid) for pid in pids)


def test_a_taken_port_is_found_before_anything_starts():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        free = Process("free", (), listens=(Listen(0, "--x"),))
        wanting = Process("wanting", (), listens=(Listen(port, "--http-port"),))
        assert first_taken([free, wanting]) == (wanting, wanting.listens[0])
    assert first_taken([free, wanting]) is None
