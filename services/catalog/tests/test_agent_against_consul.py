"""The agent family and its errors, asked of a real Consul and of us: equal status and body, but for what is named.

Needs a `consul` binary (environment CONSUL_BIN, or on the path). `OLDER` and
`OLDER_WORDS` hold what only the peer's age changes, `TAKEN_OUT` the requests that it answers otherwise, with the reason.
"""

import asyncio
from typing import Any

import httpx
import pytest
from api_fixture import Catalog, story
from test_against_consul import CONSUL, consul, normal, plain

__all__ = ["consul"]  # the fixture

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path"),
]

Request = tuple[str, str, Any]
S, C = "agent/service/register", "agent/check/register"

REGISTRATIONS: list[Request] = [
    ("PUT", S, {"Name": "web", "ID": "w1", "Tags": ["b", "a"], "Port": 80, "Meta": {"k": "v"}, "Check": {"TTL": "1h", "Status": "passing", "Notes": "n"}}),
    ("PUT", S, {"Name": "web", "ID": "w2", "Address": "10.0.0.9", "Port": 81, "Weights": {"Passing": 10, "Warning": 0}}),
    ("PUT", S, {"Name": "v6", "Address": "2001:db8::1", "Port": 82}),
    ("PUT", S, {"Name": "host", "Address": "db.example", "Port": 83}),
    ("PUT", S, {"Name": "own", "Address": "10.0.0.9", "Port": 84, "TaggedAddresses": {"lan_ipv4": {"Address": "10.9.9.9", "Port": 1}, "wan": {"Address": "h", "Port": 2}}}),
    ("PUT", S, {"Name": "many", "Check": {"TTL": "1h"}, "Checks": [{"TTL": "2h", "Name": "second"}, {"CheckID": "mine", "TTL": "3h"}]}),
    ("PUT", S, {"Name": "one-of-list", "Checks": [{"TTL": "2h"}]}),
    ("PUT", S, {"Name": "empty-check", "Check": {}}),
    ("PUT", S, {"Name": "probed", "Port": 1, "Checks": [{"HTTP": "http://127.0.0.1:1/", "Interval": "1h", "Timeout": "1s", "Status": "passing", "Header": {"A": ["b"]}, "Method": "HEAD"}, {"TCP": "127.0.0.1:1", "Interval": "3600000ms", "Status": "warning"}]}),
    ("PUT", S, {"name": "lower", "id": "low-1", "enabletagoverride": True, "check": {"ttl": "1h", "deregistercriticalserviceafter": "90m"}}),
    ("PUT", S, {"Name": "snake", "enable_tag_override": True, "tagged_addresses": {"lan": {"Address": "10.1.1.1", "Port": 5}}, "Check": {"TTL": "1h", "deregister_critical_service_after": "90m"}}),
    ("PUT", S, {"Name": "numbers", "Check": {"TTL": 3600000000000}}),
    ("PUT", S, {"Name": "native", "Port": 90, "Connect": {"Native": True}}),
    ("PUT", S, {"Name": "side", "Port": 91, "Tags": ["t"], "Meta": {"m": "1"}, "Connect": {"SidecarService": {}}}),
    ("PUT", S, {"Name": "side2", "Port": 92, "Connect": {"SidecarService": {"Port": 20000, "Tags": ["own"], "Proxy": {"Upstreams": [{"DestinationName": "web", "LocalBindPort": 9191}]}}}}),
    ("PUT", S, {"Name": "side3", "Port": 93, "connect": {"sidecar_service": {"check": {"TTL": "1h"}}}}),
    ("PUT", S, {"Name": "px", "Kind": "connect-proxy", "Port": 7777, "Proxy": {"DestinationServiceName": "web", "Config": {"a": [1, 2], "b": {"c": "d"}}, "MeshGateway": {"Mode": "local"}}}),
    ("PUT", S, {"Name": "mgw", "Kind": "mesh-gateway", "Port": 8443}),
    ("PUT", S, {"Name": "a/b:c", "Port": 1}),
    ("PUT", S, {"Name": "Under_Score.dot", "Port": 1}),
    ("PUT", C, {"Name": "node-ttl", "TTL": "1h", "Status": "passing", "Notes": "n"}),
    ("PUT", C, {"Name": "named", "ID": "its-id", "TTL": "1h"}),
    ("PUT", C, {"Name": "of-service", "ID": "extra", "ServiceID": "w1", "TTL": "1h", "Status": "warning"}),
    ("PUT", C, {"Name": "snake-service", "service_id": "w2", "TTL": "1h"}),
    ("PUT", C, {"Name": "aliased", "AliasService": "w1"}),
    ("PUT", S, {"Name": "web", "ID": "w1", "Tags": ["b", "a"], "Port": 80, "Meta": {"k": "w"}, "Check": {"TTL": "1h", "Status": "critical"}}),
    ("PUT", S + "?replace-existing-checks", {"Name": "many", "Checks": [{"CheckID": "mine", "TTL": "3h"}]}),
    ("PUT", S + "?replace-existing-checks=false", {"Name": "web", "ID": "w2", "Port": 81, "Check": {"CheckID": "w2-ttl", "TTL": "1h"}}),
]  # fmt: skip
"""Of these also the rows are compared, in agent, catalog and health."""

