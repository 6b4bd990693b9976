"""Config entries over HTTP: forms of bodies, what is refused, reading, compare-and-set, blocking."""

from typing import Any

import msgspec
import pytest
from api_fixture import Catalog, is_asleep, story, waiting
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_catalog.config_entries import kinds, request
from lictor_catalog.config_entries.fields import Obj
from lictor_catalog.errors import ApiError
from lictor_catalog.request import Params
from lictor_state.filter.config_kinds import SERVICE_DEFAULTS
from lictor_state.filter.fields import Record


def body_of(entry: Any, query: bytes = b"") -> Any:
    return request.put(Params(query), entry if isinstance(entry, bytes) else msgspec.json.encode(entry))


CAMEL: dict[str, Any] = {
    "Kind": "service-router",
    "Name": "web",
    "Routes": [
        {
            "Match": {
                "HTTP": {
                    "PathPrefix": "/a",
                    "Header": [{"Name": "x", "Present": True}],
                    "QueryParam": [{"Name": "q", "Exact": "1"}],
                    "Methods": ["GET"],
                }
            },
            "Destination": {
                "Service": "other",
                "PrefixRewrite": "/b",
                "RequestTimeout": "5s",
                "NumRetries": 3,
                "RetryOnConnectFailure": True,
                "RetryOnStatusCodes": [500],
            },
        },
        {"Destination": {}},
        {},
    ],
}
SNAKE: dict[str, Any] = {
    "kind": "service-router",
    "name": "web",
    "routes": [
        {
            "match": {
                "http": {
                    "path_prefix": "/a",
                    "header": {"name": "x", "present": "true"},
                    "query_param": [{"name": "q", "exact": 1}],
                    "methods": "get",
                }
            },
            "destination": {
                "service": "other",
                "prefix_rewrite": "/b",
                "request_timeout": 5_000_000_000,
                "num_retries": "3",
                "retry_on_connect_failure": 1,
                "retry_on_status_codes": ["500"],
            },
        },
        {"destination": {}},
        None,
    ],
    "meta": {},
    "modify_index": 7,
}


def test_snake_case_and_weak_types_give_the_same_entry() -> None:
    assert body_of(SNAKE).body == body_of(CAMEL).body == {"Routes": CAMEL["Routes"]}


@story
async def test_an_entry_is_written_read_listed_and_deleted() -> None:
    catalog = Catalog()
    entry = {"Kind": "service-defaults", "Name": "web", "Protocol": "HTTP", "Meta": {"a": "b"}}
    assert (await catalog.put("config", entry)).json() is True
    answer = await catalog.get("config/service-defaults/web")
    index = int(answer.headers["x-consul-index"])
    shown = {
        "Kind": "service-defaults",
        "Name": "web",
        "Protocol": "http",
        "TransparentProxy": {},
        "MeshGateway": {},
        "Expose": {},
        "Meta": {"a": "b"},
        "CreateIndex": index,
        "ModifyIndex": index,
    }
    assert answer.json() == shown
    assert (await catalog.get("config/service-defaults")).json() == [shown]
    assert (await catalog.get("config/service-router")).json() == []
    assert (await catalog.put("config", entry)).json() is True
    assert await catalog.index("config/service-defaults/web") == index
    assert (await catalog.http.delete("config/service-defaults/web")).json() == {}
    assert (await catalog.http.delete("config/service-defaults/web")).json() == {}
    missing = await catalog.get("config/service-defaults/web")
    assert (missing.status_code, missing.text) == (404, 'Config entry not found for "service-defaults" / "web"')


@story
async def test_what_was_read_can_be_written_back() -> None:
    catalog = Catalog()
    for entry in EXAMPLES:
        assert (await catalog.put("config", entry)).text == "true", entry
        path = f"config/{entry['Kind']}/{entry.get('Name', 'mesh')}"
        before = await catalog.get(path)
        assert (await catalog.put("config", before.json())).text == "true"
        after = await catalog.get(path)
        assert (after.json(), after.headers["x-consul-index"]) == (before.json(), before.headers["x-consul-index"])


