"""The real suite, started as a user starts it, on free ports and with a data directory of its own.

Shared by tests/e2e, tests/conformance and tests/clients. It does not choose what runs: that is `lictor dev`.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LICTOR = Path(sys.executable).parent / "lictor"
BASE_PORTS = [
    8500,
    8502,
    8600,
    8301,
    4222,
    *range(8571, 8581),
    *range(19000, 19003),
    *range(21000, 21006),
    9090,
    9091,
    9092,
    9190,
]
READY_S = 60
STEP_S = 0.02


def wait_until(condition, timeout_s, what):
    """Poll a condition; returns its first true value."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(STEP_S)


def free_offset():
    """A port offset at which every port of the suite is free; each process begins to look elsewhere, for others look too.

    All stay below 32768: from there on the kernel takes ports for connections, the suite's own among them.
    """
    offsets = range(1_000, 11_700, 307)
    first = os.getpid() % len(offsets)
    for offset in [*offsets[first:], *offsets[:first]]:
        if all(_free(port + offset) for port in BASE_PORTS):
            return offset
    raise AssertionError("no free range of ports")


def _free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:  # as servers do: connections that are winding down hold no port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


class Answer:
    """An HTTP answer."""

    def __init__(self, status, body, headers):
        self.status, self.body, self.headers = status, body, headers

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Suite:
    """One `lictor dev`."""

    def __init__(self, data_dir, *options, demo=True):
        self.data_dir = data_dir
        self.offset = free_offset()
        self.demo = demo
        self.options = [*options, *([] if demo else ["--no-demo"])]
        self.lines = []
        self.process = None

    def port(self, base):
        return base + self.offset

    @property
    def http(self):
        return f"http://127.0.0.1:{self.port(8500)}"

    def command(self):
        return [str(LICTOR), "dev", "--data-dir", str(self.data_dir), "--port-offset", str(self.offset), *self.options]

    def start(self, timeout_s=READY_S):
        self.lines.clear()
        self.process = subprocess.Popen(
            self.command(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        try:
            wait_until(lambda: self.ready_line or self.refusal or self.process.poll() is not None, timeout_s, "ready")
        finally:
            if not self.ready_line:
                print("\n".join(self.lines))
        assert self.ready_line, self.refusal
        return self

    def _read(self, process):
        for line in process.stdout:
            self.lines.append(line.rstrip())

    @property
    def ready_line(self):
        return next((line for line in list(self.lines) if line.startswith("ready")), None)

    @property
    def refusal(self):
        return next((line for line in list(self.lines) if line.startswith("not ready")), None)

    def stop(self):
        """Ctrl-C; returns how long the end took."""
        began = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        return time.monotonic() - began

    def pids(self):
        """Process ids by name."""
        done = subprocess.run(
            [str(LICTOR), "dev", "status", "--data-dir", str(self.data_dir)], capture_output=True, text=True, check=True
        )
        return {name: int(pid) for pid, name in (line.split() for line in done.stdout.splitlines())}

    def kill(self, *names):
        pids = self.pids()
        for name in names:
            os.kill(pids[name], signal.SIGKILL)

    @staticmethod
    def kill_pid(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def freeze(self, name):
        os.kill(self.pids()[name], signal.SIGSTOP)

    def thaw(self, name):
        os.kill(self.pids()[name], signal.SIGCONT)

    def restart(self, name):
        self.lictor("dev", "restart", name, "--data-dir", str(self.data_dir))

    @staticmethod
    def lictor(*arguments):
        done = subprocess.run([str(LICTOR), *arguments], capture_output=True, text=True, check=True)
        return done.stdout

    def ports_free(self):
        return all(_free(self.port(base)) for base in BASE_PORTS)

    def call(self, method, path, body=None, timeout_s=15):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.http}{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return Answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), error.headers)
        except OSError as error:
            return Answer(0, str(error).encode(), {})

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def put(self, path, body=None, **more):
        return self.call("PUT", path, body, **more)

    def leader_name(self):
        """The supervised process that leads, by the name that its log gives its slot."""
        leader = None
        for line in list(self.lines):
            if " leading " in line and "raft-store" in line:
                leader = line.split("│")[0].strip()
        return leader