READS: list[Request] = [
    ("GET", path, None)
    for path in (
        "agent/services", "agent/checks", "agent/service/w1", "agent/service/w2", "agent/service/v6", "agent/service/side-sidecar-proxy",
        "agent/service/side2-sidecar-proxy", "agent/service/px", "agent/service/mgw", "agent/service/a%2Fb:c", "agent/service/nope", "agent/service/",
        "catalog/service/web", "catalog/service/own", "catalog/service/native", "catalog/connect/web", "catalog/connect/native",
        "health/service/web", "health/service/side-sidecar-proxy", "health/checks/many", "health/checks/probed", "health/connect/side",
        "agent/health/service/id/w1", "agent/health/service/id/w2", "agent/health/service/id/many", "agent/health/service/name/web",
        "agent/health/service/id/w1?format=text", "agent/health/service/name/web?format=text", "agent/health/service/id/nope",
        "agent/health/service/name/nope", "agent/health/service/name/nope?format=text", "agent/health/service/id/", "agent/health/service/name/",
    )
]  # fmt: skip

MAINTENANCE: list[Request] = [
    ("PUT", "agent/maintenance", None),
    ("PUT", "agent/maintenance?enable", None),
    ("PUT", "agent/maintenance?enable=x", None),
    ("GET", "agent/maintenance?enable=true", None),
    ("PUT", "agent/maintenance?enable=T", None),
    ("PUT", "agent/maintenance?enable=1&reason=later", None),
    ("GET", "agent/checks", None),
    ("GET", "agent/health/service/id/w2", None),
    ("GET", "health/service/web?passing", None),
    ("PUT", "agent/check/pass/_node_maintenance", None),
    ("PUT", "agent/maintenance?enable=F", None),
    ("PUT", "agent/maintenance?enable=0", None),
    ("PUT", "agent/service/maintenance/", None),
    ("PUT", "agent/service/maintenance/?enable=true", None),
    ("PUT", "agent/service/maintenance/w1", None),
    ("PUT", "agent/service/maintenance/w1?enable=x", None),
    ("PUT", "agent/service/maintenance/nope?enable=true", None),
    ("PUT", "agent/service/maintenance/nope?enable=false", None),
    ("PUT", "agent/service/maintenance/w1?enable=true&reason=r%20s", None),
    ("PUT", "agent/service/maintenance/a%2Fb:c?enable=true", None),
    ("GET", "agent/checks", None),
    ("GET", "health/service/web?passing", None),
    ("GET", "agent/health/service/id/w1?format=text", None),
    ("PUT", S + "?replace-existing-checks", {"Name": "a/b:c", "Port": 1}),
    ("PUT", "agent/service/maintenance/w1?enable=false", None),
    ("GET", "agent/checks", None),
]
REFUSALS: list[Request] = [
    *[("PUT", S, body) for body in (
        b"", b"{", b"null", {}, {"Name": ""}, {"ID": "x"}, {"Name": "a", "Nope": 1}, {"Name": "a", "Address": "0.0.0.0"}, {"Name": "a", "Address": "::"},
        {"Name": "a", "Address": "[::]"}, {"Name": "a", "Meta": {"": "x"}}, {"Name": "a", "Meta": {"a b": "x"}}, {"Name": "a", "Meta": {"consul-a": "x"}},
        {"Name": "a", "Meta": {"k" * 129: "x"}}, {"Name": "a", "Meta": {"k": "x" * 513}}, {"Name": "a", "Meta": {f"k{n}": "" for n in range(65)}},
        {"Name": "a", "Weights": {"Passing": 0, "Warning": 1}}, {"Name": "a", "Weights": {"Passing": 1, "Warning": -1}},
        {"Name": "a", "Weights": {"Passing": 65536, "Warning": 1}}, {"Name": "a", "Weights": {"Passing": 1, "Warning": 65536}},
        {"Name": "a", "Check": {"TTL": "x"}}, {"Name": "a", "Check": {"Interval": "10s"}}, {"Name": "a", "Check": {"TTL": "5s", "Interval": "5s"}},
        {"Name": "a", "Check": {"HTTP": "http://x"}}, {"Name": "a", "Check": {"TCP": "x:1"}}, {"Name": "a", "Check": {"GRPC": "x:1"}},
        {"Name": "a", "Check": {"ScriptArgs": ["x"]}}, {"Name": "a", "Check": {"AliasService": "w1", "TTL": "5s"}},
        {"Name": "a", "Check": {"TTL": "5s", "Status": "x"}},
        {"Name": "a", "Check": {"TTL": "5s", "OutputMaxSize": -1}}, {"Name": "a", "Checks": [{"TTL": "5s"}, {"Interval": "5s"}]},
        {"Name": "a", "Check": {"Nope": 1, "TTL": "5s"}}, {"Name": "a", "Kind": "connect-proxy"}, {"Name": "a", "Kind": "connect-proxy", "Port": 1},
        {"Name": "a", "Kind": "connect-proxy", "Proxy": {"DestinationServiceName": "x"}},
        {"Name": "a", "Kind": "connect-proxy", "Port": 1, "Proxy": {"DestinationServiceName": "x", "Upstreams": [{"DestinationName": "y"}]}},
        {"Name": "a", "Kind": "mesh-gateway"}, {"Name": "a", "Connect": {"SidecarService": {"ID": "x"}}},
        {"Name": "a", "Connect": {"SidecarService": {"Connect": {"SidecarService": {}}}}}, {"Name": "a", "Namespace": "x"},
    )],
    *[("PUT", C, body) for body in (
        b"", {}, {"Name": ""}, {"TTL": "5s"}, {"Name": "z"}, {"Name": "z", "TTL": "5s", "Status": "x"}, {"Name": "z", "TTL": "5s", "ServiceID": "nope"},
        {"Name": "z", "TTL": "5s", "Nope": 1}, {"Name": "z", "HTTP": "http://x"}, {"Name": "z", "TTL": "5s", "Interval": "5s"},
        {"Name": "z", "Interval": "x"},
    )],
    ("PUT", "agent/check/deregister/nope", None), ("PUT", "agent/check/pass/nope", None), ("PUT", "agent/check/warn/nope", None),
    ("PUT", "agent/check/fail/nope", None), ("PUT", "agent/check/update/nope", {"Status": "passing"}), ("PUT", "agent/check/update/node-ttl", {"Status": "x"}),
    ("PUT", "agent/check/update/node-ttl", b""), ("PUT", "agent/check/pass/aliased", None), ("PUT", "agent/service/deregister/nope", None),
    ("PUT", "agent/service/deregister/", None), ("GET", "agent/check/pass/node-ttl", None), ("POST", "agent/check/register", {}),
    ("DELETE", "agent/service/deregister/w1", None), ("GET", "agent/join/x", None), ("GET", "agent/force-leave/x", None), ("GET", "agent/reload", None),
    ("POST", "agent/monitor", None), ("PUT", "agent/metrics", None), ("PUT", "agent/host", None), ("PUT", "agent/self", None), ("PUT", "agent/members", None),
    ("GET", "agent/leave", None), ("GET", "agent/monitor?loglevel=loud", None), ("GET", "agent/nope", None), ("PUT", "agent/reload", None),
]  # fmt: skip
SPIFFE = "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/"
OTHERS: list[Request] = [
    *[("POST", "agent/connect/authorize", body) for body in (
        b"", {}, {"Target": ""}, {"Target": "db"}, {"Target": "db", "ClientCertURI": "http://x"}, {"Target": "db", "Nope": 1},
        {"Target": "db", "ClientCertURI": "spiffe://11111111-2222-3333-4444-555555555555.consul"}, {"Target": "db", "ClientCertURI": SPIFFE + "web"},
    )],
    ("GET", "agent/connect/authorize", None),
    *[(method, f"operator/keyring{query}", {"Key": "3lg9DxVfKNzI8O+IQ5Ek+Q=="} if method != "GET" else None) for method, query in (
        ("GET", "?relay-factor=9"), ("GET", "?relay-factor=-1"), ("GET", "?relay-factor=x"), ("GET", "?local-only=x"), ("PUT", "?local-only=true"),
        ("POST", "?local-only=true"), ("DELETE", "?relay-factor=7"),
    )],
    *[(method, "operator/keyring", b"") for method in ("POST", "PUT", "DELETE")],
    ("POST", "operator/keyring", {"Kay": "x"}),
    *[("PUT", f"agent/token/{kind}", {"Token": "x"}) for kind in ("default", "agent", "replication", "nope", "")],
    ("GET", "agent/token/default", None),
    *[(method, f"acl/{path}", None) for method, path in (
        ("PUT", "bootstrap"), ("GET", "bootstrap"), ("GET", "replication"), ("POST", "login"), ("POST", "logout"), ("PUT", "logout"), ("PUT", "token"),
        ("GET", "token"), ("GET", "tokens"), ("GET", "token/self"), ("PUT", "token/self"), ("GET", "token/x"), ("PUT", "token/x/clone"), ("DELETE", "token/x"),
        ("POST", "token/x"), ("PUT", "policy"), ("GET", "policies"), ("GET", "policy/x"), ("GET", "policy/name/x"), ("PUT", "policy/name/x"), ("PUT", "role"),
        ("GET", "roles"), ("GET", "role/x"), ("GET", "role/name/x"), ("PUT", "binding-rule"), ("GET", "binding-rules"), ("DELETE", "binding-rule/x"),
        ("PUT", "auth-method"), ("GET", "auth-methods"), ("PUT", "auth-method/x"), ("POST", "rules/translate"), ("GET", "rules/translate/x"), ("PUT", "create"),
        ("PUT", "update"), ("PUT", "destroy/x"), ("GET", "info/x"), ("PUT", "clone/x"), ("GET", "list"), ("GET", "nope"), ("OPTIONS", "token/x"),
    )],
]  # fmt: skip