@story
async def test_the_list_of_service_defaults_is_filtered() -> None:
    catalog = Catalog()
    for name, protocol in (("a", "tcp"), ("b", "http")):
        entry = {"Kind": "service-defaults", "Name": name, "Protocol": protocol, "Meta": {"of": name}}
        await catalog.put("config", entry)
    for wanted in ('Name == "b"', 'Meta.of == "b"', 'Protocol == "http" and "of" in Meta'):
        found = (await catalog.get("config/service-defaults", params={"filter": wanted})).json()
        assert [one["Name"] for one in found] == ["b"], wanted
    refused = await catalog.get("config/service-defaults", params={"filter": 'Nothing == "http"'})
    assert (refused.status_code, "Failed to create boolean expression evaluator" in refused.text) == (500, True)
    other = await catalog.get("config/service-resolver", params={"filter": 'Name == "b"'})
    assert (other.status_code, other.text) == (500, "filtering not supported for config entry kind=service-resolver")


FULL = {
    "Kind": "service-defaults",
    "Name": "full",
    "Protocol": "http",
    "Mode": "transparent",
    "TransparentProxy": {"OutboundListenerPort": 15001, "DialedDirectly": True},
    "MutualTLSMode": "strict",
    "MeshGateway": {"Mode": "local"},
    "Expose": {"Checks": True, "Paths": [{"Path": "/a", "ListenerPort": 1, "LocalPathPort": 2, "Protocol": "http2"}]},
    "ExternalSNI": "a.b",
    "UpstreamConfig": {
        "Overrides": [
            {"Name": "db", "Protocol": "grpc", "ConnectTimeoutMs": 5, "Limits": {"MaxConnections": 3}},
            {"Name": "x", "PassiveHealthCheck": {"Interval": "1s", "MaxFailures": 4, "MaxEjectionPercent": 50}},
        ],
        "Defaults": {"MeshGateway": {"Mode": "remote"}, "BalanceOutboundConnections": "exact_balance"},
    },
    "MaxInboundConnections": 7,
    "LocalConnectTimeoutMs": 8,
    "LocalRequestTimeoutMs": 9,
    "BalanceInboundConnections": "exact_balance",
    "EnvoyExtensions": [{"Name": "builtin/lua", "Required": True, "Arguments": {"ProxyType": "connect-proxy", "Listener": "inbound", "Script": "s"}}],
    "Meta": {"k": "v"},
}  # fmt: skip
HOLDING = [
    "TransparentProxy.OutboundListenerPort == 15001 and TransparentProxy.DialedDirectly == true",
    "Expose.Checks == true and Expose.Paths.Protocol == http2 and Expose.Paths.LocalPathPort == 2",
    "UpstreamConfig.Overrides.Name == db and UpstreamConfig.Overrides.Limits.MaxConnections == 3",
    "UpstreamConfig.Overrides.PassiveHealthCheck.MaxFailures == 4 and UpstreamConfig.Overrides.ConnectTimeoutMs == 5",
    "UpstreamConfig.Overrides.PassiveHealthCheck.Interval == 1000000000",
    "UpstreamConfig.Defaults.MeshGateway.Mode == remote",
    "Destination.Addresses is empty and Destination.Port == 0",
    "EnvoyExtensions.Name matches lua and EnvoyExtensions.Required == true",
    "MutualTLSMode == strict and ExternalSNI == `a.b` and LocalRequestTimeoutMs == 9",
    "RateLimits.InstanceLevel.RequestsPerSecond == 0 and RateLimits.InstanceLevel.Routes is empty",
]


