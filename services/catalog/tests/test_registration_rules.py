"""Every row of Consul's tables of service, check and proxy definitions, sent and read back over HTTP.

The first part is what a registration turns into, as the agent, the catalog and health show it; the second what is
refused. Words and statuses were taken from a real Consul where there is one that has the rule.
"""

from typing import Any

import pytest
from api_fixture import Catalog, story

from lictor_state.commands import CatalogRegister, ServiceSpec

S = "agent/service/register"


async def registered(body: dict[str, Any], service_id: str, path: str = S) -> dict[str, Any]:
    """The agent's view of a service after a registration."""
    catalog = Catalog()
    answer = await catalog.put(path, body)
    assert (answer.status_code, answer.content) == (200, b""), answer.text
    shown: dict[str, Any] = (await catalog.get(f"agent/service/{service_id.replace('/', '%2F')}")).json()
    return shown


IP4 = {"Address": "10.0.0.9", "Port": 80}
IP6 = {"Address": "2001:db8::1", "Port": 80}


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({}, "ID", "web"),
        ({"ID": "w/1:a"}, "ID", "w/1:a"),
        ({}, "Tags", []),
        ({"Tags": ["b", "a", "b"]}, "Tags", ["b", "a", "b"]),
        ({"Tags": None}, "Tags", []),
        ({}, "Meta", {}),
        ({"Meta": {"a-b_C9": "x" * 512}}, "Meta", {"a-b_C9": "x" * 512}),
        ({"Meta": {f"k{n}": "" for n in range(64)}}, "Meta", {f"k{n}": "" for n in range(64)}),
        ({}, "Port", 0),
        ({}, "Address", ""),
        ({"Address": "db.example"}, "Address", "db.example"),
        ({"SocketPath": "/run/x.sock"}, "SocketPath", "/run/x.sock"),
        ({}, "TaggedAddresses", None),
        ({"Address": "db.example", "Port": 80}, "TaggedAddresses", None),
        (dict(IP4), "TaggedAddresses", {"lan_ipv4": IP4, "wan_ipv4": IP4}),
        (dict(IP6), "TaggedAddresses", {"lan_ipv6": IP6, "wan_ipv6": IP6}),
        (
            IP4 | {"TaggedAddresses": {"wan_ipv4": {"Address": "1.2.3.4", "Port": 1}, "lan": {"Address": "h", "Port": 2}}},
            "TaggedAddresses",
            {"lan": {"Address": "h", "Port": 2}, "lan_ipv4": IP4, "wan_ipv4": {"Address": "1.2.3.4", "Port": 1}},
        ),
        ({"TaggedAddresses": {"virtual": {"Address": "10.1.1.1", "Port": 0}}}, "TaggedAddresses", {"virtual": {"Address": "10.1.1.1", "Port": 0}}),
        ({}, "Weights", {"Passing": 1, "Warning": 1}),
        ({"Weights": {"Passing": 5}}, "Weights", {"Passing": 5, "Warning": 0}),
        ({"Weights": {"Passing": 65535, "Warning": 65535}}, "Weights", {"Passing": 65535, "Warning": 65535}),
        ({}, "EnableTagOverride", False),
        ({"EnableTagOverride": True}, "EnableTagOverride", True),
        ({"Locality": {"Region": "r", "Zone": "z"}}, "Locality", {"Region": "r", "Zone": "z"}),
        ({"Connect": {"Native": True}, "Port": 5}, "Connect", {"Native": True}),
        ({"Connect": {"Nope": 1}}, "Connect", None),
        ({"Token": "s"}, "Token", None),
        ({"Kind": "typical"}, "Kind", None),
        ({"Proxy": {"DestinationServiceName": "x"}}, "Proxy", None),
        ({}, "Datacenter", "dc1"),
    ],
)  # fmt: skip
def test_a_field_of_a_service_is_shown_as_consuls_agent_shows_it(body: dict[str, Any], field: str, value: Any) -> None:
    @story
    async def told() -> None:
        shown = await registered({"Name": "web"} | body, body.get("ID", "web"))
        assert shown.get(field) == value

    told()


