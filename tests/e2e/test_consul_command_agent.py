"""The real `consul` command on one node's agent: maint, members, join, force-leave, info, reload, monitor.

Needs a `consul` binary (environment CONSUL_BIN, or on the path).
"""

import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest

CONSUL = os.environ.get("CONSUL_BIN") or shutil.which("consul")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path"),
]
ANSWER_S = 30


@pytest.fixture(scope="module")
def suite(tmp_path_factory, suite_class):
    running = suite_class(tmp_path_factory.mktemp("lictor"), "--servers", "1", demo=False)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def consul(suite):
    """Runs the command; its output, and by `code` whether it must succeed."""

    def run(*arguments, code=0):
        done = subprocess.run(
            [CONSUL, *arguments],
            env={**os.environ, "CONSUL_HTTP_ADDR": suite.http},
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


class Worker:
    """A second gossip on an address of its own."""

    def __init__(self, suite, folder):
        self.address = "127.0.0.31"
        environment = {
            **os.environ,
            "LICTOR_NODE": "worker-1",
            "LICTOR_NATS_URL": f"nats://127.0.0.1:{suite.port(4222)}",
            "LICTOR_BIND": self.address,
            "LICTOR_DATA_DIR": str(folder / "worker-1"),
            "LICTOR_GOSSIP_PORT": str(suite.port(8301)),
            "LICTOR_GOSSIP_PROFILE": "fast",
        }
        with (folder / "worker-1.log").open("a") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "lictor_gossip"], env=environment, stdout=log)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def worker(suite, tmp_path):
    made = Worker(suite, tmp_path)
    yield made
    made.kill()


def members(consul):
    rows = [line.split() for line in consul("members").splitlines()[1:]]
    return {row[0]: row[2] for row in rows}


def test_maint_takes_the_node_and_a_service_out_and_back(suite, consul):
    assert suite.put("/v1/agent/service/register", {"Name": "web", "Port": 80}).status == 200
    assert suite.put("/v1/agent/service/register", {"Name": "db", "Port": 81}).status == 200
    assert "Node maintenance is now enabled" in consul("maint", "-enable", "-reason", "new disk")
    shown = consul("maint")
    assert "node-1" in shown
    assert "new disk" in shown
    assert suite.get("/v1/health/service/web?passing").json() == []
    assert "Node maintenance is now disabled" in consul("maint", "-disable")
    consul("maint", "-enable", "-service", "web")
    assert suite.get("/v1/health/service/web?passing").json() == []
    assert len(suite.get("/v1/health/service/db?passing").json()) == 1
    assert "ID:     web" in consul("maint")
    consul("maint", "-disable", "-service", "web")
    assert consul("maint").strip() == ""
    assert "404" in consul("maint", "-enable", "-service", "nope", code=1)


def test_members_join_and_force_leave(suite, consul, worker, wait_until):
    wait_until(lambda: suite.get("/v1/catalog/node/worker-1").json() is not None, 20, "worker-1 registers")
    assert "Successfully joined cluster by contacting 1 nodes" in consul("join", f"{worker.address}:{suite.port(8301)}")
    wait_until(lambda: members(consul).get("worker-1") == "alive", 20, "worker-1 is a member")
    assert "connection refused" in consul("join", "127.0.0.1:1", code=1)
    worker.kill()
    wait_until(lambda: members(consul).get("worker-1") == "failed", 40, "worker-1 is found failed")
    consul("force-leave", "worker-1")
    wait_until(lambda: suite.get("/v1/catalog/node/worker-1").json() is None, 20, "worker-1 is out of the catalog")
    assert members(consul)["worker-1"] == "left"
    consul("force-leave", "-prune", "worker-1")
    wait_until(lambda: "worker-1" not in members(consul), 20, "worker-1 is forgotten")
    assert "No node found with name 'worker-1'" in consul("force-leave", "worker-1", code=1)


def test_info_reload_and_keyring(consul):
    shown = consul("info")
    assert "agent:" in shown
    assert "known_servers = 1" in shown
    assert "Configuration reload triggered" in consul("reload")
    assert "encryption not enabled" in consul("keyring", "-list", code=1)
    assert "ACL support disabled" in consul("acl", "token", "list", code=1)


def test_monitor_shows_the_log_as_it_is_written(suite, consul, wait_until):
    environment = {**os.environ, "CONSUL_HTTP_ADDR": suite.http}
    command = [CONSUL, "monitor", "-log-level=info"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(watching.stdout), daemon=True)
        reader.start()
        try:

            def seen():
                consul("reload")  # until the monitor has begun to listen
                return any("[INFO]  catalog: reload" in line for line in lines)

            wait_until(seen, 20, "a line of the log")
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait(10)
            reader.join(10)
