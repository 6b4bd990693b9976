"""A real Consul agent in development mode, on free ports: the peer that every table is asked of first.

It runs with the node name of our own suite. It is one server and its own client at once; what follows from that is told
apart in `normal_form`.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from tests.running_suite import wait_until

BINARY = os.environ.get("CONSUL_BIN") or shutil.which("consul")
MISSING = "no consul binary: set CONSUL_BIN or put it on the path"
NODE = "node-1"
START_S = 60
STOP_S = 10


def free_ports(count):
    """Ports that nothing listened on a moment ago."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class RealConsul:
    """One `consul agent -dev`, with a node name and further flags of its own where those are given."""

    def __init__(self, *flags_more, node=NODE):
        self.node = node
        names = ("http", "dns", "serf-lan", "serf-wan", "server", "grpc")
        ports = free_ports(len(names))
        self.http = f"http://127.0.0.1:{ports[0]}"
        self.dns = ports[1]
        flags = [part for name, port in zip(names, ports, strict=True) for part in (f"-{name}-port", str(port))]
        self.log = Path(tempfile.mkstemp(prefix="consul-", suffix=".log")[1])
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [BINARY, "agent", "-dev", "-node", node, "-bind", "127.0.0.1", *flags, *flags_more],
                stdout=out,
                stderr=out,
            )

    def wait(self):
        """Until its node is registered with its check, and autopilot has looked."""
        try:
            wait_until(self._up, START_S, "consul up")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.log.read_text()[-2000:]}") from None
        return self

    def _up(self):
        return b"serfHealth" in self._read(f"/v1/health/node/{self.node}") and b'"Healthy": true' in self._read(
            "/v1/operator/autopilot/health"
        )

    def _read(self, path):
        try:
            with urllib.request.urlopen(self.http + path, timeout=2) as answer:
                return answer.read()
        except (OSError, urllib.error.URLError):
            return b""

    def stop(self):
        """SIGTERM, and its log goes with it."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_S)
        self.log.unlink()