@story
async def test_the_fields_that_nomad_compares_come_back_as_they_were_sent() -> None:
    sent: dict[str, Any] = {
        "ID": "_nomad-task-1", "Name": "api", "Kind": "connect-proxy", "Tags": ["z", "a"], "EnableTagOverride": True, "Port": 23000, "Address": "10.0.0.9",
        "Meta": {"external-source": "nomad"}, "Weights": {"Passing": 3, "Warning": 2}, "TaggedAddresses": {"lan": {"Address": "10.0.0.9", "Port": 1}, "wan": {"Address": "1.2.3.4", "Port": 2}},
        "Proxy": {
            "DestinationServiceName": "dest", "DestinationServiceID": "dest-1", "LocalServiceAddress": "127.0.0.1", "LocalServicePort": 9, "Config": {"protocol": "http", "n": 5},
            "Upstreams": [{"DestinationType": "service", "DestinationName": "db", "Datacenter": "dc1", "LocalBindAddress": "127.0.0.1", "LocalBindPort": 9191, "Config": {"c": 1}, "MeshGateway": {"Mode": "local"}}],
            "MeshGateway": {"Mode": "remote"}, "Expose": {"Paths": [{"Path": "/h", "Protocol": "http", "ListenerPort": 21500, "LocalPathPort": 80, "ParsedFromCheck": False}]},
        },
    }  # fmt: skip
    catalog = Catalog()
    for _ in range(2):
        assert (await catalog.put(S, sent)).status_code == 200
        shown = (await catalog.get("agent/services")).json()["_nomad-task-1"]
        for field in ("ID", "Kind", "Tags", "EnableTagOverride", "Port", "Address", "Meta", "Weights", "Proxy"):
            assert shown[field] == sent[field], field
        assert shown["Service"] == sent["Name"]
        automatic = {"lan_ipv4", "wan_ipv4", "consul-virtual"}
        assert {k: v for k, v in shown["TaggedAddresses"].items() if k not in automatic} == sent["TaggedAddresses"]
        index = catalog.view.store.index
    await catalog.put(S, sent)
    (instance,) = (await catalog.get("catalog/service/api")).json()
    assert instance["ModifyIndex"] < index  # the same registration again is no change


