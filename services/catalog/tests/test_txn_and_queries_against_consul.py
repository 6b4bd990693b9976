"""Transactions and prepared queries: the same requests to a real Consul and to us.

Needs a `consul` binary, as `test_against_consul`, whose agent and comparison this shares. Left out is what a newer Consul
does otherwise: `get-or-empty`, 128 operations, `Targets` of a failover, the text for an instance without a name.
"""

import asyncio
import base64
import json
import re
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

NOBODY = "00000000-0000-4000-8000-00000000abcd"
ID = "11111111-2222-4333-8444-5555555555"
NEWER = {"NotModified", "Backend", "ResultsFilteredByACLs", "Targets", "SamenessGroup", "Peer", "PeerName"}
INDEXES = {"CreateIndex", "ModifyIndex"}
CURRENT = re.compile(r"current modify index \d+")
LIMIT_HINT = re.compile(r"(bytes\.) See .*")
PREFIX = "raft apply failed: "
"""1.21 puts it before what the log's machine refuses, 1.8 does not."""

Asked = tuple[str, str, Any]


def kv(verb: str, key: str = "a", value: bytes | None = None, **more: Any) -> Any:
    encoded = {} if value is None else {"Value": base64.b64encode(value).decode()}
    return {"KV": {"Verb": verb, "Key": key} | encoded | more}


def node(verb: str, name: str = "t1", **more: Any) -> Any:
    return {"Node": {"Verb": verb, "Node": {"Node": name} | more}}


def service(verb: str, service_id: str = "w", on: str = "t1", **more: Any) -> Any:
    return {"Service": {"Verb": verb, "Node": on, "Service": {"ID": service_id, "Service": "web"} | more}}


def check(verb: str, check_id: str = "c1", on: str = "t1", **more: Any) -> Any:
    return {"Check": {"Verb": verb, "Check": {"Node": on, "CheckID": check_id, "Name": "c"} | more}}


def txn(*ops: Any, asked: str = "") -> Asked:
    return ("PUT", f"txn{asked}", list(ops))


