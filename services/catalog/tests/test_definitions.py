"""Service, check and catalog registrations: what bodies mean and what is refused, in Consul's words."""

from typing import Any

import msgspec
import pytest

from lictor_catalog import catalog_registration
from lictor_catalog.body_decoding import body_object
from lictor_catalog.check_definition import AGENT_CHECK, agent_check
from lictor_catalog.errors import ApiError
from lictor_catalog.service_definition import AGENT_SERVICE, agent_registration
from lictor_state.rows import TaggedAddress, Weights


def service(body: Any) -> Any:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return agent_registration(body_object(raw, AGENT_SERVICE))


def check(body: Any) -> Any:
    return agent_check(body_object(msgspec.json.encode(body), AGENT_CHECK))


PROXY = {"Name": "p", "Kind": "connect-proxy", "Port": 1}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "Request decode failed: EOF"),
        (b"{bad", "Request decode failed: "),
        (b'{"Name"', "Request decode failed: unexpected EOF"),
        ([], "json: cannot unmarshal array into Go value"),
        ({"Nam": "x"}, 'Request decode failed: json: unknown field "Nam"'),
        ({"Name": "a", "Namespace": "x"}, "Namespaces are a Consul Enterprise feature"),
        ({"Name": 5}, "json: cannot unmarshal number into Go struct field .Name of type string"),
        ({"Name": "a", "Port": "80"}, "cannot unmarshal string into Go struct field .Port of type int"),
        ({"ID": "x"}, "Missing service name"),
        ({"Name": "a", "Address": "0.0.0.0"}, "Invalid service address"),
        ({"Name": "a", "Address": "[::]"}, "Invalid service address"),
        (
            {"Name": "a", "Meta": {"a b": "c"}},
            "Invalid Service Meta: Couldn't load metadata pair ('a b', 'c'): Key contains",
        ),
        ({"Name": "a", "Meta": {"consul-x": "c"}}, "Key prefix 'consul-' is reserved for internal use"),
        ({"Name": "a", "Meta": {"k": "v" * 513}}, "Value is too long (limit: 512 characters)"),
        ({"Name": "a", "Meta": {str(n): "v" for n in range(65)}}, "Invalid Service Meta: "),
        ({"Name": "a", "Weights": {"Passing": 0, "Warning": 1}}, "Invalid Weights: Passing must be greater than 0"),
        ({"Name": "a", "Weights": {"Passing": 70000}}, "Invalid Weights: DNS Weight must be between 0 and 65535"),
        ({"Name": "a", "Locality": {"Zone": "z"}}, "zone cannot be set without region"),
        ({"Name": "a", "Check": {"Interval": "xx"}}, 'Request decode failed: time: invalid duration "xx"'),
        ({"Name": "a", "Check": {"Foo": 1}}, 'unknown field "Foo"'),
        (
            {"Name": "a", "Check": {"Status": "bad", "TTL": "5s"}},
            "Status for checks must 'passing', 'warning', 'critical'",
        ),
        ({"Name": "a", "Checks": [{"TTL": "1s"}, {}]}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"Name": "a", "Kind": "connect-proxy"}, "Proxy.DestinationServiceName must be non-empty"),
        ({"Name": "a", "Kind": "mesh-gateway"}, "Port must be non-zero for a mesh-gateway"),
        (
            {"Name": "a", "Kind": "mesh-gateway", "Port": 5, "Connect": {"SidecarService": {}}},
            "cannot have a sidecar service",
        ),
        (
            {"Name": "a", "Connect": {"SidecarService": {"ID": "x"}}},
            "A SidecarService cannot specify an ID as this is managed by the agent",
        ),
        (
            {"Name": "a", "Connect": {"SidecarService": {"Connect": {"SidecarService": {}}}}},
            "cannot have a nested SidecarService",
        ),
        (PROXY | {"Proxy": {"DestinationServiceName": "*"}}, "must not be a wildcard"),
        (
            PROXY | {"Proxy": {"DestinationServiceName": "w", "Upstreams": [{"DestinationName": "d"}]}},
            "upstream local bind port",
        ),
        (
            PROXY | {"Proxy": {"DestinationServiceName": "w", "Expose": {"Paths": [{}]}}},
            "expose.paths: empty path exposed",
        ),
        (
            PROXY | {"Proxy": {"DestinationServiceName": "w", "AccessLogs": {"Enabled": True}}},
            "Proxy.AccessLogs is not supported",
        ),
        (
            PROXY | {"Proxy": {"DestinationServiceName": "w"}, "Connect": {"Native": True}},
            "cannot also be Connect Native",
        ),
    ],
)
def test_a_wrong_service_is_refused_with_400(body: Any, text: Any) -> None:
    with pytest.raises(ApiError) as refused:
        service(body)
    assert refused.value.status == 400
    assert text in refused.value.text


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"TTL": "10s"}, 400, "Missing check name"),
        ({"Name": "z"}, 400, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"Name": "z", "TTL": "10s", "Status": "x"}, 400, "Bad check status"),
        (
            {"Name": "z", "TTL": "10s", "Interval": "1s"},
            400,
            "Invalid check: Interval and TTL cannot both be specified",
        ),
        (
            {"Name": "z", "HTTP": "http://x"},
            400,
            "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks",
        ),
        (
            {"Name": "z", "AliasService": "w", "Interval": "1s"},
            400,
            "Invalid check: Interval cannot be set for Alias checks",
        ),
        (
            {"Name": "z", "AliasService": "w", "TTL": "1s"},
            400,
            "Invalid check: TTL must be not be set for Alias checks",
        ),
        ({"Name": "z", "TTL": "1s", "OutputMaxSize": -1}, 400, "Invalid check: MaxOutputMaxSize must be positive"),
        (
            {"Name": "z", "TTL": "1s", "FailuresBeforeWarning": 3, "FailuresBeforeCritical": 2},
            400,
            "FailuresBeforeWarning can't be higher",
        ),
        ({"Name": "z", "Args": ["x"], "Interval": "1s"}, 400, "Invalid check: checks of type script are not supported"),
        ({"Name": "z", "GRPC": "h:1", "Interval": "1s"}, 400, "Invalid check: checks of type grpc are not supported"),
        ({"Name": "z", "UDP": "h:1", "Interval": "1s"}, 400, "Invalid check: checks of type udp are not supported"),
        (
            {"Name": "z", "H2PING": "h:1", "Interval": "1s"},
            400,
            "Invalid check: checks of type h2ping are not supported",
        ),
        (
            {"Name": "z", "OSService": "s", "Interval": "1s"},
            400,
            "Invalid check: checks of type os_service are not supported",
        ),
    ],
)
def test_a_wrong_check_is_refused_in_consuls_words(body: Any, status: Any, text: Any) -> None:
    with pytest.raises(ApiError) as refused:
        check(body)
    assert (refused.value.status, text in refused.value.text) == (status, True), refused.value.text


