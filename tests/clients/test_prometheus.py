"""Prometheus finds what to scrape through its Consul discovery: instances, their tags, and what comes and goes."""

import json
import shutil
import subprocess
import urllib.request

import pytest

from tests.conformance.real_consul import free_ports

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not (PROMETHEUS and PROMTOOL), reason="no prometheus and promtool on the path"),
]
FOUND_S = 60


@pytest.fixture
def prometheus(suite, tmp_path, wait_until):
    """One Prometheus whose discovery asks our suite; returns its targets' discovered labels by service."""
    (port,) = free_ports(1)
    settings = tmp_path / "prometheus.yml"
    server = suite.http.removeprefix("http://")
    settings.write_text(
        "scrape_configs:\n  - job_name: found\n    consul_sd_configs:\n"
        f"      - server: {server}\n        tags: [scraped]\n        refresh_interval: 1s\n"
    )
    checked = subprocess.run([PROMTOOL, "check", "config", str(settings)], capture_output=True, text=True, check=False)
    if "field consul_sd_configs not found" in checked.stdout + checked.stderr:
        pytest.skip("this prometheus was built without Consul's discovery (so is Debian 12's)")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROMETHEUS, f"--config.file={settings}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip

    def targets():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets", timeout=5) as answer:
                active = json.load(answer)["data"]["activeTargets"]
        except OSError:
            return None
        return {one["discoveredLabels"]["__meta_consul_service_id"]: one["discoveredLabels"] for one in active}

    try:
        wait_until(lambda: targets() is not None, FOUND_S, "prometheus up")
        yield targets
    finally:
        process.terminate()
        process.wait(20)


def test_instances_are_found_and_followed(suite, prometheus, wait_until):
    def register(name, tags):
        service = {
            "ID": name,
            "Name": "metrics",
            "Address": "127.0.0.1",
            "Port": 9100,
            "Tags": tags,
            "Meta": {"team": "x"},
        }
        assert suite.put("/v1/agent/service/register", service).status == 200

    register("one", ["scraped", "v1"])
    wait_until(lambda: set(prometheus() or ()) == {"one"}, FOUND_S, "the first instance")
    labels = prometheus()["one"]
    assert labels["__address__"] == "127.0.0.1:9100"
    assert labels["__meta_consul_dc"] == "dc1"
    assert labels["__meta_consul_node"] == "node-1"
    assert labels["__meta_consul_service"] == "metrics"
    assert labels["__meta_consul_tags"] == ",scraped,v1,"
    assert labels["__meta_consul_service_metadata_team"] == "x"
    register("two", ["scraped"])
    register("three", [])
    wait_until(lambda: set(prometheus() or ()) == {"one", "two"}, FOUND_S, "the second, and not the untagged one")
    for name in ("one", "three"):
        suite.put(f"/v1/agent/service/deregister/{name}")
    wait_until(lambda: set(prometheus() or ()) == {"two"}, FOUND_S, "the first has gone")
    suite.put("/v1/agent/service/deregister/two")
