"""What is sent, read back by a library that we did not write, and judged by Envoy itself."""

import base64
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf import json_format

from lictor_mesh import AccessRules, Endpoint, Inbound, Principal, ProxyConfig, ServiceIdentity, UpstreamConfig
from lictor_mesh.intentions import HeaderMatch, HttpMatch
from lictor_mesh.rbac import DENY_ALL, Policy, Rule
from lictor_pki import bundle_pem, create_key_and_csr, create_root, sign
from lictor_xds.translate import sidecar_resources
from lictor_xds.translate.access import rbac
from lictor_xds.translate.endpoints import load_assignment
from lictor_xdsproto import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the reader uses a deprecated form of pydantic's decorators
    import envoy_data_plane.envoy.config.cluster.v3 as cluster_v3
    import envoy_data_plane.envoy.config.endpoint.v3 as endpoint_v3
    import envoy_data_plane.envoy.config.listener.v3 as listener_v3
    import envoy_data_plane.envoy.config.rbac.v3 as rbac_v3
    import envoy_data_plane.envoy.config.route.v3 as route_v3

ENVOY = Path(sys.executable).parent / "envoy"
CLUSTER_ID = "11111111-2222-3333-4444-555555555555"
TD = f"{CLUSTER_ID}.consul"
WEB = ServiceIdentity(TD, "dc1", "web")
RULES = AccessRules(
    "deny",
    (
        Policy("consul-intentions-layer4", (Principal("a.b"), Principal("*", ("web", "x y")))),
        Policy(
            "consul-intentions-layer7-1",
            (Principal("api"),),
            (
                Rule(
                    HttpMatch(
                        "prefix",
                        "/admin",
                        (
                            HeaderMatch("x-a", "present", invert=True),
                            HeaderMatch("x-b", "contains", "Q", ignore_case=True),
                        ),
                        ("GET", "PUT"),
                    ),
                    (HttpMatch("regex", "/admin/.*/open"),),
                ),
                Rule(HttpMatch("", "", (HeaderMatch("x-c", "regex", "v[0-9]+"),))),
            ),
        ),
    ),
)


def config(protocol: str) -> ProxyConfig:
    inbound = Inbound(
        "127.0.0.1",
        21000,
        protocol,
        "127.0.0.1",
        8080,
        "",
        5000,
        RULES if protocol != "tcp" else AccessRules("deny", RULES.policies[:1]),
    )
    upstreams = (
        UpstreamConfig(
            "db",
            "db",
            "dc1",
            protocol,
            f"db.default.dc1.internal.{TD}",
            ServiceIdentity(TD, "dc1", "db").uri,
            "127.0.0.1",
            9191,
            "",
            1500,
            (Endpoint("10.0.0.1", 1, True, 2), Endpoint("::1", 2, False, 1)),
        ),
        UpstreamConfig(
            "api",
            "api",
            "dc1",
            protocol,
            f"api.default.dc1.internal.{TD}",
            ServiceIdentity(TD, "dc1", "api").uri,
            "",
            0,
            "/tmp/api.sock",
            5000,
            (),
        ),
    )
    return ProxyConfig("web-proxy", "n1", WEB, inbound, upstreams)


def pems() -> dict[str, str]:
    root, root_key = create_root(CLUSTER_ID, time.time(), os.urandom)
    key, csr = create_key_and_csr(WEB.uri)
    issued = sign(csr, root, root_key, now=time.time(), serial=1, datacenter="dc1")
    return {"cert_pem": issued.cert_pem, "key_pem": key, "bundle": bundle_pem([root])}


