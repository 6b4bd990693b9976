"""A running Consul, filled with everything, is copied; a second import changes nothing."""

import base64
import json
import os
import shutil
import socket
import subprocess
import urllib.request
from urllib.parse import quote

import pytest

from tests.running_suite import wait_until

CONSUL = os.environ.get("CONSUL_BIN") or shutil.which("consul")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path"),
]

NAMES = ("http", "dns", "serf-lan", "serf-wan", "server", "grpc")
WEB = {"Name": "web", "ID": "w1", "Port": 80, "Address": "10.0.0.9", "Tags": ["a"], "Meta": {"k": "<&>"}}
WEB |= {"Check": {"TTL": "1h", "Status": "passing"}}
WEB |= {"Connect": {"SidecarService": {"Proxy": {"Upstreams": [{"DestinationName": "db", "LocalBindPort": 9191}]}}}}
EXTERNAL = {"Node": "ext", "Address": "1.2.3.4", "NodeMeta": {"m": "1"}, "TaggedAddresses": {"lan": "1.1.1.1"}}
EXTERNAL |= {
    "Service": {"Service": "api", "ID": "a/1", "Weights": {"Passing": 3, "Warning": 2}, "EnableTagOverride": True}
}
EXTERNAL |= {"Check": {"Name": "c", "ServiceID": "a/1", "Status": "warning", "Notes": "n"}}
ROUTE = {"Match": {"HTTP": {"PathPrefix": "/a"}}, "Destination": {"Service": "db", "RequestTimeout": "5s"}}
ENTRIES = [
    {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}},
    {"Kind": "service-resolver", "Name": "web", "DefaultSubset": "v1", "Subsets": {"v1": {"OnlyPassing": True}}},
    {
        "Kind": "service-splitter",
        "Name": "web",
        "Splits": [{"Weight": 99.5, "Service": "web"}, {"Weight": 0.5, "Service": "x"}],
    },
    {"Kind": "service-router", "Name": "web", "Routes": [ROUTE]},
    {"Kind": "terminating-gateway", "Name": "tg", "Services": [{"Name": "*", "CAFile": "c"}]},
]
QUERY = {
    "Name": "nearest",
    "Service": {"Service": "web", "Tags": ["a"], "Failover": {"NearestN": 3}},
    "DNS": {"TTL": "10s"},
}
VALUES = {"bin": bytes(range(256)), "empty": b"", "deep/a b/\u00fc": b"x", "big": b"x" * 500_000}
UNREACHABLE = {"/": b"1", "/a": b"2", "a//b": b"3", "..": b"4", "a/./b": b"5", "a//": b"", "tab\t/x": b"6"}
"""Keys that no path leads to: whoever writes them uses transactions."""

FAMILIES = (
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    "/v1/kv/?recurse",
    "/v1/config/service-router",
    "/v1/connect/intentions",
    "/v1/query",
)


class Consul:
    """A real one, for development."""

    def __init__(self, log):
        held = [socket.create_server(("127.0.0.1", 0)) for _ in NAMES]
        ports = [one.getsockname()[1] for one in held]
        for one in held:
            one.close()
        flags = [part for name, port in zip(NAMES, ports, strict=True) for part in (f"-{name}-port", str(port))]
        self.url = f"http://127.0.0.1:{ports[0]}"
        with log.open("wb") as out:
            command = [CONSUL, "agent", "-dev", "-node", "old", "-bind", "127.0.0.1", *flags]
            self.process = subprocess.Popen(command, stdout=out, stderr=out)

    def call(self, path, body=None, method="GET"):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, method=method), timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def is_up(self):
        try:
            return any(one["CheckID"] == "serfHealth" for one in self.call("/v1/health/node/old"))
        except OSError:
            return False

    def fill(self):
        self.call("/v1/agent/service/register", WEB, "PUT")
        self.call("/v1/catalog/register", EXTERNAL, "PUT")
        for key, value in VALUES.items():
            self.call(f"/v1/kv/{quote(key)}?flags={2**64 - 1}", value, "PUT")
        for key, value in UNREACHABLE.items():
            operation = {"Verb": "set", "Key": key, "Value": base64.b64encode(value).decode(), "Flags": 2**64 - 1}
            self.call("/v1/txn", [{"KV": operation}], "PUT")
        for entry in ENTRIES:
            self.call("/v1/config", entry, "PUT")
        self.call("/v1/query", QUERY, "POST")
        for caller in ("web", "*"):
            body = {"SourceName": caller, "DestinationName": "db", "Action": "deny", "Description": caller}
            self.call("/v1/connect/intentions", body, "POST")


@pytest.fixture
def consul(tmp_path, wait_until):
    made = Consul(tmp_path / "consul.log")
    try:
        wait_until(made.is_up, 30, "a Consul")
        yield made
    finally:
        made.process.terminate()
        made.process.wait(10)


def own_nodes(suite):
    return {one["Node"] for one in suite.get("/v1/health/state/passing").json() if one["CheckID"] == "serfHealth"}


def test_a_consul_is_copied_and_a_second_import_changes_nothing(own_suite, consul):
    consul.fill()
    suite = own_suite().start()
    wait_until(
        lambda: own_nodes(suite) >= {"node-1", "server-1", "server-2", "server-3"},
        20,
        "the suite's own nodes have joined",
    )
    address = suite.http.removeprefix("http://")
    told = suite.lictor("import", "--from", consul.url, "--http-addr", address)
    assert "refused:" not in told
    keys = {one["Key"]: one for one in suite.get("/v1/kv/?recurse").json()}
    assert {key: (one["Flags"], base64.b64decode(one["Value"] or "")) for key, one in keys.items()} == {
        key: (2**64 - 1, value) for key, value in (VALUES | UNREACHABLE).items()
    }
    [api] = suite.get("/v1/catalog/service/api").json()
    assert (api["Node"], api["ServiceID"], api["ServiceWeights"]) == ("ext", "a/1", {"Passing": 3, "Warning": 2})
    [web] = suite.get("/v1/health/service/web?passing").json()
    assert web["Service"]["Meta"] == WEB["Meta"]
    assert suite.get("/v1/catalog/connect/web").json()[0]["ServiceName"] == "web-sidecar-proxy"
    assert suite.get("/v1/config/service-router/web").json()["Routes"] == [ROUTE]
    exact = suite.get("/v1/connect/intentions/exact?source=web&destination=db").json()
    assert (exact["Action"], exact["Description"]) == ("deny", "web")
    [query] = suite.get("/v1/query").json()
    assert (query["Name"], query["Service"]["Failover"]["NearestN"], query["DNS"]["TTL"]) == ("nearest", 3, "10s")
    before = [suite.get(path).headers["x-consul-index"] for path in FAMILIES]
    suite.lictor("import", "--from", consul.url, "--http-addr", address)
    assert [suite.get(path).headers["x-consul-index"] for path in FAMILIES] == before