UNKNOWN_CHECK = 'Unknown check ID "nope". Ensure that the check ID is passed, not the check name.'
UNKNOWN_SERVICE = 'Unknown service ID "nope". Ensure that the service ID is passed, not the service name.'
OLDER = {
    (404, 'No service registered with ID "nope"'): (404, UNKNOWN_SERVICE),
    (500, 'CheckID "nope" does not have associated TTL'): (404, UNKNOWN_CHECK),
    (500, 'ServiceID "nope" does not exist'): (404, 'ServiceID "nope" does not exist'),
    (500, "ServiceID missing"): (400, "Missing service ID"),
    (404, ""): (404, "Invalid URL path: not a recognized HTTP API endpoint"),
}
"""Answers of 1.8 and what became of them."""

OLDER_WORDS = {
    "Interval must be > 0 for Script, HTTP, or TCP checks": "Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks",
    "* Port must be set for": "* Port or SocketPath must be set for",
    "upstream local bind port cannot be zero": "upstream local bind port or local socket path must be defined and nonzero",
    "Bad request: ": "",
    "Validation failed: ": "",
    " - Namespaces are a Consul Enterprise feature": "",
}  # fmt: skip
"""Words that only age changes, in ours and in theirs."""

TAKEN_OUT = {
    "PUT agent/check/deregister/nope": "1.8 is content when the check is not there",
    "PUT agent/service/deregister/nope": "the same for a service",
}


