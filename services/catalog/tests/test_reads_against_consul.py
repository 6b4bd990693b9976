"""How a read is asked for, on both sides: filters, orders and general rules give equal statuses, bodies and refusals.

Needs a `consul` binary (environment CONSUL_BIN, or on the path), as `test_against_consul`, whose rules of comparing
hold here too. What 1.8 knows differently from 1.21 is not asked, or stands in a table of its own with the reason.
"""

import asyncio
import re
from typing import Any

import httpx
import pytest
from api_fixture import Catalog, story
from test_against_consul import CONSUL, consul, normal, plain

from lictor_state.commands import CoordinateSpec, CoordinatesUpdate

__all__ = ["consul"]  # the fixture

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not CONSUL, reason="no consul binary: set CONSUL_BIN or put it on the path"),
]

WRITES: list[tuple[str, Any]] = [
    ("agent/service/register", {"Name": "web", "ID": "web-1", "Tags": ["v1", "Prod"], "Address": "10.0.0.9", "Port": 80, "Meta": {"k": "v", "a-b": "c"}, "Check": {"CheckID": "w1", "TTL": "1h", "Notes": "n"}, "EnableTagOverride": True}),
    ("agent/service/register", {"Name": "web", "ID": "web-2", "Tags": ["v2"], "Port": 81, "Check": {"CheckID": "w2", "TTL": "1h", "Status": "passing"}, "Weights": {"Passing": 5, "Warning": 2}}),
    ("agent/service/register", {"Name": "px", "Kind": "connect-proxy", "Port": 7777, "Proxy": {"DestinationServiceName": "web", "LocalServicePort": 80, "Upstreams": [{"DestinationName": "db", "LocalBindPort": 9191, "MeshGateway": {"Mode": "local"}}], "MeshGateway": {"Mode": "remote"}, "Expose": {"Checks": True, "Paths": [{"Path": "/h", "ListenerPort": 21500, "LocalPathPort": 80}]}}}),
    ("agent/service/register", {"Name": "nat", "Connect": {"Native": True}, "TaggedAddresses": {"wan": {"Address": "1.1.1.1", "Port": 443}}}),
    ("agent/check/register", {"Name": "node-ttl", "TTL": "1h", "Status": "warning", "Notes": "on the node"}),
    ("catalog/register", {"Node": "ext", "Address": "1.2.3.4", "NodeMeta": {"m": "1", "rack": "r1"}, "TaggedAddresses": {"wan": "9.9.9.9"}, "Service": {"Service": "api", "Tags": ["b", "a"], "Meta": {"zone": "z"}}, "Check": {"Name": "c1", "ServiceID": "api", "Status": "passing"}}),
    ("catalog/register", {"Node": "ext2", "Address": "1.2.3.5", "NodeMeta": {"m": "2"}, "Service": {"ID": "api-2", "Service": "api", "Tags": ["a"], "Port": 8080}, "Check": {"Name": "c2", "ServiceID": "api-2", "Status": "critical", "Notes": "down"}}),
    ("catalog/register", {"Node": "ext3", "Address": "1.2.3.6", "Service": {"ID": "web-9", "Service": "web"}}),
    ("connect/intentions", {"SourceName": "web", "DestinationName": "db", "Action": "allow", "Description": "ok", "Meta": {"a": "b"}}),
    ("connect/intentions", {"SourceName": "*", "DestinationName": "db", "Action": "deny"}),
    ("kv/app/x", b"1"),
    ("kv/app/sub/y", b"2"),
]  # fmt: skip

