"""The composed suite as a user runs it: up, called, scaled, hurt and taken down, under a project name of its own."""

import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD_S = 1200  # the first build fetches every locked package
UP_S = 300
EVENTUALLY_S = 60
AUTOPILOT_S = 120  # a member that is gone is removed after a minute, and one that comes votes after ten seconds
ROLES = {"catalog", "raft-store", "gossip", "healthcheck", "dns", "xds"}
SCALED = {"catalog": 3, "dns": 2, "xds": 2, "healthcheck": 3}

pytestmark = pytest.mark.chaos


def docker_missing():
    """Why containers cannot run here, or nothing."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{' '.join(command)}: {error}"
        if done.returncode != 0:
            return f"{' '.join(command)} fails: {done.stderr.strip()}"
    return ""


def free_port():
    """A port that is free for TCP and UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(("127.0.0.1", tcp.getsockname()[1]))
            except OSError:
                continue
            return tcp.getsockname()[1]


def eventually(check, what, timeout_s=EVENTUALLY_S):
    """Poll until `check` gives something true, and return it."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.2)


class Project:
    """One `docker compose` project."""

    def __init__(self):
        self.name = f"lictor-test-{os.getpid()}"
        self.http, self.grpc, self.dns, self.frontend = (free_port() for _ in range(4))
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("LICTOR_")} | {
            "PUBLISH_HTTP": str(self.http),
            "PUBLISH_GRPC": str(self.grpc),
            "PUBLISH_DNS": str(self.dns),
            "PUBLISH_FRONTEND": str(self.frontend),
        }

    def compose(self, *arguments, timeout_s=UP_S):
        command = ["docker", "compose", "--project-name", self.name, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def up(self, *arguments):
        self.compose("up", "--detach", "--wait", *arguments)

    def containers(self, service):
        return self.compose("ps", "--quiet", service).split()

    def call(self, method, path, body=None, port=None, timeout_s=15):
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.http}{path}", data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def from_frontend(self):
        return self.call("GET", "/", port=self.frontend)

    def addresses(self, ask):
        question = dns.message.make_query("backend.service.consul", "A")
        answer = ask(question, "127.0.0.1", port=self.dns, timeout=5)
        return sorted(item.address for entry in answer.answer if entry.rdtype == dns.rdatatype.A for item in entry)

    def service_addresses(self):
        status, text = self.call("GET", "/v1/health/service/backend?passing")
        return sorted(entry["Service"]["Address"] for entry in json.loads(text)) if status == 200 else []


class Writer:
    """Writes one key after the other and reads each back, until told to stop; remembers every answer."""

    def __init__(self, project):
        self._project = project
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers = Counter()
        self.wrong = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()

    def _run(self):
        number = 0
        while not self._stopping.wait(0.05):
            number += 1
            path, value = f"/v1/kv/writer/{number}", f"value {number}"
            for answer, expected in (
                (self._project.call("PUT", path, value.encode()), (200, "true")),
                (self._project.call("GET", f"{path}?raw"), (200, value)),
            ):
                self.answers[answer[0]] += 1
                if (answer[0], answer[1].strip()) != expected:
                    self.wrong.append((path, answer))


@pytest.fixture(scope="module")
def project():
    if missing := docker_missing():
        pytest.skip(missing)
    running = Project()
    try:
        running.compose("build", timeout_s=BUILD_S)
        running.up()
        yield running
    finally:
        running.compose("down", "--volumes", "--remove-orphans", "--rmi", "local")
    assert not running.compose("ps", "--all", "--quiet")


def test_once_up_a_call_through_the_mesh_arrives_at_both_backends(project):
    status, text = project.from_frontend()
    assert (status, text.startswith("frontend → hello from backend-")) == (200, True), text
    heard = set()
    eventually(lambda: heard.add(project.from_frontend()[1].split()[-1]) or len(heard) == 2, "both backends")
    assert heard == {"backend-1", "backend-2"}


def test_an_intention_that_denies_stops_the_call_and_allowing_lets_it_through(project):
    path = "/v1/connect/intentions/exact?source=frontend&destination=backend"
    assert project.call("PUT", path, b'{"Action": "deny"}')[0] == 200
    eventually(lambda: project.from_frontend()[0] == 403, "refused")
    assert project.call("PUT", path, b'{"Action": "allow"}')[0] == 200
    eventually(lambda: project.from_frontend()[0] == 200, "allowed")


def test_a_key_written_through_the_edge_is_read_through_it(project):
    assert project.call("PUT", "/v1/kv/a/b%20c", b"value") == (200, "true")
    assert project.call("GET", "/v1/kv/a/b%20c?raw") == (200, "value")


def test_names_resolve_through_the_edge_over_udp_and_tcp(project):
    known = eventually(lambda: project.service_addresses() if len(project.service_addresses()) == 2 else [], "passing")
    for ask in (dns.query.udp, dns.query.tcp):
        eventually(lambda ask=ask: project.addresses(ask) == known, f"answers by {ask.__name__}")


def test_only_the_edge_and_the_demo_publish_ports_and_nothing_runs_as_root(project):
    services = json.loads(project.compose("config", "--format", "json"))["services"]
    assert {name for name, service in services.items() if service.get("ports")} == {"edge", "frontend"}
    assert all(port["host_ip"] == "127.0.0.1" for port in services["edge"]["ports"])
    for service in services:
        for container in project.containers(service):
            done = subprocess.run(["docker", "exec", container, "id", "-u"], capture_output=True, text=True, check=True)
            assert done.stdout.strip() == "10001", service


def test_roles_scale_up_and_down_and_no_call_fails_meanwhile(project):
    with Writer(project) as writer:
        project.up(*(part for role, count in SCALED.items() for part in ("--scale", f"{role}={count}")))
        for role, count in SCALED.items():
            assert len(project.containers(role)) == count
        assert project.from_frontend()[0] == 200
        project.up()
        assert all(len(project.containers(role)) == 1 for role in SCALED)
    assert writer.wrong == []
    assert writer.answers[200] > 100
    assert project.from_frontend()[0] == 200


def test_writes_go_on_when_a_store_is_killed_and_it_comes_back(project):
    stores = project.containers("raft-store")
    with Writer(project) as writer:
        _kill_the_leader(project)
        before = writer.answers[200]
        eventually(lambda: writer.answers[200] > before + 100, "a hundred writes and reads without the store")
    assert writer.wrong == []
    project.up()
    assert len(project.containers("raft-store")) == len(stores) == 3
    eventually(lambda: len(_ready(project, "raft-store")) == 3, "all members ready again")


def test_the_store_grows_to_five_voters_and_shrinks_to_three_and_grows_again(project):
    with Writer(project) as writer:
        for _ in range(2):
            project.up("--scale", "raft-store=5")
            eventually(lambda: _voters(project) == 5, "five voters", AUTOPILOT_S)
            _kill_the_leader(project)
            before = writer.answers[200]
            eventually(lambda seen=before: writer.answers[200] > seen + 100, "a hundred writes and reads without it")
            project.up()
            assert len(project.containers("raft-store")) == 3
            eventually(lambda: _voters(project) == 3, "three voters", AUTOPILOT_S)
    assert writer.wrong == []


def _voters(project):
    """How many servers vote, as the API tells; 0 while it does not."""
    status, body = project.call("GET", "/v1/operator/raft/configuration")
    return sum(one["Voter"] for one in json.loads(body)["Servers"]) if status == 200 else 0


def test_a_spare_gossip_takes_the_node_over_before_its_services_are_lost(project):
    project.up("--scale", "gossip=2")
    known = project.service_addresses()
    subprocess.run(["docker", "kill", *_ready(project, "gossip")], capture_output=True, check=True)
    spare = eventually(lambda: _ready(project, "gossip"), "the spare is the node now")
    moved = f'"Address":"{_address(spare.pop())}"'
    eventually(lambda: moved in project.call("GET", "/v1/catalog/node/node-1")[1], "the node's new address")
    assert project.service_addresses() == known != []


def _kill_the_leader(project):
    leader = json.loads(project.call("GET", "/v1/status/leader")[1]).split(":")[0]
    victim = next(store for store in project.containers("raft-store") if _address(store) == leader)
    subprocess.run(["docker", "kill", victim], capture_output=True, check=True)
    return victim


def _ready(project, role):
    """The containers whose process is ready for work; a spare that waits for a slot is not among them."""
    return {
        one
        for one in project.containers(role)
        if subprocess.run(["docker", "exec", one, "ready"], capture_output=True, check=False).returncode == 0
    }


def _address(container):
    networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    done = subprocess.run(["docker", "inspect", "-f", networks, container], capture_output=True, text=True, check=True)
    return done.stdout.strip()