def shown(answer: httpx.Response) -> tuple[int, str | None, Any]:
    """What must be equal: status, reason, and content without what differs from run to run."""
    reason = answer.headers.get("x-consul-reason")
    if answer.headers.get("content-type", "").startswith("application/json"):
        return answer.status_code, reason, in_order(plain(normal(answer.json())))
    text = answer.text.strip()
    for older, newer in OLDER_WORDS.items():
        text = text.replace(older, newer)
    status, text = OLDER.get((answer.status_code, text), (answer.status_code, text))
    return status, reason, text


def in_order(value: Any) -> Any:
    """Lists of objects sorted: several are in the order of a map in Consul."""
    if isinstance(value, dict):
        aliased = value.get("Type") == "alias" or value.get("CheckID") == "aliased"  # the peer runs them at once
        return {key: in_order(one) for key, one in value.items() if not (aliased and key == "Status")}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sorted((in_order(one) for one in value), key=str)
    return value


def unequal(mine: Any, other: Any, where: str = "") -> str:
    """The first place where two answers differ."""
    if isinstance(mine, dict) and isinstance(other, dict) and mine.keys() == other.keys():
        return next(unequal(mine[key], other[key], f"{where}.{key}") for key in mine if mine[key] != other[key])
    if isinstance(mine, list | tuple) and isinstance(other, list | tuple) and len(mine) == len(other):
        pairs = enumerate(zip(mine, other, strict=True))
        return next(unequal(left, right, f"{where}[{at}]") for at, (left, right) in pairs if left != right)
    return f"{where}\n  ours   {mine}\n  theirs {other}"