KEYS: list[Asked] = [
    txn(kv("set", "a", b"1", Flags=5)), txn(kv("get")), txn(kv("get", "zz")), txn(kv("get-tree", "zz")), txn(kv("get-tree", "a")),
    txn(kv("set", "a", b"1", Flags=5)), txn(kv("set", "a/b")), txn(kv("set", "a/b", b"")), txn(kv("get", "a/b")), txn(kv("cas", "a", b"2", Index=1)),
    txn(kv("cas", "a", b"2", Index="{at:a}")), txn(kv("cas", "new", b"2")), txn(kv("cas", "new", b"3")), txn(kv("delete", "nope")),
    txn(kv("delete-cas", "nope", Index=4)), txn(kv("delete-cas", "new", Index=4)), txn(kv("delete-cas", "new", Index="{at:new}")), txn(kv("get", "new")),
    txn(kv("delete-tree", "nope")), txn(kv("check-index", Index=3)), txn(kv("check-index", Index="{at:a}")), txn(kv("check-index", "nope", Index=3)),
    txn(kv("check-session", Session="x")), txn(kv("check-session", "nope", Session="x")), txn(kv("check-not-exists")), txn(kv("check-not-exists", "nope")),
    txn(kv("bogus")), txn(kv("")), txn({"KV": {"Key": "a"}}), txn(kv("set", "")), txn(kv("get", "")), txn(kv("get-tree", "")), txn(kv("delete", "")),
    txn(kv("lock")), txn(kv("lock", Session=NOBODY)), txn(kv("unlock")), txn(kv("unlock", Session=NOBODY)), txn(kv("unlock", "none", Session=NOBODY)),
    txn(kv("set", 'q"uo\\te\n', b"1")), txn(kv("check-not-exists", 'q"uo\\te\n')), txn(kv("get", "\x00ü\u2028")),
    ("PUT", "session/create", {"LockDelay": 0}), ("PUT", "session/create", {"LockDelay": "15s"}),
    txn(kv("lock", "l", b"1", Session="{1}")), txn(kv("lock", "l", Session="{2}")), txn(kv("unlock", "l", Session="{2}")), txn(kv("lock", "l", b"2", Session="{1}")),
    txn(kv("check-session", "l", Session="{2}")), txn(kv("check-session", "l", Session="{1}")), txn(kv("unlock", "l", b"4", Session="{1}")), txn(kv("get", "l")),
    txn(kv("lock", "l", Session="{2}")), ("PUT", "session/destroy/{2}", None), txn(kv("lock", "l", Session="{1}")),
    txn(kv("lock", "l", Session="{1}"), kv("set", "q"), kv("get", "yy")), txn(kv("get", "q")),
    txn(kv("set", "x1", b"1"), kv("get", "zz"), kv("cas", "a", Index=1), kv("set", "x2")), txn(kv("get", "x1")),
    txn(kv("set", "x1", b"1"), kv("get", "x1"), kv("set", "x1", b"2"), kv("get", "x1"), kv("get-tree", "x"), kv("delete", "x1"), kv("check-not-exists", "x1")),
    txn(kv("set", "t/1", b"1"), kv("set", "t/2", b"2"), kv("delete-tree", "t/"), kv("get-tree", "t/")), ("GET", "kv/?recurse", None),
    txn(), *[("PUT", "txn", body) for body in (b"", b"{}", b'"x"', b"5", b"null", b"[{}]", b"[5]", b'[{"KV":null}]', b'[{"Foo":1}]', b'[{"kv":{"verb":"get","key":"a"}}]')],
    *[("PUT", "txn", body) for body in (b'[{"KV":{"Verb":"get","Key":"a","Foo":1}}]', b'[{"KV":{"Verb":"set","Key":"a","Value":"$$"}}]', b'[{"Session":{"Verb":"x"}}]', b'[{"Intention":{}}]')],
    txn({}, kv("get", "nope")), txn(kv("get") | node("get", "nope")), txn(kv("get"), asked="?stale"), txn(kv("get"), asked="?consistent"),
    txn(kv("get"), asked="?stale&consistent"), txn(kv("set"), asked="?stale&consistent"), txn(kv("get"), asked="?dc=x"), txn(kv("get"), asked="?max_stale=x"),
    txn(kv("set", "big", b"x" * 400_000)), ("GET", "txn", None), ("POST", "txn", []), ("DELETE", "txn", None),
]  # fmt: skip
CATALOG: list[Asked] = [
    txn(node("set", Address="1.1.1.1", Meta={"a": "b"})), txn(node("set", Address="1.1.1.1", Meta={"a": "b"})), txn(node("get")), txn(node("get", "T1")), txn(node("get", "nope")),
    txn(node("get", ID=f"{ID}99")), txn({"Node": {"Verb": "get"}}), txn({"Node": {"Verb": "set", "Node": {"Address": "x"}}}), txn(node("set", "t2")),
    txn(node("set", "t2", ID="zz")), txn(node("set", "t2", Address="2.2.2.2", ID=f"{ID}55", TaggedAddresses={"wan": "9.9.9.9"})), txn({"Node": {"Verb": "get", "Node": {"ID": f"{ID}55"}}}),
    txn(node("get", "other", ID=f"{ID}55")), txn(node("cas", ModifyIndex=1)), txn(node("cas", "t9", Address="3.3.3.3")), txn(node("cas", "t9", Address="3.3.3.3")),
    txn(node("cas", "t8", ModifyIndex=7)), txn(node("delete-cas", "t9", ModifyIndex=1)), txn(node("delete-cas", "nope", ModifyIndex=1)), txn(node("delete", "t9")), txn(node("delete", "nope")),
    txn({"Node": {"Verb": "delete"}}), txn(node("bogus")), txn(node("")), txn(node("set", Foo=1)),
    txn(service("set", Port=80, Tags=["a"])), txn(service("get")), txn(service("get", on="T1")), txn(service("get", "nope")), txn(service("get", on="nope")), txn(service("set", on="nope")),
    txn({"Service": {"Verb": "set", "Node": "t1", "Service": {"Service": "noid"}}}), txn(service("set", Address="0.0.0.0")), txn(service("set", on="")), txn(service("cas", ModifyIndex=1)),
    txn(service("cas", "s2")), txn(service("cas", "s2")), txn(service("cas", "s3", on="nope")), txn(service("delete-cas", ModifyIndex=1)), txn(service("delete-cas", "nope", ModifyIndex=1)),
    txn(service("delete-cas", "nope", on="nope", ModifyIndex=1)), txn(service("delete", "s2")), txn(service("delete", "nope")), txn(service("delete", on="nope")), txn(service("bogus")),
    txn(check("set", Status="passing")), txn(check("get")), txn(check("get", "nope")), txn(check("get", on="nope")), txn({"Check": {"Verb": "set", "Check": {"Node": "t1", "Name": "byname"}}}),
    txn(check("set", "c2", Status="passing", ServiceID="w", Definition={"HTTP": "http://x", "Interval": "10s"})), txn(check("set", "c3", ServiceID="nope")), txn(check("set", "c3", on="nope")),
    txn(check("set", "c4")), txn(check("cas", Status="warning", ModifyIndex=1)), txn(check("cas", "c9", Status="warning")), txn(check("cas", "c9")), txn(check("delete-cas", ModifyIndex=1)),
    txn(check("delete-cas", "nope", ModifyIndex=1)), txn(check("delete", "c9")), txn(check("delete", "nope")), txn(check("delete", on="nope")), txn(check("bogus")),
    txn(node("set", "al", Address="1.1.1.1", ID=f"{ID}01"), check("set", "serfHealth", "al", Status="passing")),
    txn(node("set", "al", Address="1.1.1.2", ID=f"{ID}02")), txn(node("set", "ba", Address="1.1.1.2", ID=f"{ID}02")), txn(node("set", "al", Address="1.1.1.2", ID=f"{ID}02")),
    txn(node("set", "ba2", Address="1.1.1.2", ID=f"{ID}02")), txn(node("get", "ba")), txn(node("get", "ba2")),
    txn(node("set", "tx", Address="5.5.5.5"), service("set", on="tx"), check("set", on="tx", ServiceID="w"), kv("get", "nope")), txn(node("get", "tx")),
    txn(node("set", "tx", Address="5.5.5.5"), service("set", on="tx"), check("set", on="tx", ServiceID="w"), service("get", on="tx"), node("get", "tx"), check("get", on="tx")),
    ("GET", "health/service/web", None), ("GET", "catalog/node/tx", None), txn(node("delete", "tx"), node("delete", "t1")), ("GET", "health/service/web", None),
]  # fmt: skip