def test_names_match_in_any_case_and_by_alias() -> None:
    one = service(
        {
            "name": "a",
            "enable_tag_override": True,
            "TAGS": ["x"],
            "tagged_addresses": {"wan": {"address": "h", "port": 9}},
        }
    )
    assert one.service.enable_tag_override
    assert one.service.tags == ("x",)
    assert one.service.tagged_addresses == {"wan": TaggedAddress("h", 9)}
    registered = check(
        {
            "name": "c",
            "http": "http://h",
            "interval": "15s",
            "tls_skip_verify": True,
            "deregister_critical_service_after": "1m",
        }
    )
    assert registered.definition.tls_skip_verify
    assert registered.definition.deregister_critical_service_after_ns == 60_000_000_000


def test_an_ip_address_is_tagged_for_its_family_unless_given() -> None:
    own = TaggedAddress("10.0.0.9", 80)
    given = service({"Name": "a", "Address": "10.0.0.9", "Port": 80}).service
    assert given.tagged_addresses == {"lan_ipv4": own, "wan_ipv4": own}
    six = service({"Name": "a", "Address": "::1", "TaggedAddresses": {"wan_ipv6": {"Address": "::2"}}}).service
    assert six.tagged_addresses == {"lan_ipv6": TaggedAddress("::1", 0), "wan_ipv6": TaggedAddress("::2", 0)}
    assert service({"Name": "a", "Address": "host"}).service.tagged_addresses == {}