@story
async def test_every_field_of_service_defaults_can_be_selected() -> None:
    catalog = Catalog()
    for entry in (FULL, {"Kind": "service-defaults", "Name": "empty"}):
        answer = await catalog.put("config", entry)
        assert answer.status_code == 200, answer.text
    for wanted in HOLDING:
        found = await catalog.get("config/service-defaults", params={"filter": f"Name == full and ({wanted})"})
        assert [one["Name"] for one in found.json()] == ["full"], wanted
        others = await catalog.get("config/service-defaults", params={"filter": f"Name != full and ({wanted})"})
        alike = "Destination" in wanted or "RateLimits" in wanted
        assert [one["Name"] for one in others.json()] == (["empty"] if alike else []), wanted


def test_what_can_be_selected_are_the_fields_that_an_entry_has_but_opaque_ones_and_indexes() -> None:
    def compare(selectable: Record, entry: Obj, path: str) -> None:
        expected = set(entry.fields) - {"Hash", "CreateIndex", "ModifyIndex"}
        assert set(selectable.fields) == expected, path
        for name, read in entry.fields.items():
            if isinstance(read, Obj):
                inner = selectable.fields[name].type
                assert isinstance(inner, Record), name
                compare(inner, read, f"{path}.{name}")

    entry = kinds.fields_of("service-defaults")
    assert entry is not None
    compare(SERVICE_DEFAULTS.fields, entry, "service-defaults")


@story
async def test_compare_and_set() -> None:
    catalog = Catalog()
    entry = {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}}
    assert (await catalog.put("config?cas=5", entry)).json() is False
    assert (await catalog.put("config?cas=0", entry)).json() is True
    assert (await catalog.put("config?cas=0", entry)).json() is False
    index = await catalog.index("config/proxy-defaults/global")
    assert (await catalog.put("config?cas=x", entry)).status_code == 500
    assert (await catalog.put("config?cas=", entry)).json() is True, "as without it"
    assert (await catalog.http.delete(f"config/proxy-defaults/global?cas={index + 1}")).json() is False
    assert (await catalog.http.delete(f"config/proxy-defaults/global?cas={index}")).json() is True


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "EOF"),
        (b"{", "unexpected EOF"),
        (b"null", "Payload does not contain a kind/Kind key at the top level"),
        (b"[]", "'' expected a map"),
        (b"{x", "invalid JSON"),
    ],
)
def test_a_body_is_read_as_every_other(body: bytes, text: str) -> None:
    with pytest.raises(ApiError, match=f"^Request decoding failed: {text}") as refused:
        body_of(body)
    assert refused.value.status == 400


@story
async def test_what_follows_the_first_value_of_a_body_is_not_looked_at_and_deleting_no_name_deletes_nothing() -> None:
    catalog = Catalog()
    answer = await catalog.put("config", content=b'{"Kind":"service-defaults","Name":"web"} and more')
    assert answer.json() is True
    assert (await catalog.http.delete("config/service-defaults/")).json() == {}
    assert (await catalog.http.delete("config/service-defaults")).status_code == 404
    assert len((await catalog.get("config/service-defaults")).json()) == 1


@story
async def test_a_reader_of_one_entry_sleeps_through_the_others() -> None:
    catalog = Catalog()
    index = await catalog.index("config/service-defaults/web")
    async with waiting(catalog, f"config/service-defaults/web?index={index}") as task:
        await catalog.put("config", {"Kind": "service-defaults", "Name": "other"})
        assert await is_asleep(task)
        await catalog.put("config", {"Kind": "service-defaults", "Name": "web"})
        assert (await task).json()["Name"] == "web"


@story
async def test_intentions_are_stored_as_their_api_stores_them() -> None:
    catalog = Catalog()
    entry = {
        "kind": "service-intentions",
        "name": "db",
        "sources": [{"name": "*", "action": "deny"}, {"name": "web", "action": "allow"}],
    }
    assert (await catalog.put("config", entry)).text == "true"
    shown = (await catalog.get("config/service-intentions/db")).json()
    assert [(one["Name"], one["Precedence"], one["Type"]) for one in shown["Sources"]] == [
        ("web", 9, "consul"),
        ("*", 8, "consul"),
    ]
    exact = await catalog.get("connect/intentions/exact?source=web&destination=db")
    assert exact.json()["Action"] == "allow"