FILTERS: dict[str, list[str]] = {
    "catalog/nodes": [
        "Node == n1", "Node == ext", "Node != ext", "Meta.m == 1", "Meta.m != 1", 'Meta["m"] == "1"', "m in Meta", "m not in Meta", "Meta contains rack",
        "Meta is empty and Node != n1", "Meta is not empty and Node != n1", "Meta.rack matches r", "Meta.rack not matches r", "Meta.rack matches `^r[0-9]$` and Meta.m == 1",
        "Address == `1.2.3.4` or Address == `1.2.3.5`", "not Node == ext", "not (Node == ext or Node == ext2)", 'Node matches "^ext[0-9]$"', "Node contains xt2", "xt2 in Node",
        "TaggedAddresses.wan == `9.9.9.9`", "TaggedAddresses contains wan and Node != n1", "Datacenter == dc1", "ID == ``", "Node == ext and Meta.m == 1 or Node == n1", "Node == ext and (Meta.m == 2 or Node == n1)",
        "not in Meta", "Node == not", "Node==ext", "Node == ext\nor Node == ext2", 'Node == "ext"', "Node == 5", "Node == -5.5",
    ],
    "catalog/service/web": [
        "ServiceID == `web-1`", "ServicePort == 80", "ServicePort != 80", 'ServicePort == "0x50"', 'ServicePort == "0120"', "ServiceTags contains v1", "v1 not in ServiceTags",
        "ServiceTags is empty", "ServiceMeta.k == v", 'ServiceMeta["a-b"] == c', "ServiceEnableTagOverride == true", "ServiceEnableTagOverride == F", "ServiceWeights.Passing == 5",
        "ServiceAddress == ``", "Node == ext3", "NodeMeta is empty and Node != n1", "ServiceKind == ``", "ServiceProxy.Upstreams is empty", "ServiceConnect.Native == false", "ServiceName == web",
    ],
    "catalog/connect/web": ["ServiceKind == `connect-proxy`", "ServiceProxy.DestinationServiceName == web", "ServiceProxy.Upstreams.DestinationName == db", "ServiceProxy.Upstreams.LocalBindPort != 9191", "ServiceProxy.MeshGateway.Mode == remote", "ServiceProxy.Upstreams.MeshGateway.Mode == local", "ServiceProxy.Expose.Checks == 1", "ServiceProxy.Expose.Paths.Path == `/h`"],
    "catalog/node/n1": ["Port == 80", "Service == web", "Tags contains v2", "Kind == `connect-proxy`", "Connect.Native == true", "TaggedAddresses.wan.Port == 443", "TaggedAddresses.wan.Port != 443 and Service != consul", "Meta.k == v"],
    "agent/services": ["Port == 80", "Service != web", "v1 in Tags", "Meta contains k", "Weights.Warning == 2", "EnableTagOverride == t"],
    "agent/checks": ["Status == critical", "Status != critical", "ServiceID == `web-1`", "Notes == n", "Name matches `^node`", "ServiceTags contains v1", "Type == ttl"],
    "health/node/n1": ["CheckID == w1", "ServiceName == ``", "Status == warning and Notes contains node"],
    "health/checks/web": ["Status == passing", "Node == n1", "ServiceTags is not empty"],
    "health/checks/api": ["Node == ext2", "Notes == down"],
    "health/state/any": ["Status == critical", "Node != n1", "Node matches `ext.*`"],
    "health/service/web": [
        "Checks.Status == passing", "Checks.Status != passing", "Checks.Status == critical", "Checks is empty", "Checks is not empty", "passing in Checks.Status", "Checks.ServiceTags contains v1", "Checks.CheckID == w1",
        "not Checks.Status == critical", "Service.Port == 80 and Checks.Status == critical", "Service.Tags is empty", "Service.Meta.k != v", "Service.Meta.none matches x", "Service.Meta.none == x",
        "Node.Node == ext3", "Node.Meta.m == 1", "Node.Address != `1.2.3.6`", "Service.Weights.Passing == 5", "Service.ID matches `web-[12]`", 'Service["Port"] == 81',
    ],
    "health/service/none": ["Service.Port == 80", "Bogus == 1", "Service.Port == x"],
    "health/connect/web": ["Service.Proxy.DestinationServiceName == web", "Service.Proxy.DestinationServiceName != web", "Service.Port == 7777"],
    "connect/intentions": ["Action == allow", "SourceName == `*`", "Precedence == 9", "Precedence != 9", "Meta.a == b", "Meta is empty", "Description == ok", "DestinationNS == default", "SourceType == consul"],
}  # fmt: skip

REFUSED = [
    "Bogus == 1", "CreateIndex == 1", "Node.Bogus == 1", "Meta == 1", "Meta.a.b == 1", "Meta matches x", "Node is nothing", "Node", "Node ==", "== n1", "Node == n1 and", "Node == n1 or or", "(Node == n1", "Node == n1)",
    "not(Node == n1)", "Node = n1", "Node == 'n1'", 'Node == "n1', 'Node == "a\\"b"', "Node == 10.0.0.1", "Node == 007", "Node[x] == 1", 'Node["x" == 1', "Node in 5", "5 == Node", 'Node matches"n"', "x in", " ", "()", "Node matches `(`",
    "Node matches `(?=a)`", "Node matches `a**`", "Node matches `[b-a]`", "Node matches `\\1`", "Node matches `a{2000}`", "Node matches `*`", "Node matches `a)`", "Node matches `[a`", "Node matches `\\y`", "Node == a b", "Node == a\tand\tBogus == 1",
]  # fmt: skip