TEMPLATE = {"Type": "name_prefix_match"}


def make(name: str, service_name: str = "web", **more: Any) -> Asked:
    return ("POST", "query", {"Name": name, "Service": {"Service": service_name}} | more)


def templated(text: str, regexp: str = "") -> list[Asked]:
    """A template with one text, what it means for two names, and its end; without an id the last three fail alike."""
    return [
        make("t-", text, Template=TEMPLATE | {"Regexp": regexp}),
        ("GET", "query/t-Foo/explain", None),
        ("GET", "query/T-foo/explain", None),
        ("DELETE", "query/{last}", None),
    ]


QUERIES: list[Asked] = [
    ("GET", "query", None), ("POST", "query", {}), make(""), ("POST", "query", {"Name": "q1"}), make("q1"), ("GET", "query", None), ("GET", "query/{1}", None),
    make("q1"), make("Q1"), make("{1}"), ("POST", "query", {"ID": "{1}", "Name": "z", "Service": {"Service": "web"}}),
    *[("POST", "query", {"Name": "n", "Service": {"Service": "web"} | one}) for one in ({"Failover": {"NearestN": -1}}, {"NodeMeta": {"a b": "c"}}, {"ServiceMeta": {"a b": "c"}}, {"Foo": 1}, {"Service": ""})],
    *[make("n", DNS={"TTL": ttl}) for ttl in ("xx", "-5s", "10", 5)], make("n", Token="<hidden>"), make("ns", Session=NOBODY), make("n", Foo=1), ("POST", "query", b""),
    make("nt", Template={"Type": "bogus"}), make("plain-regexp", Template={"Regexp": "a"}), make("", "${name.full}", Template=TEMPLATE), make("", Template=TEMPLATE),
    ("POST", "query", {"Name": "geo-", "Service": {"Service": "${name.suffix}", "Tags": ["${name.prefix}", "${match(1)}", "${match(9)}", ""], "Near": "_agent", "NodeMeta": {"a": "${name.full}"}, "ServiceMeta": {"b": "${agent.segment}"}, "Failover": {"Datacenters": ["${match(0)}", "dc2"]}}, "Template": TEMPLATE | {"Regexp": "^geo-(.*)-(.*)$", "RemoveEmptyTags": True}, "DNS": {"TTL": "10s"}}),
    *[("GET", f"query/{name}/explain", None) for name in ("geo-x-y", "geo-x", "GEO-x-y", "any", "q1", "Q1", "{1}", "{last}")], ("GET", "query/{last}/execute", None), ("GET", "query/{last}", None),
    make("geo-", Template=TEMPLATE), make("Geo-"), make("geo-x", "exact"), ("GET", "query/geo-x/explain", None), ("GET", "query/geo-xy/explain", None),
    make("empties", Token="secret"), ("GET", "query/{last}", None), ("POST", "query", {"name": "low", "service": {"service": "x", "onlypassing": True, "tags": [], "nodemeta": {}, "ignorecheckids": []}, "dns": {"ttl": "1m"}}), ("GET", "query/{last}", None),
    ("PUT", "query/{1}", {"Name": "q1", "Service": {"Service": "web", "OnlyPassing": True}}), ("GET", "query/{1}", None), ("PUT", "query/{1}", {"ID": "zz", "Name": "q1", "Service": {"Service": "web"}, "ModifyIndex": 7}),
    ("PUT", "query/{1}", {"Name": "low", "Service": {"Service": "x"}}), ("PUT", "query/{1}", {"Name": "{1}", "Service": {"Service": "x"}}), ("PUT", "query/{1}", {}), ("PUT", "query/{1}", b""), ("PUT", f"query/{NOBODY}", {"Name": "x", "Service": {"Service": "y"}}),
    ("GET", f"query/{NOBODY}", None), ("DELETE", f"query/{NOBODY}", None), ("PUT", "query", {}), ("DELETE", "query", None), ("POST", "query/{1}", {}), ("DELETE", "query/x/explain", None), ("DELETE", "query/x/execute", None), ("GET", "query?dc=x", None),
    ("PUT", "session/create", {}), ("POST", "query", {"Session": "{last}", "Service": {"Service": "web"}}), ("GET", "query/{last}", None), ("PUT", "session/destroy/{session}", None), ("GET", "query/{last}", None),
    *[one for text in ("${ name.full }-${match( 1 )}", "$${name.full}", "a$b}", "${name.full}}", "${match(-1)}", "${match(0)}", "${x}", "${name}", "${match(a)}", "${match()}", "${match(1,2)}", "${no(1)}", "${}", "${", "${name.full") for one in templated(text)],
    *[one for regexp in ("(?i)t-(f)", "^nomatch$", "t-(?P<x>F)", "(a*)*b", "\\pL", "(?=x)", "[[:alpha:]]+-", "\\z", "\\C", "a{2000}", "\\Qt-\\E(.*)", "(F)|(o)", "(", "t-(.*?)(.*)", "(?U)(.*)(o*)") for one in templated("[${match(0)}][${match(1)}][${match(2)}]", regexp)],
]  # fmt: skip