PREFIX = "Request decoding failed: "


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (b"", PREFIX + "EOF"),
        (b"{x", PREFIX + "invalid JSON"),
        (b"[]", PREFIX + "'' expected a map"),
        ({"Name": "x"}, PREFIX + "Payload does not contain a kind/Kind key at the top level"),
        ({"Kind": 5}, PREFIX + "Kind value in payload is not a string"),
        ({"Kind": "control-plane-request-limit"}, PREFIX + "invalid config entry kind: control-plane-request-limit"),
        (
            {"Kind": "service-defaults", "Name": "x", "Bogus": 1, "Foo": {}},
            PREFIX + '2 errors occurred:\n\t* invalid config key "Bogus"\n\t* invalid config key "Foo"\n\n',
        ),
        ({"Kind": "service-defaults", "Name": "x", "expose": {"Bogus": 1}}, 'invalid config key "Expose.Bogus"'),
        (
            {"Kind": "terminating-gateway", "Name": "x", "Services": [{"Name": "a", "Namespace": "b"}]},
            'invalid config key "Services[0].Namespace", namespaces are a consul enterprise feature',
        ),
        (
            {"Kind": "service-defaults", "Name": "x", "Protocol": []},
            "1 error(s) decoding:\n\n* 'Protocol' expected type 'string', got unconvertible type '[]interface {}'",
        ),
        (
            {"Kind": "service-defaults", "Name": "x", "Expose": {"Checks": "maybe"}},
            "cannot parse 'Expose.Checks' as bool: strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ),
        (
            {"Kind": "service-defaults", "Name": "x", "Expose": {"Paths": [{"ListenerPort": "x"}]}},
            "cannot parse 'Expose.Paths[0].ListenerPort' as int: strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            {"Kind": "service-resolver", "Name": "x", "ConnectTimeout": "x"},
            "error decoding 'ConnectTimeout': time: invalid duration \"x\"",
        ),
    ],
)
def test_what_cannot_be_decoded_is_400(entry: Any, text: str) -> None:
    with pytest.raises(ApiError) as refused:
        body_of(entry)
    assert (refused.value.status, text in refused.value.text) == (400, True), refused.value.text


def ingress(*listeners: Any, **more: Any) -> dict[str, Any]:
    return {"Kind": "ingress-gateway", "Name": "i", "Listeners": list(listeners), **more}


def resolver(**more: Any) -> dict[str, Any]:
    return {"Kind": "service-resolver", "Name": "v", **more}


def router(**http: Any) -> dict[str, Any]:
    return {"Kind": "service-router", "Name": "r", "Routes": [{"Match": {"HTTP": http}}]}


def splitter(*splits: Any) -> dict[str, Any]:
    return {"Kind": "service-splitter", "Name": "s", "Splits": list(splits)}


def defaults(**more: Any) -> dict[str, Any]:
    return {"Kind": "service-defaults", "Name": "d", **more}