@pytest.mark.parametrize(
    ("setting_up", "compared"),
    [
        ([], [*REGISTRATIONS, *READS]),
        (REGISTRATIONS, MAINTENANCE),
        (REGISTRATIONS, REFUSALS),
        ([], OTHERS),
    ],
    ids=["registrations", "maintenance", "refusals", "others"],
)
def test_a_real_consul_answers_the_same(consul: str, setting_up: list[Request], compared: list[Request]) -> None:
    @story
    async def told() -> None:
        ours, theirs = Catalog().http, httpx.AsyncClient(base_url=consul, timeout=8)
        differences: list[str] = []

        async def both(method: str, path: str, body: Any) -> tuple[httpx.Response, httpx.Response]:
            kind = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
            return await asyncio.gather(ours.request(method, path, **kind), theirs.request(method, path, **kind))

        for service in (await theirs.get("agent/services")).json():
            await theirs.put(f"agent/service/deregister/{service.replace('/', '%2F')}")
        for check in (await theirs.get("agent/checks")).json():
            await theirs.put(f"agent/check/deregister/{check}")
        for request in setting_up:
            await both(*request)
        for method, path, body in compared:
            mine, other = [shown(one) for one in await both(method, path, body)]
            if mine != other and f"{method} {path}" not in TAKEN_OUT:
                differences.append(f"{method} {path} {body}: {unequal(mine, other)}")
        await theirs.aclose()
        assert not differences, "\n".join(differences)

    told()


def test_there_are_many_of_them() -> None:
    assert len([*REGISTRATIONS, *READS, *MAINTENANCE, *REFUSALS, *OTHERS]) > 200
