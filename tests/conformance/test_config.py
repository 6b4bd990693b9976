"""Config entries: every kind that the peer knows, written, read, listed, changed on a condition and deleted, and what is refused."""

import pytest

from tests.conformance.both_sides import delete, get, post, put

pytestmark = pytest.mark.conformance


def entry(kind, name, **more):
    return put("config", {"Kind": kind, "Name": name, **more})


def defaults(name, **more):
    return entry("service-defaults", name, **more)


def resolver(**more):
    return entry("service-resolver", "r1", **more)


def router(**http):
    return entry("service-router", "web", Routes=[{"Match": {"HTTP": http}}])


def splitter(*splits):
    return entry("service-splitter", "s1", Splits=list(splits))


def ingress(*listeners, **more):
    return entry("ingress-gateway", "i1", Listeners=list(listeners), **more)


def terminating(*services):
    return entry("terminating-gateway", "t1", Services=list(services))


PORT = {"Port": 1, "Protocol": "http"}
SNAKE = {"kind": "service-defaults", "name": "w2", "protocol": "http", "mesh_gateway": {"mode": "local"}, "expose": {"checks": True, "paths": [{"path": "/x", "listener_port": "80", "local_path_port": 8, "protocol": "http"}]}, "external_sni": "a", "meta": {"a": "b"}}  # fmt: skip
ROUTES = {"kind": "service-router", "name": "web", "routes": [{"match": {"http": {"path_prefix": "/a", "query_param": [{"name": "q", "exact": "1"}]}}, "destination": {"service": "w2", "request_timeout": "5s", "num_retries": 3, "retry_on_connect_failure": True, "retry_on_status_codes": [500], "prefix_rewrite": "/b"}}, {"Destination": {}}, {}]}  # fmt: skip
PROTOCOLS = [entry("proxy-defaults", "global", Config={"protocol": "http", "x": [1, {"y": 1}], "local_connect_timeout_ms": 1000}), get("config/proxy-defaults/global"), get("config/proxy-defaults")]  # fmt: skip
DEFAULTS = [
    get("config/service-defaults"), get("config/service-defaults/web"), defaults("web", Protocol="HTTP"), get("config/service-defaults/web"), defaults("web", Protocol="http"), put("config", SNAKE), get("config/service-defaults/w2"), get("config/service-defaults"), get("config/service-defaults?stale"), get("config/service-defaults/w2?consistent"), get("config/service-defaults/web?pretty"),
    defaults("x", Bogus=1), defaults("x", Expose={"Bogus": 1}), defaults("x", Protocol=[]), defaults("x", Expose={"Checks": "maybe"}), defaults("x", Expose={"Paths": [{"ListenerPort": "x"}]}), defaults("x", Meta={"a" * 200: "b"}), defaults("x", Meta={"a": "b" * 600}), defaults("x", ExternalSNI=5), get("config/service-defaults/x"),
    defaults("<&>", ExternalSNI="<&>"), get("config/service-defaults/<&>"), delete("config/service-defaults/<&>"), defaults("a/b"), get("config/service-defaults/a/b"), get("config/service-defaults/a%2Fb"), delete("config/service-defaults/a%2Fb"), get("config/service-defaults/a/b"),
]  # fmt: skip
CONDITIONS = [
    put("config?cas=0", {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}), put("config?cas=x", {"Kind": "service-defaults", "Name": "web"}), put("config?cas=-1", {"Kind": "service-defaults", "Name": "web"}), put("config?cas=", {"Kind": "service-defaults", "Name": "web"}),
    put("config?cas=0", {"Kind": "service-defaults", "Name": "fresh", "Protocol": "http"}), put("config?cas=0", {"Kind": "service-defaults", "Name": "fresh", "Protocol": "tcp"}), get("config/service-defaults/fresh"), put("config?cas=99999999", {"Kind": "service-defaults", "Name": "fresh"}), put("config?cas=5", {"Kind": "service-defaults", "Name": "none"}), get("config/service-defaults/none"), delete("config/service-defaults/fresh"), delete("config/service-defaults/fresh"), get("config/service-defaults/fresh"),
]  # fmt: skip
ROUTERS = [
    defaults("web", Protocol="http"), router(PathExact="/a", PathPrefix="/b"), router(PathExact="a"), router(PathPrefix="a"), router(Header=[{"Present": True}]), router(Header=[{"Name": "a"}]), router(Header=[{"Name": "a", "Present": True, "Exact": "x"}]), router(QueryParam=[{}]), router(QueryParam=[{"Name": "a", "Present": True, "Exact": "b"}]), router(Methods=["GET", "GET"]),
    router(PathRegex="(", Methods=["GET"], Header=[{"Name": "a", "Exact": "b", "Invert": True}]), get("config/service-router/web"), entry("service-router", "web", Routes=[{"Destination": {"PrefixRewrite": "/x"}}]), put("config", ROUTES), get("config/service-router/web"), get("config/service-router"),
    entry("service-router", "web", Routes=[{"Destination": {"RequestTimeout": 1500000000}}, {"Destination": {"RequestTimeout": "90s"}}]), get("config/service-router/web"), entry("service-router", "web", Routes=[{"Destination": {"RequestTimeout": "x"}}]), delete("config/service-router/web"), get("config/service-router/web"),
]  # fmt: skip
SPLITTERS = [splitter(), splitter({"Weight": 50}), splitter({"Weight": 50.5, "Service": "web"}, {"Weight": "49.5", "Service": "w2"}), get("config/service-splitter/s1"), splitter({"Weight": 100, "Service": "web"}), get("config/service-splitter"), delete("config/service-splitter/s1"), get("config/service-splitter")]  # fmt: skip
RESOLVERS = [
    resolver(DefaultSubset="x"), resolver(Subsets={"": {}}), resolver(Subsets={"A_b": {}}), resolver(Redirect={}), resolver(Redirect={"Service": "a"}, Failover={"*": {"Service": "b"}}), resolver(Redirect={"ServiceSubset": "a"}), resolver(Failover={"x": {"Service": "b"}}), resolver(Failover={"*": {"ServiceSubset": "x"}}), resolver(Failover={"*": {"Datacenters": [""]}}), resolver(ConnectTimeout="-5s"), resolver(ConnectTimeout="x"), get("config/service-resolver/r1"),
    resolver(DefaultSubset="v1", Subsets={"v1": {"Filter": "Service.Meta.v == 1"}, "v2": {"OnlyPassing": True}}, ConnectTimeout="15s", Failover={"*": {"Datacenters": ["dc2"]}, "v2": {"Service": "web"}}), get("config/service-resolver/r1"), resolver(Redirect={"Service": "web"}), get("config/service-resolver/r1"), get("config/service-resolver"), delete("config/service-resolver/r1"), get("config/service-resolver/r1"),
]  # fmt: skip
GATEWAYS = [
    ingress({"Port": 1}), ingress({"Port": 1, "Protocol": "x"}), ingress({"Port": 1, "Services": [{"Name": "a", "Hosts": ["x"]}]}), ingress({**PORT, "Services": [{"Name": "*", "Hosts": ["x"]}]}), ingress({**PORT, "Services": [{"Name": ""}]}), ingress({**PORT, "Services": [{"Name": "a", "Hosts": ["x.y"]}, {"Name": "b", "Hosts": ["x.y"]}]}), ingress({**PORT, "Services": [{"Name": "a", "Hosts": ["x.*.y"]}]}), ingress({**PORT, "Services": [{"Name": "a", "Hosts": ["*"]}]}, TLS={"Enabled": True}),
    ingress({**PORT, "Services": [{"Name": "web", "Hosts": ["a.b"]}, {"Name": "w2"}]}, TLS={"Enabled": True}), get("config/ingress-gateway/i1"), get("config/ingress-gateway"), ingress(), get("config/ingress-gateway/i1"), delete("config/ingress-gateway/i1"), get("config/ingress-gateway/i1"),
    terminating({"Name": ""}), terminating({"Name": "a"}, {"Name": "a"}), terminating({"Name": "a", "CertFile": "x"}), terminating({"Name": "a", "KeyFile": "x", "CAFile": "c"}), terminating({"Name": "web", "CAFile": "a"}, {"Name": "*"}), get("config/terminating-gateway/t1"), get("config/terminating-gateway"), delete("config/terminating-gateway/t1"), get("config/terminating-gateway/t1"),
]  # fmt: skip
REFUSED = [
    entry("proxy-defaults", "other"), entry("proxy-defaults", "global", Config={"protocol": 5}), entry("proxy-defaults", "global", Bogus=1), get("config/proxy-defaults/other"),
    *[put("config", body) for body in ({"Name": "x"}, {}, b"", b"{", b"[]", b"null", b'"x"', {"Kind": "bogus", "Name": "x"}, {"Kind": 5, "Name": "x"}, {"Kind": "service-defaults"}, {"Kind": "service-defaults", "Name": ""}, {"Kind": "service-defaults", "Name": "*"}, {"Kind": "service-defaults", "Name": 5}, {"Kind": "service-router"}, {"Kind": "service-splitter"}, {"Kind": "service-resolver"}, {"Kind": "ingress-gateway"}, {"Kind": "terminating-gateway"})],
    get("config/bogus/x"), get("config/bogus"), get("config/service-defaults/"), get("config"), get("config/service-defaults/web?dc=dc9"), put("config?dc=dc9", {"Kind": "service-defaults", "Name": "x"}), delete("config/service-defaults/zzz"), delete("config/bogus/x"), delete("config/service-defaults"), delete("config/service-defaults/"),
    post("config", {}), delete("config"), post("config/service-defaults/x", {}), put("config/service-defaults/x", {}), get("config/service-defaults?index=x"), get("config/service-defaults?wait=x"), get("config/service-defaults?stale&consistent"), put("config?ns=x", {"Kind": "service-defaults", "Name": "x"}),
    delete("config/service-defaults/web"), delete("config/service-defaults/w2"), delete("config/proxy-defaults/global"), get("config/proxy-defaults/global"), get("config/proxy-defaults"),
]  # fmt: skip
ROWS = [*PROTOCOLS, *DEFAULTS, *CONDITIONS, *ROUTERS, *SPLITTERS, *RESOLVERS, *GATEWAYS, *REFUSED]


def test_config_entries_are_those_of_consul(pair):
    pair.run("config", ROWS)