HTTP_PORT = {"Port": 1, "Protocol": "http"}
REFUSED: list[tuple[dict[str, Any], str]] = [
    (defaults(Name=""), "Name is required"),
    (defaults(Name="*"), 'service-defaults config entry name cannot be a wildcard "*"'),
    (defaults(Protocol="bogus"), "invalid value for protocol: bogus"),
    (defaults(Meta={"a" * 129: "b"}), "exceeds maximum length 128"),
    (defaults(MeshGateway={"Mode": "x"}), "invalid MeshGateway mode"),
    (defaults(Expose={"Paths": [{"Path": "/", "Protocol": "x"}]}), "must be http or http2"),
    (defaults(UpstreamConfig={"Overrides": [{}]}), "Name is required"),
    (defaults(UpstreamConfig={"Defaults": {"PassiveHealthCheck": {"MaxEjectionPercent": 101}}}), "percentage"),
    (defaults(Destination={"Addresses": ["a"], "Port": 1}, UpstreamConfig={"Defaults": {}}), "mutually exclusive"),
    (defaults(Destination={"Addresses": ["a"], "Port": 0}), "Invalid Port number 0"),
    (defaults(Destination={"Addresses": ["a b"], "Port": 1}), "neither an IP address nor a host name"),
    (defaults(RateLimits={"InstanceLevel": {"Routes": [{}]}}), "Rate limiting is a consul enterprise feature"),
    (defaults(EnvoyExtensions=[{"Name": "builtin/none"}]), "is not one of"),
    (defaults(BalanceInboundConnections="x"), "is not one of"),
    ({"Kind": "proxy-defaults", "Name": "x"}, 'invalid name ("x"), only "global" is supported'),
    ({"Kind": "proxy-defaults", "Name": "global", "AccessLogs": {"Path": "/x"}}, "path is only valid for file"),
    (router(PathExact="/a", PathPrefix="/b"), "Route[0] should only contain at most one of PathExact"),
    (router(PathPrefix="a"), "Route[0] PathPrefix doesn't start with '/': \"a\""),
    (router(Header=[{"Present": True}]), "Route[0] Header[0] missing required Name field"),
    (router(Header=[{"Name": "a"}]), "should only contain one of Present, Exact, Prefix, Suffix, or Regex"),
    (router(QueryParam=[{"Name": "a"}]), "should only contain one of Present, Exact, or Regex"),
    (router(Methods=["FOO"]), 'Route[0] Methods contains an invalid method "FOO"'),
    (router(Methods=["GET", "get"]), 'Route[0] Methods contains "GET" more than once'),
    (
        {"Kind": "service-router", "Name": "r", "Routes": [{"Destination": {"PrefixRewrite": "/x"}}]},
        "Route[0] cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix",
    ),
    (
        {"Kind": "service-router", "Name": "r", "Routes": [{"Destination": {"RetryOn": ["x"]}}]},
        "invalid retry condition",
    ),
    (splitter(), "no splits configured"),
    (splitter({"Weight": 50}), "the sum of all split weights must be 100, not 50.000000"),
    (splitter({"Weight": 50}, {"Weight": 50}), "split destination occurs more than once"),
    (resolver(DefaultSubset="x"), 'DefaultSubset "x" is not a valid subset'),
    (resolver(Subsets={"": {}}), "Subset defined with empty name"),
    (resolver(Subsets={"A_b": {}}), 'Subset "A_b" is invalid'),
    (resolver(Redirect={}), "Redirect is empty"),
    (resolver(Redirect={"Service": "a"}, Failover={"*": {"Service": "b"}}), "Redirect and Failover cannot both be set"),
    (resolver(Redirect={"ServiceSubset": "a"}), "Redirect.ServiceSubset defined without Redirect.Service"),
    (resolver(Failover={"*": {}}), 'Bad Failover["*"] one of Service'),
    (resolver(Failover={"x": {"Service": "b"}}), 'Bad Failover["x"]: not a valid subset'),
    (resolver(Failover={"*": {"Datacenters": [""]}}), "found empty datacenter"),
    (resolver(Failover={"*": {"Service": "a", "Targets": [{"Service": "b"}]}}), "Targets cannot be set with Service"),
    (resolver(ConnectTimeout="-5s"), "Bad ConnectTimeout '-5s', must be >= 0"),
    (resolver(LoadBalancer={"Policy": "x"}), "not a supported load balancing policy"),
    (resolver(LoadBalancer={"Policy": "random", "HashPolicies": [{"SourceIP": True}]}), "non-hash-based"),
    (
        resolver(LoadBalancer={"Policy": "maglev", "HashPolicies": [{"Field": "x", "FieldValue": "y"}]}),
        "not a supported",
    ),
    (
        resolver(
            LoadBalancer={
                "Policy": "maglev",
                "HashPolicies": [
                    {"Field": "cookie", "FieldValue": "y", "CookieConfig": {"Session": True, "TTL": "5s"}}
                ],
            }
        ),
        "a session cookie cannot have an associated TTL of 5s",
    ),
    ({"Kind": "service-intentions", "Name": "db"}, "At least one source is required"),
    ({"Kind": "mesh", "TLS": {"Incoming": {"TLSMinVersion": "TLSv1_3", "TLSMaxVersion": "TLSv1_2"}}}, "less than"),
    ({"Kind": "mesh", "Name": "x"}, 'only "mesh" is supported'),
    (ingress({"Port": 1}), "No service declared for listener with port 1"),
    (ingress({"Port": 1, "Protocol": "x"}), "'x' is an unsupported protocol"),
    (ingress({"Port": 1, "Services": [{"Name": "a"}, {"Name": "b"}]}), "Multiple services per listener"),
    (ingress({"Port": 1, "Services": [{"Name": "*"}]}), "Wildcard service name is only valid"),
    (ingress({"Port": 1, "Services": [{"Name": "a", "Hosts": ["x"]}]}), "not supported for the tcp protocol"),
    (ingress({**HTTP_PORT, "Services": [{"Name": "*", "Hosts": ["x"]}]}), "hosts to a wildcard service"),
    (ingress({**HTTP_PORT, "Services": [{"Name": "a", "Hosts": ["x.*.y"]}]}), "leftmost label"),
    (ingress({**HTTP_PORT, "Services": [{"Name": "a", "Hosts": ["*"]}]}, TLS={"Enabled": True}), "when TLS is enabled"),
    ({"Kind": "terminating-gateway", "Name": "t", "Services": [{}]}, "Service name cannot be blank."),
    ({"Kind": "terminating-gateway", "Name": "t", "Services": [{"Name": "a", "KeyFile": "k"}]}, "must have a CertFile"),
    ({"Kind": "api-gateway", "Name": "a"}, "at least one listener"),
    ({"Kind": "api-gateway", "Name": "a", "Listeners": [{"Name": "l", "Port": 1, "Protocol": "udp"}]}, "unsupported"),
    ({"Kind": "bound-api-gateway", "Name": "a"}, "managed by the servers"),
    ({"Kind": "http-route", "Name": "a", "Hostnames": ["*"]}, "leftmost label"),
    ({"Kind": "http-route", "Name": "a", "Rules": [{"Matches": [{"Path": {"Value": "x"}}]}]}, "doesn't start with '/'"),
    ({"Kind": "tcp-route", "Name": "a", "Services": [{"Name": "a"}, {"Name": "b"}]}, "only supports one service"),
    ({"Kind": "tcp-route", "Name": "a", "Parents": [{"Kind": "x", "Name": "a"}]}, "unsupported parent kind"),
    ({"Kind": "inline-certificate", "Name": "a"}, "Certificate is required"),
    ({"Kind": "jwt-provider", "Name": "a"}, "exactly one of Local or Remote"),
    ({"Kind": "exported-services", "Services": [{"Name": "a"}]}, "at least one consumer"),
    ({"Kind": "sameness-group", "Name": "a"}, "sameness-groups are an enterprise-only feature"),
]