CHECKS = [
    ({"Check": {"TTL": "1h"}}, {"service:web": "Service 'web' check"}),
    ({"Checks": [{"TTL": "1h"}]}, {"service:web": "Service 'web' check"}),
    ({"Check": {}, "Checks": [{"TTL": "1h"}]}, {"service:web": "Service 'web' check"}),
    ({"Check": None, "Checks": None}, {}),
    ({"Check": {"TTL": "1h"}, "Checks": [{"TTL": "1h", "Name": "n"}]}, {"service:web:1": "Service 'web' check", "service:web:2": "n"}),
    ({"Checks": [{"TTL": "1h", "CheckID": "own"}, {"TTL": "1h"}]}, {"own": "Service 'web' check", "service:web:2": "Service 'web' check"}),
    ({"ID": "w1", "Check": {"TTL": "1h", "ServiceID": "other"}}, {"service:w1": "Service 'web' check"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), CHECKS)
def test_checks_of_a_service_are_numbered_and_named(body: dict[str, Any], wanted: dict[str, str]) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        assert (await catalog.put(S, {"Name": "web"} | body)).status_code == 200
        shown = (await catalog.get("agent/checks")).json()
        assert {name: one["Name"] for name, one in shown.items()} == wanted
        assert {one["ServiceName"] for one in shown.values()} <= {"web"}

    told()


@pytest.mark.parametrize(
    ("check", "kind", "interval", "timeout"),
    [
        ({"TTL": "15s"}, "ttl", "", ""),
        ({"TTL": 15_000_000_000}, "ttl", "", ""),
        ({"HTTP": "http://x", "Interval": "15000ms"}, "http", "15s", ""),
        ({"HTTP": "http://x", "Interval": "1m30s", "Timeout": "0.5s"}, "http", "1m30s", "500ms"),
        ({"TCP": "x:1", "Interval": 1e9}, "tcp", "1s", ""),
        ({"AliasService": "other"}, "alias", "", ""),
        ({"AliasNode": "n1"}, "alias", "", ""),
        ({"HTTP": "http://x", "TCP": "x:1", "Interval": "1h"}, "http", "1h0m0s", ""),
    ],
)
def test_kinds_and_durations_of_a_check(check: dict[str, Any], kind: str, interval: str, timeout: str) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        await catalog.put(S, {"Name": "web", "Check": check})
        (shown,) = (await catalog.get("agent/checks")).json().values()
        assert (shown["Type"], shown["Interval"], shown["Timeout"], shown["Definition"]) == (
            kind,
            interval,
            timeout,
            {},
        )
        await catalog.put("agent/check/register", {"Name": "own"} | check)
        own = (await catalog.get("agent/checks")).json()["own"]
        assert (own["Type"], own["Interval"], own["Timeout"]) == (kind, interval or "0s", timeout or "0s")

    told()


@story
async def test_the_definition_that_runners_get_holds_every_field() -> None:
    catalog = Catalog()
    check = {
        "CheckID": "c", "HTTP": "https://x", "Method": "POST", "Header": {"A": ["b", "c"]}, "Body": "q", "Interval": "10s", "Timeout": "2s", "disable_redirects": True,
        "tls_server_name": "s", "tls_skip_verify": True, "SuccessBeforePassing": 2, "FailuresBeforeCritical": 3, "OutputMaxSize": 100,
        "DeregisterCriticalServiceAfter": "90m", "Notes": "n", "Status": "passing",
    }  # fmt: skip
    await catalog.put(S, {"Name": "web", "Check": check})
    row = catalog.view.store.check("n1", "c")
    assert row is not None
    made = row.definition
    assert (made.http, made.method, made.header, made.body, made.disable_redirects) == ("https://x", "POST", {"A": ("b", "c")}, "q", True)  # fmt: skip
    assert (made.interval_ns, made.timeout_ns, made.tls_server_name, made.tls_skip_verify) == (10_000_000_000, 2_000_000_000, "s", True)  # fmt: skip
    assert (made.success_before_passing, made.failures_before_warning, made.failures_before_critical) == (2, 3, 3)
    assert (made.output_max_size, made.deregister_critical_service_after_ns) == (100, 5400 * 1_000_000_000)
    assert (row.status, row.notes, row.agent) == ("passing", "n", True)


@story
async def test_a_repeated_registration_keeps_what_a_check_has_come_to() -> None:
    catalog = Catalog()
    body = {"Name": "web", "Check": {"CheckID": "c", "TTL": "1h", "Status": "passing"}}
    await catalog.put(S, body)
    for again in ("critical", "warning"):
        await catalog.put(S, body | {"Check": body["Check"] | {"Status": again}})  # type: ignore[operator]
        assert (await catalog.get("agent/checks")).json()["c"]["Status"] == "passing"
    await catalog.put(S, {"Name": "web", "Check": {"CheckID": "d", "TTL": "1h"}})
    assert set((await catalog.get("agent/checks")).json()) == {"c", "d"}
    await catalog.put("agent/check/register", {"Name": "of-web", "ServiceID": "web", "TTL": "1h"})
    await catalog.put(S + "?replace-existing-checks=true", {"Name": "web", "Check": {"CheckID": "d", "TTL": "1h"}})
    assert set((await catalog.get("agent/checks")).json()) == {"d"}
    await catalog.put(S + "?replace-existing-checks=false", {"Name": "web"})
    assert set((await catalog.get("agent/checks")).json()) == {"d"}


SIDECARS = [
    ({}, {"ID": "w-sidecar-proxy", "Service": "web-sidecar-proxy", "Kind": "connect-proxy", "Port": 21000, "Tags": ["t"], "Meta": {"m": "1"}, "Address": "10.0.0.9"}),
    ({"Tags": ["own"], "Meta": {"o": "2"}, "Port": 20000, "Name": "px", "Address": "10.0.0.8"}, {"Service": "px", "Port": 20000, "Tags": ["own"], "Meta": {"o": "2"}, "Address": "10.0.0.8"}),
    ({"Tags": [], "Meta": {}}, {"Tags": ["t"], "Meta": {"m": "1"}}),
]  # fmt: skip


@pytest.mark.parametrize(("inner", "wanted"), SIDECARS)
def test_a_sidecar_has_its_defaults(inner: dict[str, Any], wanted: dict[str, Any]) -> None:
    @story
    async def told() -> None:
        parent = {"ID": "w", "Name": "web", "Port": 80, "Address": "10.0.0.9", "Tags": ["t"], "Meta": {"m": "1"}}
        shown = await registered(parent | {"Connect": {"SidecarService": inner}}, "w-sidecar-proxy")
        assert {key: shown[key] for key in wanted} == wanted
        proxy = shown["Proxy"]
        assert (proxy["DestinationServiceName"], proxy["DestinationServiceID"]) == ("web", "w")
        assert (proxy["LocalServiceAddress"], proxy["LocalServicePort"]) == ("127.0.0.1", 80)

    told()


@story
async def test_a_sidecar_keeps_its_port_and_stays_when_its_parent_comes_without_it() -> None:
    catalog = Catalog()
    for name in ("a", "b"):
        await catalog.put(S, {"Name": name, "Port": 1, "Connect": {"SidecarService": {}}})
    await catalog.put("agent/service/deregister/a")
    await catalog.put(S, {"Name": "b", "Port": 2, "Connect": {"SidecarService": {}}})
    shown = (await catalog.get("agent/services")).json()
    assert shown["b-sidecar-proxy"]["Port"] == 21001
    assert shown["b-sidecar-proxy"]["Proxy"]["LocalServicePort"] == 2
    assert "Connect" not in shown["b"]
    await catalog.put(S, {"Name": "b", "Port": 2})
    assert "b-sidecar-proxy" in (await catalog.get("agent/services")).json()
    own = {"Name": "c", "Port": 1, "Connect": {"SidecarService": {"Check": {"TTL": "1h"}}}}
    await catalog.put(S, own)
    checks = (await catalog.get("agent/checks")).json()
    assert {name: one["Name"] for name, one in checks.items() if "-sidecar-proxy" in name} == {
        "service:b-sidecar-proxy:1": "Connect Sidecar Listening",
        "service:b-sidecar-proxy:2": "Connect Sidecar Aliasing b",
        "service:c-sidecar-proxy": "Service 'c-sidecar-proxy' check",
    }


@story
async def test_when_no_port_is_left_for_a_sidecar_nothing_is_registered() -> None:
    catalog = Catalog()
    for port in range(21000, 21256):
        catalog.leader.apply(_service_on(port))
    answer = await catalog.put(S, {"Name": "web", "Port": 1, "Connect": {"SidecarService": {}}})
    assert answer.status_code == 400
    assert "none left in the configured range [21000, 21255]" in answer.text
    assert (await catalog.get("agent/services")).json() == {}


def _service_on(port: int) -> CatalogRegister:
    return CatalogRegister("n1", "10.0.0.5", "dc1", service=ServiceSpec(f"s{port}", f"s{port}", port=port))


NAMED = "checks of type {} are not supported by this version"
TOO_LONG = "Couldn't load metadata pair ('{}', ''): Key is too long (limit: 128 characters)"
REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"Name": ""}, 400, "Missing service name"),
    ({"Name": "a", "script": "x"}, 400, 'Request decode failed: json: unknown field "script"'),
    ({"Name": "a", "ProxyDestination": "x"}, 400, 'Request decode failed: json: unknown field "ProxyDestination"'),
    ({"Name": "a", "Check": {"Script": "x", "Interval": "5s"}}, 400, 'Request decode failed: json: unknown field "Script"'),
    ({"Name": "a", "Meta": {"k" * 129: ""}}, 400, "Invalid Service Meta: " + TOO_LONG.format("k" * 129)),
    ({"Name": "a", "Weights": {"Passing": 65536}}, 400, "Invalid Weights: DNS Weight must be between 0 and 65535"),
    ({"Name": "a", "TaggedAddresses": {"lan_ipv4": {"Address": "::1"}}}, 500, 'Service tagged address "lan_ipv4" must be a valid ipv4 address'),
    ({"Name": "a", "TaggedAddresses": {"wan_ipv4": {"Address": "host"}}}, 500, 'Service tagged address "wan_ipv4" must be a valid ipv4 address'),
    ({"Name": "a", "TaggedAddresses": {"lan_ipv6": {"Address": "1.1.1.1"}}}, 500, 'Service tagged address "lan_ipv6" must be a valid ipv6 address'),
    ({"Name": "a", "Locality": {"Zone": "z"}}, 400, "Validation failed: zone cannot be set without region"),
    ({"Name": "a", "Check": {"TTL": "1h", "Status": "up"}}, 400, "Status for checks must 'passing', 'warning', 'critical'"),
    *[
        ({"Name": "a", "Check": {kind: "x:1", "Interval": "5s"}}, 400, "Invalid check: " + NAMED.format(kind.lower()))
        for kind in ("GRPC", "UDP", "H2PING")
    ],
    ({"Name": "a", "Check": {"OSService": "x", "Interval": "5s"}}, 400, "Invalid check: " + NAMED.format("os_service")),
    ({"Name": "a", "Check": {"Args": ["x"], "Interval": "5s"}}, 400, "Invalid check: " + NAMED.format("script") + ": Scripts are disabled on this agent"),
    ({"Name": "a", "Check": {"DockerContainerID": "c", "ScriptArgs": ["x"], "Interval": "5s"}}, 400, "Invalid check: " + NAMED.format("docker") + ": Scripts are disabled on this agent"),
    ({"Name": "a", "Connect": {"SidecarService": {"Meta": {"a b": ""}}}}, 400, "Invalid SidecarService: Couldn't load metadata pair ('a b', ''): Key contains invalid characters"),
    ({"Name": "a", "Connect": {"SidecarService": {"Check": {"Interval": "5s"}}}}, 400, "Invalid check in sidecar_service: TTL must be > 0 for TTL checks"),
    ({"Name": "a", "Connect": {"SidecarService": {"Check": {"TTL": "5s", "Status": "up"}}}}, 400, "Status for checks must 'passing', 'warning', 'critical'"),
    ({"Name": "a", "Connect": {"SidecarService": {"ID": "x"}}}, 400, "Validation failed: 1 error occurred:\n\t* A SidecarService cannot specify an ID as this is managed by the agent\n\n"),
    ({"Name": "a", "Kind": "connect-proxy", "Port": 1, "Proxy": {"DestinationServiceName": "x", "Expose": {"Paths": [{"Path": "/a", "ListenerPort": 5, "Protocol": "x"}]}}}, 400, "Validation failed: 1 error occurred:\n\t* protocol 'x' not supported for path: /a, must be in: [http http2]\n\n"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "text"), REFUSED)
def test_what_a_service_registration_refuses(body: dict[str, Any], status: int, text: str) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        answer = await catalog.put(S, body)
        assert (answer.status_code, answer.text) == (status, text)
        assert (await catalog.get("agent/services")).json() == {}

    told()
