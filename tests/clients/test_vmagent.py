"""VictoriaMetrics' agent finds what to scrape through its own Consul discovery, which Debian's Prometheus lacks.

It asks `agent/self` for the datacenter, waits on `catalog/services`, and then on `health/service/:name` of each, with
`index` and `wait`: what it has found it follows.
"""

import json
import shutil
import subprocess
import urllib.request

import pytest

from tests.conformance.real_consul import free_ports

VMAGENT = shutil.which("vmagent")
pytestmark = [pytest.mark.clients, pytest.mark.skipif(not VMAGENT, reason="no vmagent on the path")]
FOUND_S = 60


@pytest.fixture
def discovered(suite, tmp_path, wait_until):
    """A vmagent whose discovery asks our suite; a function that gives its targets' discovered labels by service id."""
    port, nowhere = free_ports(2)
    settings = tmp_path / "scrape.yml"
    server = suite.http.removeprefix("http://")
    settings.write_text(
        "scrape_configs:\n  - job_name: found\n    consul_sd_configs:\n"
        f"      - server: {server}\n        tags: [scraped]\n        allow_stale: false\n"
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [VMAGENT, f"-promscrape.config={settings}", f"-httpListenAddr=127.0.0.1:{port}", f"-remoteWrite.url=http://127.0.0.1:{nowhere}/", f"-remoteWrite.tmpDataPath={tmp_path / 'data'}", "-promscrape.consulSDCheckInterval=1s"],
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
        wait_until(lambda: targets() is not None, FOUND_S, "vmagent up")
        yield targets
    finally:
        process.kill()  # it would try for a minute to write what it has scraped
        process.wait(20)


def test_instances_are_found_and_followed(suite, discovered, wait_until):
    def register(name, port, tags):
        service = {
            "ID": name,
            "Name": "vm",
            "Address": "127.0.0.1",
            "Port": port,
            "Tags": tags,
            "Meta": {"team": "x"},
            "Check": {"TTL": "1h", "Status": "passing"},
        }
        assert suite.put("/v1/agent/service/register", service).status == 200

    register("vm-1", 9101, ["scraped", "v1"])
    wait_until(lambda: set(discovered() or ()) == {"vm-1"}, FOUND_S, "the first instance")
    labels = discovered()["vm-1"]
    wanted = {
        "__address__": "127.0.0.1:9101",
        "__meta_consul_address": "127.0.0.1",
        "__meta_consul_dc": "dc1",
        "__meta_consul_health": "passing",
        "__meta_consul_node": "node-1",
        "__meta_consul_service": "vm",
        "__meta_consul_service_address": "127.0.0.1",
        "__meta_consul_service_metadata_team": "x",
        "__meta_consul_service_port": "9101",
        "__meta_consul_tags": ",scraped,v1,",
    }
    assert {name: labels.get(name) for name in wanted} == wanted
    register("vm-2", 9102, ["scraped"])
    register("vm-3", 9103, [])
    wait_until(lambda: set(discovered() or ()) == {"vm-1", "vm-2"}, FOUND_S, "the second, and not the untagged one")
    for name in ("vm-1", "vm-3"):
        assert suite.put(f"/v1/agent/service/deregister/{name}").status == 200
    wait_until(lambda: set(discovered() or ()) == {"vm-2"}, FOUND_S, "the first has gone")
    assert suite.put("/v1/agent/service/deregister/vm-2").status == 200
    wait_until(lambda: not discovered(), FOUND_S, "the last has gone")