@pytest.mark.parametrize(("entry", "text"), REFUSED)
def test_an_entry_that_breaks_a_rule_is_500(entry: Any, text: str) -> None:
    @story
    async def refused() -> None:
        answer = await Catalog().put("config", entry)
        assert (answer.status_code, text in answer.text) == (500, True), answer.text

    refused()


EXAMPLES: list[dict[str, Any]] = [
    CAMEL,
    defaults(UpstreamConfig={"Overrides": [{"Name": "db", "PassiveHealthCheck": {"Interval": "5s"}}]}, ExternalSNI="a"),
    defaults(Name="out", Destination={"Addresses": ["1.2.3.4", "a.example"], "Port": 443}),
    {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http", "x": [1, {"y": None}]}},
    {"Kind": "proxy-defaults", "Name": "global"},
    splitter({"Weight": 33.33, "Service": "a"}, {"Weight": "66.67", "Service": "b"}),
    resolver(DefaultSubset="v1", Subsets={"v1": {"Filter": "x == 1"}, "v2": {}}, ConnectTimeout=15_000_000_000),
    resolver(Failover={"*": {"Targets": [{"Service": "b"}, {"Datacenter": "dc2"}]}}),
    resolver(LoadBalancer={"Policy": "maglev", "HashPolicies": [{"SourceIP": True, "Terminal": True}]}),
    {"Kind": "service-intentions", "Name": "db", "Sources": [{"Name": "web", "Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": "/"}}]}]},
    {"Kind": "mesh", "TransparentProxy": {"MeshDestinationsOnly": True}, "TLS": {"Incoming": {"TLSMinVersion": "TLSv1_2"}}},
    {"Kind": "exported-services", "Name": "default", "Services": [{"Name": "a", "Consumers": [{"Peer": "p"}]}]},
    ingress({**HTTP_PORT, "Services": [{"Name": "a", "Hosts": ["a.b", "*.c"]}, {"Name": "b"}]}),
    ingress(),
    {"Kind": "terminating-gateway", "Name": "t", "Services": [{"Name": "*"}, {"Name": "a", "CAFile": "c"}]},
    {"Kind": "api-gateway", "Name": "gw", "Listeners": [{"Name": "l", "Port": 80, "Protocol": "http", "TLS": {"Certificates": [{"Name": "c"}]}}]},
    {"Kind": "http-route", "Name": "h", "Parents": [{"Name": "gw"}], "Rules": [{"Services": [{"Name": "a"}], "Matches": [{"Method": "get"}]}]},
    {"Kind": "tcp-route", "Name": "t", "Parents": [{"Name": "gw"}], "Services": [{"Name": "a"}]},
    {"Kind": "inline-certificate", "Name": "c", "Certificate": "PEM", "PrivateKey": "KEY"},
    {"Kind": "file-system-certificate", "Name": "c", "Certificate": "/c", "PrivateKey": "/k"},
    {"Kind": "jwt-provider", "Name": "j", "Issuer": "i", "JSONWebKeySet": {"Local": {"Filename": "f"}}},
]  # fmt: skip

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.sampled_from(["", "x", "5s", "http", "*"])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from([
        "Name", "Services", "Protocol", "Port", "routes", "match", "HTTP", "Listeners", "Failover", "*", "Splits", "Weight",
        "Sources", "TLS", "Rules", "Matches", "Path", "JSONWebKeySet", "Local", "LoadBalancer", "HashPolicies", "Config",
    ]), inner, max_size=3)),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(kinds._KINDS)), json_values, st.sampled_from(["x", "global", "mesh", "default"]))
