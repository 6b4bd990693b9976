"""Nodes: four gossips on addresses of their own; one is killed, one leaves and returns."""

import contextlib
import signal
import subprocess

import pytest

from tests.running_gossip import Gossip, serf_health

pytestmark = pytest.mark.e2e


@pytest.fixture
def pool(own_suite, tmp_path, wait_until):
    suite = own_suite("--servers", "1").start()
    workers = [Gossip(suite, number, tmp_path).start() for number in (1, 2, 3, 4)]
    try:
        for worker in workers:
            wait_until(lambda worker=worker: serf_health(suite, worker.name) == "passing", 90, f"{worker.name} joins")
        yield suite, workers
    finally:
        for worker in workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.end()


def test_a_killed_node_becomes_critical_and_the_others_stay_untouched(pool, wait_until):
    suite, workers = pool
    others = [suite.get(f"/v1/health/node/{one.name}").json()[0]["ModifyIndex"] for one in workers[:3]]
    workers[3].end(signal.SIGKILL)
    wait_until(lambda: serf_health(suite, "worker-4") == "critical", 60, "worker-4 is noticed")
    assert [suite.get(f"/v1/health/node/{one.name}").json()[0]["ModifyIndex"] for one in workers[:3]] == others
    assert all(serf_health(suite, one.name) == "passing" for one in workers[:3])
    members = {one["Name"]: one["Status"] for one in suite.get("/v1/agent/members").json()}
    assert (members["worker-4"], members["worker-1"]) == (4, 1)
    workers[3].start()
    wait_until(lambda: serf_health(suite, "worker-4") == "passing", 60, "worker-4 is back")


def test_a_stopped_node_is_held_and_not_declared_failed(pool, wait_until):
    suite, workers = pool
    workers[3].end()
    workers[3].start()
    wait_until(lambda: suite.get("/v1/health/node/worker-4").json()[0]["Status"] == "passing", 60, "worker-4 restarted")
    assert suite.get("/v1/catalog/node/worker-4").json() is not None


def test_a_node_that_leaves_disappears_and_returns_with_its_services(own_suite, wait_until):
    suite = own_suite("--servers", "1").start()
    assert suite.put("/v1/agent/service/register", {"Name": "web", "Port": 80}).status == 200
    assert suite.put("/v1/agent/leave").status == 200
    wait_until(lambda: suite.get("/v1/catalog/node/node-1").json() is None, 60, "node-1 is gone")
    assert suite.get("/v1/health/service/web").json() == []
    suite.restart("gossip")
    wait_until(lambda: len(suite.get("/v1/health/service/web").json()) == 1, 60, "node-1 is back with its service")
