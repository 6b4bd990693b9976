"""Checks through the whole suite: what a process says of itself, what is probed, what is mirrored."""

import http.server
import subprocess
import threading

import pytest

pytestmark = pytest.mark.e2e


class Target:
    """A web server whose answer can be changed."""

    def __init__(self):
        self.status = 200
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(target.status)
                self.end_headers()

            def log_message(self, *_):
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def target():
    made = Target()
    yield made
    made.close()


@pytest.fixture(scope="module")
def checked(tmp_path_factory, suite_class):
    running = suite_class(tmp_path_factory.mktemp("checks"), "--servers", "1", demo=False)
    try:
        yield running.start()
    finally:
        running.stop()


def status(suite, service):
    found = suite.get(f"/v1/health/checks/{service}").json()
    return {check["CheckID"]: check["Status"] for check in found}


def in_dns(suite, service):
    done = subprocess.run(
        ["dig", "@127.0.0.1", "-p", str(suite.port(8600)), "+short", f"{service}.service.consul"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return bool(done.stdout.strip())


def test_a_ttl_check_lives_from_what_the_process_says_and_dies_of_silence(checked, wait_until):
    body = {"Name": "worker", "Port": 1, "Check": {"TTL": "2s"}}
    assert checked.put("/v1/agent/service/register", body).status == 200
    assert status(checked, "worker") == {"service:worker": "critical"}
    said = wait_until(lambda: checked.put("/v1/agent/check/pass/service:worker?note=fine").status == 200, 5, "pass")
    assert said
    assert status(checked, "worker") == {"service:worker": "passing"}
    wait_until(lambda: in_dns(checked, "worker"), 2, "in DNS")
    wait_until(lambda: status(checked, "worker") == {"service:worker": "critical"}, 6, "TTL expired")
    output = checked.get("/v1/health/checks/worker").json()[0]["Output"]
    assert "TTL expired" in output
    wait_until(lambda: not in_dns(checked, "worker"), 2, "out of DNS")
    update = {"Status": "warning", "Output": "so so"}
    assert checked.put("/v1/agent/check/update/service:worker", update).status == 200
    assert status(checked, "worker") == {"service:worker": "warning"}


def test_a_probed_service_and_its_mirror_follow_the_target(checked, wait_until, target):
    web = {
        "Name": "web",
        "Port": target.port,
        "Checks": [
            {"HTTP": f"http://127.0.0.1:{target.port}/", "Interval": "1s"},
            {"TCP": f"127.0.0.1:{target.port}", "Interval": "1s"},
        ],
    }
    assert checked.put("/v1/agent/service/register", web).status == 200
    mirror = {"Name": "mirror", "Port": 2, "Check": {"AliasService": "web"}}
    assert checked.put("/v1/agent/service/register", mirror).status == 200
    wait_until(lambda: set(status(checked, "web").values()) == {"passing"}, 5, "both pass")
    wait_until(lambda: set(status(checked, "mirror").values()) == {"passing"}, 5, "the mirror passes")
    target.status = 500
    wait_until(lambda: status(checked, "web")["service:web:1"] == "critical", 5, "the page is wrong")
    wait_until(lambda: set(status(checked, "mirror").values()) == {"critical"}, 5, "the mirror follows")
    assert status(checked, "web")["service:web:2"] == "passing"
    target.status = 200
    wait_until(lambda: set(status(checked, "mirror").values()) == {"passing"}, 5, "all well again")


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("grpc", {"GRPC": "127.0.0.1:1", "Interval": "1s"}),
        ("udp", {"UDP": "127.0.0.1:1", "Interval": "1s"}),
        ("script", {"Args": ["true"], "Interval": "1s"}),
        ("docker", {"DockerContainerID": "x", "Args": ["true"], "Interval": "1s"}),
    ],
)
def test_a_kind_that_nobody_runs_is_refused_by_name_and_nothing_is_registered(checked, kind, check):
    refused = checked.put("/v1/agent/service/register", {"Name": f"by-{kind}", "Check": check})
    assert refused.status == 400
    assert kind in refused.text
    assert f"by-{kind}" not in checked.get("/v1/agent/services").json()


def test_a_killed_healthcheck_changes_nothing_and_goes_on(checked, wait_until, target):
    web = {"Name": "kept", "Port": target.port, "Check": {"HTTP": f"http://127.0.0.1:{target.port}/", "Interval": "1s"}}
    assert checked.put("/v1/agent/service/register", web).status == 200
    wait_until(lambda: status(checked, "kept") == {"service:kept": "passing"}, 5, "passes")
    before = checked.pids()["healthcheck"]
    checked.kill("healthcheck")
    assert status(checked, "kept") == {"service:kept": "passing"}
    wait_until(lambda: checked.pids()["healthcheck"] not in {0, before}, 10, "a new one")
    target.status = 503
    wait_until(lambda: status(checked, "kept") == {"service:kept": "critical"}, 10, "the new one probes")