@pytest.mark.parametrize("protocol", ["tcp", "http", "http2", "grpc"])
@pytest.mark.skipif(not ENVOY.exists(), reason="no Envoy here")
def test_envoy_accepts_a_whole_sidecar_of_every_protocol(protocol: str, tmp_path: Path) -> None:
    made = sidecar_resources(config(protocol), **pems())
    # Static configuration knows no ADS: the same messages, with what they would be sent beside them put inside.
    static: dict[str, Any] = {"clusters": [], "listeners": [], "secrets": []}
    assignments = {one.name: ClusterLoadAssignment.FromString(one.body) for one in made[ENDPOINT]}
    routes = {one.name: RouteConfiguration.FromString(one.body) for one in made[ROUTE]}
    for one in made[CLUSTER]:
        cluster = Cluster.FromString(one.body)
        if cluster.type == Cluster.EDS:
            cluster.type = Cluster.STATIC
            cluster.ClearField("eds_cluster_config")
            cluster.load_assignment.CopyFrom(assignments[one.name])
        static["clusters"].append(json_format.MessageToDict(cluster))
    for one in made[LISTENER]:
        listener = Listener.FromString(one.body)
        network = listener.filter_chains[0].filters[-1].typed_config
        manager = HttpConnectionManager()
        if network.Unpack(manager) and manager.HasField("rds"):
            manager.route_config.CopyFrom(routes[manager.rds.route_config_name])
            network.Pack(manager)
        static["listeners"].append(json_format.MessageToDict(listener))
    static["secrets"] = [json_format.MessageToDict(Secret.FromString(one.body)) for one in made[SECRET]]
    text = json.dumps({"static_resources": static})
    secrets = {one["name"]: one for one in static["secrets"]}
    assert secrets.keys() == {"leaf:web", "roots"}
    # SDS by name without a source is how a static secret is found.
    made_static = json.loads(
        text, object_hook=lambda node: {key: value for key, value in node.items() if key != "sdsConfig"}
    )
    json_format.ParseDict(made_static, Bootstrap())
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(made_static))
    done = subprocess.run(
        [ENVOY, "--mode", "validate", "-c", file, "-l", "warning"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower()


def test_an_independent_reader_finds_mutual_tls_and_the_rules() -> None:
    made = sidecar_resources(config("http"), cert_pem="c", key_pem="k", bundle="b")
    listeners = {one.name: listener_v3.Listener.parse(one.body) for one in made[LISTENER]}
    assert listeners.keys() == {"public_listener:127.0.0.1:21000", "db:127.0.0.1:9191", "api:/tmp/api.sock"}
    public = listeners["public_listener:127.0.0.1:21000"].filter_chains[0]
    assert public.transport_socket is not None
    assert public.transport_socket.name == "tls"
    route = route_v3.RouteConfiguration.parse(made[ROUTE][0].body)
    assert route.virtual_hosts[0].domains == ["*"]
    assert "envoy.filters.http.rbac" in route.virtual_hosts[0].typed_per_filter_config
    clusters = {one.name: cluster_v3.Cluster.parse(one.body) for one in made[CLUSTER]}
    db = clusters[f"db.default.dc1.internal.{TD}"]
    assert db.transport_socket is not None
    assert db.connect_timeout is not None
    assert db.connect_timeout.total_seconds() == 1.5


def test_an_independent_reader_finds_the_joined_endpoints() -> None:
    endpoints = tuple(
        Endpoint(f"10.0.{number // 250}.{number % 250}", 2000 + number, number % 3 != 0, number % 128 + 1)
        for number in range(1000)
    )
    read = endpoint_v3.ClusterLoadAssignment.parse(load_assignment("db", endpoints).body)
    assert read.cluster_name == "db"
    (locality,) = read.endpoints
    found = []
    for one in locality.lb_endpoints:
        assert one.endpoint is not None
        assert one.endpoint.address is not None
        socket = one.endpoint.address.socket_address
        assert socket is not None
        found.append(
            Endpoint(
                socket.address, socket.port_value or 0, one.health_status.value == 1, one.load_balancing_weight or 0
            )
        )
    assert tuple(found) == endpoints


def test_an_empty_assignment_is_sent_as_such() -> None:
    read = endpoint_v3.ClusterLoadAssignment.parse(load_assignment("db", ()).body)
    assert read.cluster_name == "db"
    assert sum(len(locality.lb_endpoints) for locality in read.endpoints) == 0


def test_an_independent_reader_finds_no_policy_when_everybody_is_denied() -> None:
    read = rbac_v3.Rbac.parse(rbac(DENY_ALL, TD).SerializeToString())
    assert read.action == rbac_v3.RbacAction.ALLOW
    assert read.policies == {}


def test_principals_are_anchored_expressions_with_escaped_names() -> None:
    read = rbac_v3.Rbac.parse(rbac(RULES, TD).SerializeToString())
    assert read.action == rbac_v3.RbacAction.DENY
    first = read.policies["consul-intentions-layer4"].principals[0]
    assert first.authenticated is not None
    assert first.authenticated.principal_name is not None
    assert first.authenticated.principal_name.safe_regex is not None
    regex = first.authenticated.principal_name.safe_regex.regex
    assert regex.startswith("^spiffe://")
    assert regex.endswith(r"/svc/a\.b$")


def test_equal_values_give_equal_bytes_and_versions_in_another_process() -> None:
    code = (
        "import sys, base64; sys.path.insert(0, sys.argv[1]); import test_translate as t;"
        "made = t.sidecar_resources(t.config('http'), cert_pem='c', key_pem='k', bundle='b');"
        "print(base64.b64encode(repr(sorted((one.name, one.version) for all in made.values() for one in all)).encode()).decode())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    ).stdout
    made = sidecar_resources(config("http"), cert_pem="c", key_pem="k", bundle="b")
    here = repr(sorted((one.name, one.version) for resources in made.values() for one in resources))
    assert base64.b64decode(printed).decode() == here


def test_proxies_of_one_moment_share_what_is_equal() -> None:
    first = sidecar_resources(config("http"), cert_pem="c", key_pem="k", bundle="b")
    second = sidecar_resources(config("http"), cert_pem="c", key_pem="k", bundle="b")
    for type_url in (CLUSTER, ENDPOINT, SECRET):
        assert all(one is other for one, other in zip(first[type_url], second[type_url], strict=True))
