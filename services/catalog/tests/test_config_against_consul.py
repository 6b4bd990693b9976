"""Config entries given to a real Consul and to us: the same answers, the same refusals, the same JSON."""

import re
from typing import Any

import httpx
import pytest
from api_fixture import Catalog, story
from test_against_consul import CONSUL, consul  # noqa: F401  a fixture

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path"),
]

NEWER = {"TransparentProxy"}
"""Shown by 1.21 where 1.8 does not know it."""

OLDER = {"Namespace"}
"""Shown by 1.8 in router destinations, never by a community edition of today."""


def defaults(name: str, **more: Any) -> tuple[str, str, Any]:
    return "PUT", "config", {"Kind": "service-defaults", "Name": name, **more}


def resolver(**more: Any) -> tuple[str, str, Any]:
    return "PUT", "config", {"Kind": "service-resolver", "Name": "r1", **more}


def router(**http: Any) -> tuple[str, str, Any]:
    return "PUT", "config", {"Kind": "service-router", "Name": "web", "Routes": [{"Match": {"HTTP": http}}]}


def splitter(*splits: Any) -> tuple[str, str, Any]:
    return "PUT", "config", {"Kind": "service-splitter", "Name": "s1", "Splits": list(splits)}


def ingress(*listeners: Any, **more: Any) -> tuple[str, str, Any]:
    return "PUT", "config", {"Kind": "ingress-gateway", "Name": "i1", "Listeners": list(listeners), **more}


def terminating(*services: Any) -> tuple[str, str, Any]:
    return "PUT", "config", {"Kind": "terminating-gateway", "Name": "t1", "Services": list(services)}


