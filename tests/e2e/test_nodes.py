"""Nodes: four gossips on addresses of their own; one is killed, one leaves and returns."""

import contextlib
import os
import signal
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e


class Gossip:
    """One gossip process on an address of its own."""

    def __init__(self, suite, number, folder):
        self.suite, self.number, self.folder = suite, number, folder
        self.name = f"worker-{number}"
        self.address = f"127.0.0.{10 + number}"
        self.process = None

    def start(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            operations = probe.getsockname()[1]
        environment = {
            **os.environ,
            "LICTOR_NODE": self.name,
            "LICTOR_NATS_URL": f"nats://127.0.0.1:{self.suite.port(4222)}",
            "LICTOR_BIND": self.address,
            "LICTOR_DATA_DIR": str(self.folder / self.name),
            "LICTOR_GOSSIP_PORT": str(self.suite.port(8301)),
            "LICTOR_GOSSIP_SEEDS": "127.0.0.11,127.0.0.12",
            "LICTOR_GOSSIP_PROFILE": "fast",
            "LICTOR_OPERATIONS_PORT": str(operations),
        }
        with (self.folder / f"{self.name}.log").open("a") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "lictor_gossip"], env=environment, stdout=log)
        return self

    def end(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(15)


def serf_health(suite, name):
    checks = suite.get(f"/v1/health/node/{name}?stale").json() or []
    return next((check["Status"] for check in checks if check["CheckID"] == "serfHealth"), None)


@pytest.fixture
def pool(own_suite, tmp_path, wait_until):
    suite = own_suite("--servers", "1").start()
    workers = [Gossip(suite, number, tmp_path).start() for number in (1, 2, 3, 4)]
    try:
        for worker in workers:
            wait_until(lambda worker=worker: serf_health(suite, worker.name) == "passing", 20, f"{worker.name} joins")
        yield suite, workers
    finally:
        for worker in workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.end()


def test_a_killed_node_becomes_critical_and_the_others_stay_untouched(pool, wait_until):
    suite, workers = pool
    others = [suite.get(f"/v1/health/node/{one.name}").json()[0]["ModifyIndex"] for one in workers[:3]]
    workers[3].end(signal.SIGKILL)
    wait_until(lambda: serf_health(suite, "worker-4") == "critical", 15, "worker-4 is noticed")
    assert [suite.get(f"/v1/health/node/{one.name}").json()[0]["ModifyIndex"] for one in workers[:3]] == others
    assert all(serf_health(suite, one.name) == "passing" for one in workers[:3])
    members = {one["Name"]: one["Status"] for one in suite.get("/v1/agent/members").json()}
    assert (members["worker-4"], members["worker-1"]) == (4, 1)
    workers[3].start()
    wait_until(lambda: serf_health(suite, "worker-4") == "passing", 15, "worker-4 is back")


def test_a_stopped_node_is_held_and_not_declared_failed(pool, wait_until):
    suite, workers = pool
    workers[3].end()
    workers[3].start()
    wait_until(lambda: suite.get("/v1/health/node/worker-4").json()[0]["Status"] == "passing", 10, "worker-4 restarted")
    assert suite.get("/v1/catalog/node/worker-4").json() is not None


def test_a_node_that_leaves_disappears_and_returns_with_its_services(own_suite, wait_until):
    suite = own_suite("--servers", "1").start()
    assert suite.put("/v1/agent/service/register", {"Name": "web", "Port": 80}).status == 200
    assert suite.put("/v1/agent/leave").status == 200
    wait_until(lambda: suite.get("/v1/catalog/node/node-1").json() is None, 10, "node-1 is gone")
    assert suite.get("/v1/health/service/web").json() == []
    suite.restart("gossip")
    wait_until(lambda: len(suite.get("/v1/health/service/web").json()) == 1, 20, "node-1 is back with its service")