RULES = [
    "health/service/web?passing", "health/service/web?passing=1", "health/service/web?passing=true", "health/service/web?passing=0", "health/service/web?passing=f", "health/service/web?passing=yes",
    "health/service/web?tag=v1&tag=PROD", "health/service/web?tag=V1&tag=v2", "health/service/web?tag=", "catalog/service/web?tag=prod&tag=V1", "catalog/service/web?tag=v1&tag=nope", "catalog/service/api?tag=A&tag=B",
    "catalog/nodes?node-meta=m:1", "catalog/nodes?node-meta=m:1&node-meta=rack:r1", "catalog/nodes?node-meta=m:1&node-meta=rack:r2", "catalog/nodes?node-meta=m", "catalog/services?node-meta=m:1", "catalog/service/api?node-meta=m:2",
    "health/service/api?node-meta=m:1", "health/checks/api?node-meta=m:2", "health/state/critical?node-meta=m:2", "health/state/any?node-meta=m:9", "health/service/api?node-meta=m:2&passing",
    "catalog/node/EXT", "catalog/node/ext?filter=Port == 1", "catalog/nodes?bogus=1&x", "catalog/nodes?index=x", "catalog/nodes?index=-1", "catalog/nodes?index=1.5", "catalog/nodes?index=18446744073709551615&wait=1ms",
    "catalog/nodes?index=18446744073709551616", "catalog/nodes?wait=5", "catalog/nodes?wait=5x", "catalog/nodes?wait=1m1", "catalog/nodes?wait=.5s", "catalog/nodes?wait=-5s", "catalog/nodes?wait=1h1m1s1ms1us1ns", "catalog/nodes?wait=1µs",
    "catalog/nodes?stale&consistent", "catalog/nodes?stale=false&consistent=false", "health/service/web?cached&consistent", "health/service/web?cached", "catalog/nodes?max_stale=5s", "catalog/nodes?max_stale=x", "catalog/nodes?max_stale=5s&consistent", "catalog/nodes?leader", "catalog/nodes?leader&stale",
    "catalog/nodes?near=n1&node-meta=m:1", "catalog/nodes?near=_agent&node-meta=m:2", "catalog/service/web?near=nobody", "health/service/web?near=n1", "health/checks/web?near=_agent", "health/state/passing?near=ext", "catalog/connect/web?near=_agent", "health/connect/web?near=_agent",
    "catalog/nodes?dc=dc1&node-meta=m:1", "catalog/nodes?dc=nope", "kv/app/?keys&separator=/", "kv/app/?keys&seperator=/", "kv/app?keys", "kv/app/?recurse=1&keys=True", "kv/?recurse", "kv/app/x?raw", "kv/none?raw", "kv/app/?recurse&raw", "kv/none?recurse", "kv/",
    "session/info/", "session/node/", "session/node/none", "session/info/00000000-0000-4000-8000-00000000abcd", "health/node/", "health/checks/", "health/service/", "health/state/", "health/connect/", "catalog/service/", "catalog/connect/", "catalog/node/",
    "health/state/bogus", "health/node/nope", "agent/service/nope", "connect/intentions/match?by=x&name=db", "connect/intentions/match?by=source", "connect/intentions/check?source=a", "connect/ca/roots?pem=x",
    "catalog/services?pretty",
]  # fmt: skip

WHERE = {"ext": 0.0, "ext2": 0.05, "ext3": 0.02}
"""Seconds along one axis."""

NEAR = [
    *[f"{path}near={node}" for node in ("ext", "ext2", "ext3", "EXT2", "nobody") for path in (
        "catalog/nodes?filter=Node+!=+n1&", "catalog/service/api?", "health/service/api?", "health/checks/api?", "health/state/any?filter=Node+!=+n1&",
        "health/service/api?passing&", "catalog/service/api?tag=a&",
    )],
]  # fmt: skip

_PLACE = re.compile(r", at \d+:\d+ \(\d+\)$")
_GRAMMAR = re.compile(r"(evaluator: )(?:(\d+:\d+ \(\d+\): rule \"\w+\").*|\d+:\d+ \(\d+\): (no match found).*)")