def instance(on: str, number: int, status: str, **more: Any) -> Asked:
    spec = {"ID": f"w{number}", "Service": "shop", "Tags": ["V1", f"n{number}"], "Meta": {"m": str(number)}} | more
    body = {"Node": on, "Address": f"10.7.0.{number}", "NodeMeta": {"r": on}, "Service": spec}
    return (
        "PUT",
        "catalog/register",
        body | {"Check": {"CheckID": f"c{number}", "Name": "c", "Status": status, "ServiceID": f"w{number}"}},
    )


def run(name: str, **more: Any) -> list[Asked]:
    return [
        ("POST", "query", {"Name": name, "Service": {"Service": "shop"} | more}),
        ("GET", f"query/{name}/execute", None),
    ]


EXECUTIONS: list[Asked] = [
    instance("m1", 1, "passing"), instance("m2", 2, "warning"), instance("m3", 3, "critical"),
    ("PUT", "catalog/register", {"Node": "m1", "Address": "10.7.0.1", "Service": {"Service": "px", "Kind": "connect-proxy", "Port": 1, "Proxy": {"DestinationServiceName": "shop"}}}),
    *run("all"), *run("passing", OnlyPassing=True), *run("ignore", IgnoreCheckIDs=["c3"]), *run("both", IgnoreCheckIDs=["c3", "c2"], OnlyPassing=True),
    *run("tag", Tags=["v1"]), *run("tags", Tags=["v1", "N2"]), *run("not", Tags=["!n2"]), *run("none", Tags=["!v1"]), *run("nodemeta", NodeMeta={"r": "m2"}), *run("servicemeta", ServiceMeta={"m": "1"}), *run("othermeta", NodeMeta={"r": "m2", "x": "y"}),
    *run("connect", Connect=True), *run("far", Failover={"NearestN": 3, "Datacenters": ["dc2"]}), *run("upper", Service="SHOP"), *run("gone", Service="gone", Failover={"Datacenters": ["dc2", "dc1"]}), *run("near", Near="m2"), *run("nearagent", Near="_agent"),
    *[("GET", f"query/all/execute?{asked}", None) for asked in ("near=m2", "near=_agent", "near=_ip", "limit=0", "limit=-1", "limit=9", "limit=x", "connect=true", "connect=false", "connect", "connect=x", "stale", "consistent", "stale&consistent", "index=1&wait=1s", "dc=x")],
    ("GET", "query/nope/execute", None), ("GET", "query/nope/explain", None), ("GET", "query/tag/explain?stale", None), ("GET", "query/tag/explain?consistent", None),
]  # fmt: skip


