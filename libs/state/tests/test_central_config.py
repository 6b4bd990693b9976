"""What config entries add to proxies: the table of precedences, and what a reader of the merged rows waits on."""

from typing import Any

import msgspec
import pytest

from lictor_state import central_merge, queries
from lictor_state import commands as c
from lictor_state.central_merge import CentralUpstream, MergedProxy
from lictor_state.queries import Answer, Instance
from lictor_state.rows import ProxyDefinition, Table, Upstream

NOTHING: dict[str, Any] = {}


def merged(
    given: ProxyDefinition,
    *,
    shared: dict[str, Any] = NOTHING,
    service: dict[str, Any] = NOTHING,
    protocols: dict[str, str] = NOTHING,
) -> MergedProxy:
    named = [one.destination_name for one in given.upstreams if one.destination_type == "service"]
    return central_merge.merged(given, central_merge.defaults(given, named, shared, service, protocols))


def shown(proxy: MergedProxy) -> dict[str, Any]:
    """What differs from an empty definition."""
    empty = msgspec.structs.asdict(MergedProxy())
    return {name: value for name, value in msgspec.structs.asdict(proxy).items() if value != empty[name]}


Fields = dict[str, Any]
CASES: dict[str, tuple[Fields, Fields, Fields, Fields]] = {
    "nothing is said": ({}, {}, {}, {}),
    "the opaque configuration of all": ({}, {"Config": {"a": 1}}, {}, {"config": {"a": 1}}),
    "of the registration first": ({"config": {"a": 2}}, {"Config": {"a": 1, "b": 1}}, {}, {"config": {"a": 2, "b": 1}}),
    "what is empty is filled": ({"config": {"a": 0, "b": ""}}, {"Config": {"a": 1, "b": "x"}}, {}, {"config": {"a": 1, "b": "x"}}),
    "objects are filled in turn": ({"config": {"o": {"a": 1}}}, {"Config": {"o": {"a": 2, "b": 2}}}, {}, {"config": {"o": {"a": 1, "b": 2}}}),
    "lists are not": ({"config": {"l": [1]}}, {"Config": {"l": [2]}}, {}, {"config": {"l": [1]}}),
    "the service's protocol": ({}, {"Config": {"protocol": "http"}}, {"Protocol": "grpc"}, {"config": {"protocol": "grpc"}}),
    "the service's numbers": (
        {},
        {},
        {"MaxInboundConnections": 5, "LocalConnectTimeoutMs": 6, "LocalRequestTimeoutMs": 7, "BalanceInboundConnections": "exact_balance"},
        {"config": {"max_inbound_connections": 5, "local_connect_timeout_ms": 6, "local_request_timeout_ms": 7, "balance_inbound_connections": "exact_balance"}},
    ),
    "the mode of all": ({}, {"Mode": "direct"}, {}, {"mode": "direct"}),
    "the mode of the service": ({}, {"Mode": "direct"}, {"Mode": "transparent"}, {"mode": "transparent"}),
    "the mode of the registration": ({"mode": "direct"}, {}, {"Mode": "transparent"}, {"mode": "direct"}),
    "TLS of all and of the service": ({}, {"MutualTLSMode": "strict"}, {"MutualTLSMode": "permissive"}, {"mutual_tls_mode": "permissive"}),
    "gateways of all": ({}, {"MeshGateway": {"Mode": "local"}}, {}, {"mesh_gateway_mode": "local"}),
    "gateways of the service": ({}, {"MeshGateway": {"Mode": "local"}}, {"MeshGateway": {"Mode": "remote"}}, {"mesh_gateway_mode": "remote"}),
    "gateways of the registration": ({"mesh_gateway_mode": "none"}, {"MeshGateway": {"Mode": "local"}}, {}, {"mesh_gateway_mode": "none"}),
    "exposed checks": ({}, {"Expose": {"Checks": True}}, {"Expose": {}}, {"expose": {"Checks": True}}),
    "exposed paths are not mixed": (
        {"expose": {"Checks": True}},
        {"Expose": {"Paths": [{"Path": "/a"}]}},
        {"Expose": {"Paths": [{"Path": "/b"}]}},
        {"expose": {"Checks": True, "Paths": [{"Path": "/b"}]}},
    ),
    "transparent ports": (
        {"transparent_proxy": {"DialedDirectly": True}},
        {"TransparentProxy": {"OutboundListenerPort": 1}},
        {"TransparentProxy": {"OutboundListenerPort": 2}},
        {"transparent_proxy": {"DialedDirectly": True, "OutboundListenerPort": 2}},
    ),
    "logs": ({}, {"AccessLogs": {"Enabled": True}}, {}, {"access_logs": {"Enabled": True}}),
    "extensions of all, then of the service": (
        {},
        {"EnvoyExtensions": [{"Name": "builtin/lua"}]},
        {"EnvoyExtensions": [{"Name": "builtin/wasm"}]},
        {"envoy_extensions": ({"Name": "builtin/lua"}, {"Name": "builtin/wasm"})},
    ),
    "upstreams of a proxy that names none": ({}, {"MeshGateway": {"Mode": "local"}}, {"UpstreamConfig": {"Overrides": [{"Name": "db", "Protocol": "http"}]}}, {"mesh_gateway_mode": "local"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_proxy_is_filled_with(case: str) -> None:
    given, shared, service, expected = CASES[case]
    proxy = merged(ProxyDefinition(**given), shared=shared, service=service)
    assert shown(proxy) == expected


DB = {"Name": "db"}
UPSTREAMS: dict[str, tuple[Fields, Fields, Fields, str, Fields, str]] = {
    # registered, proxy-defaults, service-defaults, protocol of db → configuration and gateway mode of the upstream db
    "nothing": ({}, {}, {}, "", {}, ""),
    "the protocol of all": ({}, {"Config": {"protocol": "http"}}, {}, "", {"protocol": "http"}, ""),
    "nothing else of all": ({}, {"Config": {"x": 1}}, {}, "", {}, ""),
    "the protocol of the upstream": ({}, {"Config": {"protocol": "http"}}, {}, "grpc", {"protocol": "grpc"}, ""),
    "the protocol for all upstreams": ({}, {}, {"UpstreamConfig": {"Defaults": {"Protocol": "http2"}}}, "grpc", {"protocol": "http2"}, ""),
    "the protocol for this upstream": (
        {},
        {},
        {"UpstreamConfig": {"Defaults": {"Protocol": "http2"}, "Overrides": [{**DB, "Protocol": "tcp"}]}},
        "grpc",
        {"protocol": "tcp"},
        "",
    ),
    "what is registered": ({"config": {"protocol": "http"}}, {}, {}, "grpc", {"protocol": "http"}, ""),
    "timeouts, limits and health": (
        {},
        {},
        {"UpstreamConfig": {"Defaults": {"ConnectTimeoutMs": 5, "Limits": {"MaxConnections": 1}}, "Overrides": [{**DB, "PassiveHealthCheck": {"MaxFailures": 3}}]}},
        "",
        {"connect_timeout_ms": 5, "limits": {"MaxConnections": 1}, "passive_health_check": {"MaxFailures": 3}},
        "",
    ),
    "limits are not mixed": (
        {"config": {"limits": {"MaxConnections": 1}}},
        {},
        {"UpstreamConfig": {"Overrides": [{**DB, "Limits": {"MaxPendingRequests": 2}}]}},
        "",
        {"limits": {"MaxConnections": 1}},
        "",
    ),
    "other upstreams' overrides": ({}, {}, {"UpstreamConfig": {"Overrides": [{"Name": "other", "Protocol": "http"}]}}, "", {}, ""),
    "the gateway of all": ({}, {"MeshGateway": {"Mode": "local"}}, {}, "", {}, "local"),
    "the gateway in the opaque part": ({}, {"Config": {"mesh_gateway": {"mode": "local"}}}, {}, "", {}, "local"),
    "the gateway of the service": ({}, {"MeshGateway": {"Mode": "local"}}, {"MeshGateway": {"Mode": "remote"}}, "", {}, "remote"),
    "the gateway for all upstreams": (
        {},
        {},
        {"MeshGateway": {"Mode": "remote"}, "UpstreamConfig": {"Defaults": {"MeshGateway": {"Mode": "none"}}}},
        "",
        {},
        "none",
    ),
    "the gateway for this upstream": (
        {},
        {},
        {"UpstreamConfig": {"Defaults": {"MeshGateway": {"Mode": "none"}}, "Overrides": [{**DB, "MeshGateway": {"Mode": "local"}}]}},
        "",
        {},
        "local",
    ),
    "the gateway that is registered": ({"mesh_gateway_mode": "remote"}, {"MeshGateway": {"Mode": "local"}}, {}, "", {}, "remote"),
}  # fmt: skip


@pytest.mark.parametrize("case", UPSTREAMS)
def test_a_registered_upstream_is_filled_with(case: str) -> None:
    given, shared, service, protocol, config, mode = UPSTREAMS[case]
    query = Upstream("db", 2, destination_type="prepared_query")
    proxy = ProxyDefinition("web", upstreams=(Upstream("db", 1, **given), query))
    filled, other = merged(proxy, shared=shared, service=service, protocols={"db": protocol}).upstreams
    assert (filled.config, filled.mesh_gateway_mode) == (config, mode)
    assert other == query, "prepared queries are no service"


def test_the_gateway_mode_of_the_proxy_itself_stands_between_defaults_and_overrides() -> None:
    service = {"UpstreamConfig": {"Defaults": {"MeshGateway": {"Mode": "local"}}, "Overrides": [{**DB, "MeshGateway": {"Mode": "none"}}]}}  # fmt: skip
    proxy = ProxyDefinition("web", mesh_gateway_mode="remote", upstreams=(Upstream("db", 1), Upstream("cache", 2)))
    assert [one.mesh_gateway_mode for one in merged(proxy, service=service).upstreams] == ["none", "remote"]


def test_a_transparent_proxy_is_told_of_upstreams_that_only_entries_name() -> None:
    service = {
        "Mode": "transparent",
        "UpstreamConfig": {"Defaults": {"ConnectTimeoutMs": 9}, "Overrides": [{**DB, "Protocol": "http"}, {"Name": "a"}]},
    }  # fmt: skip
    proxy = merged(ProxyDefinition("web", upstreams=(Upstream("db", 1),)), service=service, protocols={"a": "grpc"})
    assert proxy.upstreams == (
        Upstream("db", 1, config={"connect_timeout_ms": 9, "protocol": "http"}),
        CentralUpstream("*", destination_type="", config={"connect_timeout_ms": 9}),
        CentralUpstream("a", destination_type="", config={"connect_timeout_ms": 9, "protocol": "grpc"}),
    )


def test_merging_changes_neither_entries_nor_the_definition() -> None:
    given = ProxyDefinition("web", config={"o": {"a": 1}}, upstreams=(Upstream("db", 1, config={"o": {}}),))
    shared = {"Config": {"o": {"b": 1}, "protocol": "http"}, "MeshGateway": {"Mode": "local"}}
    service = {"UpstreamConfig": {"Defaults": {"Protocol": "tcp"}}, "Mode": "transparent"}
    before = msgspec.json.encode((given, shared, service))
    merged(given, shared=shared, service=service)
    assert msgspec.json.encode((given, shared, service)) == before


def entry(kind: str, name: str, **body: Any) -> c.ConfigEntrySet:
    return c.ConfigEntrySet(kind, name, body)


def instances(state: Any, name: str) -> Answer[list[Instance]]:
    def with_service(one: Instance, row: Any) -> Instance:
        return msgspec.structs.replace(one, service=row)

    store = state.store
    answer = queries.services.service_instances(store, name)
    return queries.central_config.merged(store, answer, lambda one: one.service, with_service)


def register(state: Any, service_id: str, kind: str = "", proxy: ProxyDefinition | None = None) -> None:
    state.do(c.CatalogRegister("n1", "10.0.0.1", "dc1", service=c.ServiceSpec(service_id, service_id, kind=kind, proxy=proxy)))  # fmt: skip


def waits_on(answer: Answer[Any]) -> list[tuple[str, ...]]:
    return sorted(token[2] for token in answer.tokens if token[0] == "row" and token[1] is Table.CONFIG_ENTRIES)


def test_other_services_are_as_they_are_and_wait_on_no_entry(state: Any) -> None:
    register(state, "web")
    state.do(entry("proxy-defaults", "global", Config={"a": 1}))
    assert instances(state, "web") == queries.services.service_instances(state.store, "web")


def test_a_sidecar_is_merged_by_its_destination_and_waits_on_the_entries_that_it_was_judged_by(state: Any) -> None:
    register(state, "web-proxy", "connect-proxy", ProxyDefinition("web", upstreams=(Upstream("db", 1),)))
    before = instances(state, "web-proxy")
    assert waits_on(before) == [("proxy-defaults", "global"), ("service-defaults", "db"), ("service-defaults", "web")]
    assert before.index == queries.services.service_instances(state.store, "web-proxy").index
    state.do(entry("service-defaults", "db", Protocol="http"))
    state.do(entry("service-defaults", "web", UpstreamConfig={"Overrides": [{"Name": "x"}]}))
    state.do(entry("service-defaults", "web-proxy", Protocol="grpc"))
    answer = instances(state, "web-proxy")
    proxy = answer.value[0].service.proxy
    assert proxy is not None
    assert (proxy.config, proxy.upstreams[0].config) == ({}, {"protocol": "http"})
    assert answer.index == state.store.index, "that of all entries"
    assert ("service-defaults", "x") in waits_on(answer)


@pytest.mark.parametrize("kind", ["mesh-gateway", "ingress-gateway", "terminating-gateway", "api-gateway"])
def test_a_gateway_is_merged_by_its_own_name(state: Any, kind: str) -> None:
    register(state, "edge", kind)
    state.do(entry("service-defaults", "edge", Protocol="http"))
    proxy = instances(state, "edge").value[0].service.proxy
    assert proxy is not None
    assert proxy.config == {"protocol": "http"}