class Both:
    """A Consul and a catalog of ours that were told the same."""

    def __init__(self, url: str) -> None:
        self.ours = Catalog()
        self.theirs = httpx.AsyncClient(base_url=url, timeout=8)
        self.differences: list[str] = []
        self.asked = 0

    async def write(self) -> None:
        for path, body in WRITES:
            kind = {"content": body} if isinstance(body, bytes) else {"json": body}
            method = "POST" if path == "connect/intentions" else "PUT"
            sides = [await side.request(method, path, **kind) for side in (self.ours.http, self.theirs)]
            # (The intentions of an earlier test in this module are there already.)
            assert [one.status_code for one in sides] in ([200, 200], [200, 500]), (path, sides[0].text, sides[1].text)

    async def compare(self, path: str, params: dict[str, str] | None = None, **more: Any) -> None:
        self.asked += 1
        mine, other = await asyncio.gather(
            self.ours.http.get(path, params=params, **more), self.theirs.get(path, params=params, **more)
        )
        left, right = shown(mine), shown(other)
        if left != right:
            self.differences.append(f"{path} {params or ''} {more or ''}\n  ours   {left}\n  theirs {right}")

    async def done(self, least: int) -> None:
        await self.theirs.aclose()
        assert not self.differences, f"{len(self.differences)} of {self.asked}\n" + "\n".join(self.differences)
        assert self.asked >= least


def shown(answer: httpx.Response) -> tuple[int, Any]:
    """Status and content. Of an error of grammar the kind: what else might have stood there is told in other words."""
    if answer.headers.get("content-type", "").startswith("application/json"):
        value = answer.json()
        checks = isinstance(value, list) and value and isinstance(value[0], dict) and "CheckID" in value[0]
        if checks and "near" not in str(answer.url):
            value = sorted(value, key=lambda one: (one["Node"], one["CheckID"]))
        if isinstance(value, list):
            value = [one for one in value if not (isinstance(one, dict) and one.get("CheckID") == "serfHealth")]
        if "catalog/services" in str(answer.url):  # (tags in no order there)
            value = {name: sorted(tags) for name, tags in value.items()}
        return answer.status_code, plain(normal(value))
    text = _PLACE.sub("", answer.text.strip()).removeprefix("Bad request: ")
    if "evaluator" not in text and text.startswith(("Selector", "Invalid match")):
        text = "Failed to create boolean expression evaluator: " + text  # 1.8 forgets it at `agent/checks`
    return answer.status_code, _GRAMMAR.sub(r"\1\2\3", text)


def test_filters_keep_what_a_real_consul_keeps(consul: str) -> None:
    @story
    async def compared() -> None:
        both = Both(consul)
        await both.write()
        for path, filters in FILTERS.items():
            for text in filters:
                await both.compare(path, {"filter": text})
        await both.done(100)

    compared()


def test_filters_are_refused_as_by_a_real_consul(consul: str) -> None:
    @story
    async def compared() -> None:
        both = Both(consul)
        for text in REFUSED:
            await both.compare("catalog/nodes", {"filter": text})
            await both.compare(
                "health/service/none", {"filter": text.replace("Node", "Service.ID").replace("Meta", "Service.Meta")}
            )
        await both.done(80)

    compared()


@pytest.mark.parametrize("path", ["catalog/nodes?a=%zz", "kv/%01"])
def test_what_cannot_be_read_is_refused_with_the_same_status(consul: str, path: str) -> None:
    @story
    async def compared() -> None:
        both = Both(consul)
        sides = [await side.get(path) for side in (both.ours.http, both.theirs)]
        await both.theirs.aclose()
        assert sides[0].status_code == sides[1].status_code  # (Consul says no more; we say why)

    compared()


def test_the_general_rules_are_those_of_a_real_consul(consul: str) -> None:
    @story
    async def compared() -> None:
        both = Both(consul)
        await both.write()
        for path in RULES:
            await both.compare(path)
        await both.done(85)

    compared()


def test_lists_by_distance_are_in_the_order_of_a_real_consul(consul: str) -> None:
    @story
    async def compared() -> None:
        both = Both(consul)
        await both.write()
        coordinates = "coordinate/nodes"  # (updates are applied in batches)
        rest = {"Error": 1.0, "Adjustment": 0.0, "Height": 1e-05}
        for node, at in WHERE.items():
            vec = (at, *[0.0] * 7)
            both.ours.result(CoordinatesUpdate((CoordinateSpec(node, "", vec, 1.0, 0.0, 1e-05),)))
            told = await both.theirs.put("coordinate/update", json={"Node": node, "Coord": {"Vec": vec, **rest}})
            assert told.status_code == 200, told.text
        while not set(WHERE) <= {one["Node"] for one in (await both.theirs.get(coordinates)).json()}:
            coordinates = f"coordinate/nodes?index={(await both.theirs.get('coordinate/nodes')).headers['x-consul-index']}&wait=1s"
        for path in NEAR:
            await both.compare(path)
        await both.done(30)

    compared()
