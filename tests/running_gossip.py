"""Gossips and real `serf` agents beside a running suite, each on a loopback address of its own.

Shared by tests/e2e and tests/chaos.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

from tests.running_suite import wait_until

SERF = shutil.which("serf")
FIRST_HOST = 10
"""Worker 1 is at 127.0.0.11."""


def free_port(host):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Gossip:
    """One gossip process; it joins through the first two workers unless told otherwise."""

    def __init__(self, suite, number, folder, **settings):
        self.suite, self.number, self.folder = suite, number, folder
        self.name = f"worker-{number}"
        self.address = f"127.0.0.{FIRST_HOST + number}"
        self.port = suite.port(8301)
        self.settings = {"seeds": "127.0.0.11,127.0.0.12", "profile": "fast", **settings}
        self.operations = free_port(self.address)
        self.process = None

    @property
    def log_path(self):
        return self.folder / f"{self.name}.log"

    def start(self, **settings):
        environment = {
            **os.environ,
            "LICTOR_NODE": self.name,
            "LICTOR_NATS_URL": f"nats://127.0.0.1:{self.suite.port(4222)}",
            "LICTOR_BIND": self.address,
            "LICTOR_DATA_DIR": str(self.folder / self.name),
            "LICTOR_GOSSIP_PORT": str(self.port),
            "LICTOR_OPERATIONS_PORT": str(self.operations),
            "LICTOR_LOG_FORMAT": "json",
        }
        for name, value in {**self.settings, **settings}.items():
            environment[f"LICTOR_GOSSIP_{name.upper()}"] = str(value)
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lictor_gossip"], env=environment, stdout=log, stderr=log
            )
        return self

    def end(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(15)

    def kill(self):
        self.end(signal.SIGKILL)

    def log(self):
        """What it wrote, line by line."""
        lines = self.log_path.read_text().splitlines() if self.log_path.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def metric(self, name):
        """The value of one series, as it stands in the text; 0 while it is not there, or the process is not."""
        try:
            with urllib.request.urlopen(f"http://{self.address}:{self.operations}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        lines = [line for line in text.splitlines() if line.startswith(f"lictor_gossip_{name} ")]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    def is_registered(self):
        return serf_health(self.suite, self.name) == "passing"


class SerfAgent:
    """A real `serf agent` in the suite's pool."""

    def __init__(self, suite, name, number, folder, *options):
        self.name, self.host = name, f"127.0.0.{FIRST_HOST + 80 + number}"
        self.port = suite.port(8301)
        self.log_path = folder / f"{name}.log"
        self.rpc = f"{self.host}:{free_port(self.host)}"
        self.options = options
        self.process = None

    def start(self):
        arguments = [SERF, "agent", f"-node={self.name}", f"-bind={self.host}:{self.port}", f"-rpc-addr={self.rpc}"]
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen([*arguments, "-log-level=debug", *self.options], stdout=log, stderr=log)
        wait_until(lambda: "Serf agent starting" in self.log(), 60, f"{self.name} starts")
        return self

    def end(self, number=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(15)

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def run(self, verb, *arguments):
        done = subprocess.run(
            [SERF, verb, f"-rpc-addr={self.rpc}", *arguments], capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout + done.stderr

    def members(self):
        """Status by name."""
        output = self.run("members", "-format=json")
        return {one["name"]: one["status"] for one in json.loads(output)["members"]} if output.startswith("{") else {}


def serf_health(suite, name):
    """The status of a node's `serfHealth`, None while there is none."""
    checks = suite.get(f"/v1/health/node/{name}?stale").json() or []
    return next((check["Status"] for check in checks if check["CheckID"] == "serfHealth"), None)


@contextlib.contextmanager
def ended(*processes):
    """End what was started, whatever comes."""
    try:
        yield
    finally:
        for one in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.end()