def test_no_body_does_more_than_be_refused(kind: str, value: Any, name: str) -> None:
    body = value if isinstance(value, dict) else {"Services": value}
    entry = {**body, "Kind": kind, "Name": name}
    try:
        made = body_of(entry)
    except ApiError as error:
        status = error.status
    else:
        status = 200
        again = {"Kind": kind, "Name": name, **made.body}
        assert body_of(again).body == made.body
    assert status in {200, 400, 500}


def test_a_list_of_one_stands_for_its_element() -> None:
    loose = {"Kind": ["service-resolver"], "Name": ["x"], "DefaultSubset": ["v1"], "Subsets": {"v1": [{"Filter": ["a==b"], "OnlyPassing": [True]}]}, "ConnectTimeout": ["5s"]}  # fmt: skip
    plain = {"Kind": "service-resolver", "Name": "x", "DefaultSubset": "v1", "Subsets": {"v1": {"Filter": "a==b", "OnlyPassing": True}}, "ConnectTimeout": "5s"}  # fmt: skip
    loose["Kind"] = plain["Kind"]
    assert body_of(loose) == body_of(plain)
    with pytest.raises(ApiError, match=r"'DefaultSubset' expected type 'string'"):
        body_of({**plain, "DefaultSubset": ["v1", "v2"]})