def test_defaults_of_a_service_and_its_checks() -> None:
    one = service({"Name": "a", "Check": {"TTL": "5s"}})
    assert (one.service.service_id, one.service.weights) == ("a", Weights(1, 1))
    assert [(c.check_id, c.name, c.status, c.interval) for c in one.checks] == [
        ("service:a", "Service 'a' check", "critical", "")
    ]
    two = service(
        {
            "Name": "a",
            "ID": "b",
            "Check": {"TTL": "5s"},
            "Checks": [{"CheckID": "own", "TTL": 5000000000}, {"AliasService": "x"}],
        }
    )
    assert [c.check_id for c in two.checks] == ["service:b:1", "own", "service:b:3"]
    assert two.checks[1].definition.ttl_ns == 5_000_000_000
    assert service({"Name": "a", "Check": {}}).checks == ()


def test_durations_of_check_register_show_zero_and_those_of_services_nothing() -> None:
    assert (check({"Name": "c", "TTL": "5s"}).interval, check({"Name": "c", "TTL": "5s"}).timeout) == ("0s", "0s")
    inside = service({"Name": "a", "Check": {"HTTP": "http://h", "Interval": "90s"}}).checks[0]
    assert (inside.interval, inside.timeout) == ("1m30s", "")


def test_a_sidecar_takes_its_defaults_from_its_parent() -> None:
    one = service(
        {
            "Name": "web",
            "ID": "w1",
            "Address": "10.0.0.9",
            "Port": 80,
            "Tags": ["t"],
            "Meta": {"k": "v"},
            "Connect": {"sidecar_service": {}},
        }
    )
    sidecar = one.sidecar
    assert sidecar is not None
    assert (sidecar.service_id, sidecar.name, sidecar.kind, sidecar.port) == (
        "w1-sidecar-proxy",
        "web-sidecar-proxy",
        "connect-proxy",
        0,
    )
    assert (sidecar.sidecar_of, sidecar.tags, sidecar.meta, sidecar.address) == ("w1", ("t",), {"k": "v"}, "10.0.0.9")
    assert sidecar.proxy is not None
    assert (sidecar.proxy.destination_service_id, sidecar.proxy.local_service_port) == ("w1", 80)
    assert [(c.name, c.type) for c in one.sidecar_checks] == [
        ("Connect Sidecar Listening", "tcp"),
        ("Connect Sidecar Aliasing w1", "alias"),
    ]


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"Node": "a"}, 500, "Must provide address if SkipNodeUpdate is not set"),
        ({"Address": "a"}, 500, "Must provide node"),
        ({"Node": "a", "Address": "1.1.1.1", "Foo": 1}, 400, 'Request decode failed: json: unknown field "Foo"'),
        ({"Node": "a", "Address": "1.1.1.1", "ID": "x"}, 500, "Bad node ID: uuid string is wrong length"),
        ({"Node": "a", "Address": "1.1.1.1", "Datacenter": "dc9"}, 500, "No path to datacenter"),
        (
            {"Node": "a", "Address": "1.1.1.1", "Service": {"ID": "x"}},
            500,
            "Must provide service name (Service.Service)",
        ),
        ({"Node": "a", "Address": "1.1.1.1", "Service": {}}, 500, "failed inserting service"),
        (
            {"Node": "a", "Address": "1.1.1.1", "Service": {"Service": "x", "Address": "::"}},
            500,
            "Invalid service address",
        ),
        (
            {"Node": "a", "Address": "1.1.1.1", "Service": {"Service": "x", "Meta": {"a b": "c"}}},
            500,
            "failed inserting service: Invalid Service Meta for node a and serviceID x: Couldn't load metadata pair",
        ),
        (
            {"Node": "a", "Address": "1.1.1.1", "Service": {"Service": "x", "Kind": "connect-proxy"}},
            500,
            "Proxy.DestinationServiceName",
        ),
    ],
)
def test_a_wrong_catalog_registration_is_refused(body: Any, status: Any, text: Any) -> None:
    with pytest.raises(ApiError) as refused:
        catalog_registration.register(msgspec.json.encode(body), "dc1")
    assert (refused.value.status, text in refused.value.text) == (status, True), refused.value.text


def test_a_catalog_checks_definition_is_lenient_and_fills_its_type() -> None:
    body = {
        "Node": "a",
        "Address": "1.1.1.1",
        "Check": {"Name": "x", "Definition": {"Bogus": 1, "HTTP": "http://h", "IntervalDuration": "3s"}},
    }
    (one,) = catalog_registration.register(msgspec.json.encode(body), "dc1").checks
    assert (one.check_id, one.type, one.status, one.definition.interval_ns) == ("x", "http", "critical", 3_000_000_000)