class Side:
    """One of the two, with the ids of queries and sessions that it made."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._ids: list[str] = []
        self._session = ""

    async def ask(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        path = self._filled(path)
        kind: dict[str, Any] = {}
        if isinstance(body, bytes):
            kind = {"content": body}
        elif body is not None:
            kind = {"content": await self._indexed(self._filled(json.dumps(body)))}
        answer = await self._http.request(method, path, **kind)
        if (path == "session/create" or method == "POST") and answer.status_code == 200:
            self._ids.append(answer.json()["ID"])
            self._session = self._ids[-1] if path == "session/create" else self._session
        if answer.headers.get("content-type", "").startswith("application/json"):
            shown = json.dumps(self._shown(path, answer.json()), sort_keys=True)
        else:
            shown = LIMIT_HINT.sub(r"\1", answer.text.strip().removeprefix(PREFIX))
        for number, one in enumerate(self._ids, 1):
            shown = shown.replace(one, f"<{number}>")
        return answer.status_code, CURRENT.sub("current modify index N", shown)

    def _filled(self, text: str) -> str:
        for number, one in enumerate(self._ids, 1):
            text = text.replace(f"{{{number}}}", one)
        return text.replace("{last}", self._ids[-1] if self._ids else NOBODY).replace("{session}", self._session)

    async def _indexed(self, text: str) -> bytes:
        """The body with `{at:KEY}` as the index of that key."""
        for key in re.findall(r'"\{at:(.*?)\}"', text):
            index = (await self._http.get(f"kv/{key}")).json()[0]["ModifyIndex"]
            text = text.replace(f'"{{at:{key}}}"', str(index))
        return text.encode()

    def _shown(self, path: str, value: Any) -> Any:
        if path.startswith("txn"):
            return [value["Results"] is None, value["Errors"] is None, plain(normal(kept(value)))]
        if not path.startswith("query"):
            return plain(normal(value))
        if path == "query" and isinstance(value, list):  # in the order of ids, which are random
            value.sort(key=lambda one: self._ids.index(one["ID"]) if one["ID"] in self._ids else -1)
        if isinstance(value, dict) and "Nodes" in value:
            nodes = plain(normal(value["Nodes"]))
            if "near" not in path:
                nodes.sort(key=lambda one: json.dumps(one, sort_keys=True))
            else:
                nodes = nodes[:1] if "m2" in path else len(nodes)
            value["Nodes"] = nodes
        return kept(value)


def kept(value: Any) -> Any:
    """Without what only one of the two versions shows, and without indexes."""
    if isinstance(value, list):
        return [kept(one) for one in value]
    if isinstance(value, dict):
        return {key: kept(one) for key, one in value.items() if key not in NEWER | INDEXES}
    return value


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param(KEYS, id="keys"),
        pytest.param(CATALOG, id="catalog"),
        pytest.param(QUERIES, id="queries"),
        pytest.param(EXECUTIONS, id="executions"),
    ],
)
def test_transactions_and_queries_are_those_of_a_real_consul(consul: str, requests: list[Asked]) -> None:
    @story
    async def compared() -> None:
        theirs = httpx.AsyncClient(base_url=consul, timeout=8)
        left, right = Side(Catalog().http), Side(theirs)
        differences = []
        for method, path, body in requests:
            mine, other = await asyncio.gather(left.ask(method, path, body), right.ask(method, path, body))
            if mine != other:
                differences.append(f"{method} {path} {str(body)[:300]}\n  ours   {mine}\n  theirs {other}")
        for one in (await theirs.get("query")).json():
            await theirs.delete(f"query/{one['ID']}")
        await theirs.aclose()
        assert not differences, f"{len(differences)} of {len(requests)}:\n" + "\n".join(differences)

    compared()
