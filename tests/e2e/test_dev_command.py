"""`lictor dev` itself: what it prints, how it ends, what it says when a port is taken."""

import os
import socket
import subprocess
import time

import pytest

from pathlib import Path  # isort: skip

pytestmark = pytest.mark.e2e


def alive(pids):
    found = []
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat")
        if pid and stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z":
            found.append(pid)
    return found


def test_it_is_ready_tours_and_ends_everything_within_ten_seconds(own_suite, wait_until):
    suite = own_suite(demo=True).start()
    lines = list(suite.lines)
    wait_until(lambda: any("Ctrl-C" in line for line in suite.lines), 5, "the tour")
    assert len([line for line in suite.lines if line.startswith("  ") and "  # " in line]) == 4
    assert lines
    pids = suite.pids()
    assert len(pids) == 1 + 3 + 5 + 3 + 3
    assert all(pids.values())
    assert suite.stop() < 10
    assert suite.process.returncode == 0
    assert alive(pids.values()) == []


def test_starting_again_keeps_data_and_registrations(own_suite):
    suite = own_suite("--servers", "1").start()
    suite.put("/v1/kv/kept", b"1")
    suite.put("/v1/agent/service/register", {"Name": "web", "Port": 80})
    suite.stop()
    suite.start()
    assert suite.get("/v1/kv/kept").json()[0]["Value"] == "MQ=="
    assert "web" in suite.get("/v1/agent/services").json()
    suite.stop()
    suite.options.append("--fresh")
    suite.start()
    assert suite.get("/v1/kv/kept").status == 404


def test_a_taken_port_is_one_clear_line_naming_port_and_option(own_suite):
    suite = own_suite()
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", suite.port(8500)))
        holder.listen()
        done = subprocess.run(suite.command(), capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert str(suite.port(8500)) in line
    assert "--http-port" in line


def test_a_role_that_dies_is_started_again_and_said(own_suite, wait_until):
    suite = own_suite("--servers", "1").start()
    before = suite.pids()
    for name in ("catalog", "healthcheck", "dns", "xds", "gossip"):
        suite.kill(name)
    wait_until(lambda: all(pid and pid != before[n] for n, pid in suite.pids().items() if n in {"catalog", "healthcheck", "dns", "xds", "gossip"}), 15, "new processes")  # fmt: skip
    wait_until(lambda: suite.put("/v1/kv/healed", b"1").status == 200, 15, "writes")
    assert any("catalog died (SIGKILL)" in line for line in suite.lines)


def test_no_process_survives_the_supervisors_own_death(own_suite, wait_until):
    suite = own_suite("--servers", "1").start()
    pids = list(suite.pids().values())
    os.kill(suite.process.pid, 9)
    suite.process.wait(5)
    began = time.monotonic()
    wait_until(lambda: not alive(pids), 15, "every process has ended")
    assert time.monotonic() - began < 15