HTTP_PORT = {"Port": 1, "Protocol": "http"}
REQUESTS: list[tuple[str, str, Any]] = [
    ("PUT", "config", {"Kind": "proxy-defaults", "Name": "global"}), ("GET", "config/proxy-defaults/global", None),
    ("PUT", "config", {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http", "x": [1, {"y": 1}], "local_connect_timeout_ms": 1000}}),
    ("GET", "config/proxy-defaults/global", None), ("GET", "config/proxy-defaults", None), ("GET", "config/service-splitter", None),
    defaults("web", Protocol="HTTP"), ("GET", "config/service-defaults/web", None),
    ("PUT", "config", {"kind": "service-defaults", "name": "w2", "protocol": "http", "mesh_gateway": {"mode": "local"}, "expose": {"checks": True, "paths": [{"path": "/x", "listener_port": "80", "local_path_port": 8, "protocol": "http"}]}, "external_sni": "a", "meta": {"a": "b"}}),
    ("GET", "config/service-defaults/w2", None), ("GET", "config/service-defaults", None),
    ("GET", "config/service-defaults/none", None), ("GET", "config/bogus/x", None), ("GET", "config/bogus", None), ("GET", "config/service-defaults/", None), ("GET", "config/service-defaults/a/b", None),
    ("PUT", "config", {"Name": "x"}), ("PUT", "config", b""), ("PUT", "config", {"Kind": "bogus", "Name": "x"}), ("PUT", "config", {"Kind": 5, "Name": "x"}),
    defaults("x", Bogus=1, Foo={}), defaults("x", Expose={"Bogus": 1}), defaults("x", Protocol=[]), defaults("x", Expose={"Checks": "maybe"}),
    defaults("x", Expose={"Paths": [{"ListenerPort": "x"}]}), defaults("x", Meta={"a" * 200: "b"}), defaults("x", ExternalSNI=5), ("GET", "config/service-defaults/x", None),
    ("PUT", "config?cas=0", {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}), ("PUT", "config?cas=x", {"Kind": "service-defaults", "Name": "web"}),
    ("PUT", "config?cas=0", {"Kind": "service-defaults", "Name": "fresh", "Protocol": "http"}),
    router(PathExact="/a", PathPrefix="/b"), router(PathExact="a"), router(PathPrefix="a"), router(Header=[{"Present": True}]), router(Header=[{"Name": "a"}]),
    router(Header=[{"Name": "a", "Present": True, "Exact": "x"}]), router(QueryParam=[{}]), router(QueryParam=[{"Name": "a", "Present": True, "Exact": "b"}]), router(Methods=["GET", "GET"]),
    router(PathRegex="(", Methods=["GET"], Header=[{"Name": "a", "Exact": "b", "Invert": True}]), ("GET", "config/service-router/web", None),
    ("PUT", "config", {"Kind": "service-router", "Name": "web", "Routes": [{"Destination": {"PrefixRewrite": "/x"}}]}),
    ("PUT", "config", {"kind": "service-router", "name": "web", "routes": [{"match": {"http": {"path_prefix": "/a", "query_param": [{"name": "q", "exact": "1"}]}}, "destination": {"service": "w2", "request_timeout": "5s", "num_retries": 3, "retry_on_connect_failure": True, "retry_on_status_codes": [500], "prefix_rewrite": "/b"}}, {"Destination": {}}, {}]}),
    ("GET", "config/service-router/web", None), ("PUT", "config", {"Kind": "service-router", "Name": "web", "Routes": [{"Destination": {"RequestTimeout": 1500000000}}, {"Destination": {"RequestTimeout": "90s"}}]}),
    ("GET", "config/service-router/web", None), ("PUT", "config", {"Kind": "service-router", "Name": "web", "Routes": [{"Destination": {"RequestTimeout": "x"}}]}),
    splitter(), splitter({"Weight": 50}), splitter({"Weight": 50.5, "Service": "web"}, {"Weight": "49.5", "Service": "w2"}), ("GET", "config/service-splitter/s1", None),
    resolver(DefaultSubset="x"), resolver(Subsets={"": {}}), resolver(Subsets={"A_b": {}}), resolver(Redirect={}), resolver(Redirect={"Service": "a"}, Failover={"*": {"Service": "b"}}),
    resolver(Redirect={"ServiceSubset": "a"}), resolver(Failover={"x": {"Service": "b"}}), resolver(Failover={"*": {"ServiceSubset": "x"}}), resolver(Failover={"*": {"Datacenters": [""]}}), resolver(ConnectTimeout="-5s"), resolver(ConnectTimeout="x"),
    resolver(DefaultSubset="v1", Subsets={"v1": {"Filter": "Service.Meta.v == 1"}, "v2": {"OnlyPassing": True}}, ConnectTimeout="15s", Failover={"*": {"Datacenters": ["dc2"]}, "v2": {"Service": "web"}}),
    ("GET", "config/service-resolver/r1", None),
    ingress({"Port": 1}), ingress({"Port": 1, "Protocol": "x"}), ingress({"Port": 1, "Services": [{"Name": "a", "Hosts": ["x"]}]}), ingress({**HTTP_PORT, "Services": [{"Name": "*", "Hosts": ["x"]}]}),
    ingress({**HTTP_PORT, "Services": [{"Name": ""}]}), ingress({**HTTP_PORT, "Services": [{"Name": "a", "Hosts": ["x.y"]}, {"Name": "b", "Hosts": ["x.y"]}]}), ingress({**HTTP_PORT, "Services": [{"Name": "a", "Hosts": ["x.*.y"]}]}),
    ingress({**HTTP_PORT, "Services": [{"Name": "a", "Hosts": ["*"]}]}, TLS={"Enabled": True}), ingress({**HTTP_PORT, "Services": [{"Name": "a", "Namespace": "q"}]}),
    ingress({**HTTP_PORT, "Services": [{"Name": "web", "Hosts": ["a.b"]}, {"Name": "w2"}]}, TLS={"Enabled": True}), ("GET", "config/ingress-gateway/i1", None), ingress(), ("GET", "config/ingress-gateway/i1", None),
    terminating({"Name": ""}), terminating({"Name": "a"}, {"Name": "a"}), terminating({"Name": "a", "CertFile": "x"}), terminating({"Name": "a", "KeyFile": "x", "CAFile": "c"}),
    terminating({"Name": "web", "CAFile": "a"}, {"Name": "*"}), ("GET", "config/terminating-gateway/t1", None),
    ("DELETE", "config/service-defaults/zzz", None), ("DELETE", "config/bogus/x", None), ("DELETE", "config/service-defaults", None), ("DELETE", "config/terminating-gateway/t1", None),
    ("GET", "config/terminating-gateway/t1", None), ("POST", "config", {}), ("PUT", "config/service-defaults/x", {}), ("DELETE", "config", None),
]  # fmt: skip


def plain(value: Any) -> Any:
    """Without indexes and what only one version shows."""
    if isinstance(value, dict):
        dropped = {"CreateIndex", "ModifyIndex"} | NEWER | OLDER
        return {key: plain(one) for key, one in value.items() if key not in dropped}
    return [plain(one) for one in value] if isinstance(value, list) else value


def told(answer: httpx.Response) -> tuple[int, Any]:
    if answer.headers.get("content-type", "").startswith("application/json"):
        return answer.status_code, plain(answer.json())
    text = answer.text.strip().removeprefix("Bad request: ")
    lines = re.sub(r"expected a map, got '\w+'", "expected a map", text).split("\n")
    return answer.status_code, [lines[0], *sorted(lines[1:])]  # they name unknown keys as a Go map gives them


def test_config_entries_are_those_of_a_real_consul(consul: str) -> None:  # noqa: F811  the fixture
    @story
    async def compared() -> None:
        theirs = httpx.AsyncClient(base_url=consul, timeout=8)
        ours = Catalog().http
        differences = []
        for method, path, body in REQUESTS:
            kind = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
            mine, other = [told(await side.request(method, path, **kind)) for side in (ours, theirs)]
            if mine != other:
                differences.append(f"{method} {path} {body}\n  ours   {mine}\n  theirs {other}")
        await theirs.aclose()
        assert not differences, "\n".join(differences)

    compared()
