"""Prepared queries: definitions, templates, execution, explanation."""

import pytest

from tests.conformance.both_sides import delete, get, post, put

pytestmark = pytest.mark.conformance

NOBODY = "00000000-0000-4000-8000-00000000abcd"


def instance(name, status="passing", tags=(), meta=None, node_meta=None):
    return {"Node": name, "Address": "10.0.0.1", "NodeMeta": {"rack": "0", **(node_meta or {})}, "Service": {"ID": f"q-{name}", "Service": "q", "Tags": list(tags), "Port": 80, "Meta": meta or {"v": "1"}}, "Check": {"CheckID": "ok", "Name": "ok", "Status": status, "ServiceID": f"q-{name}"}}  # fmt: skip


REFUSED = [
    b"", b"{", b"[]", {}, {"Name": "x"}, {"Service": {}}, {"Service": {"Service": "q"}}, {"Name": "n1", "Service": {"Service": "q", "Failover": {"NearestN": -1}}}, {"Name": "n1", "Service": {"Service": "q"}, "DNS": {"TTL": "x"}}, {"Name": "n1", "Service": {"Service": "q"}, "DNS": {"TTL": "-1s"}},
    {"Name": "n1", "Service": {"Service": "q"}, "Session": NOBODY}, {"Name": "n1", "Service": {"Service": "q"}, "Foo": 1}, {"Name": "n1", "ID": NOBODY, "Service": {"Service": "q"}}, {"Name": "n1", "Service": {"Service": "q"}, "Token": "<hidden>"}, {"Name": "t", "Template": {"Type": "odd"}, "Service": {"Service": "q"}},
    {"Name": "t", "Template": {"Type": "name_prefix_match", "Regexp": "("}, "Service": {"Service": "q"}}, {"Name": "t", "Template": {"Type": "name_prefix_match"}, "Service": {"Service": "${nope}"}}, {"Name": NOBODY, "Service": {"Service": "q"}}, {"Name": "n1", "Service": {"Service": "q", "NodeMeta": {"": "x"}}},
]  # fmt: skip
ROWS = [
    get("query"), get(f"query/{NOBODY}"), get("query/none"), get("query/none/execute"), get("query/none/explain"), *[post("query", body) for body in REFUSED],
    put("catalog/register", instance("q1", tags=["a", "b"])), put("catalog/register", instance("q2", "warning", tags=["a"])), put("catalog/register", instance("q3", "critical", tags=["b"])), put("catalog/register", instance("q4", tags=["c"], meta={"v": "2"}, node_meta={"rack": "1"})),
    post("query", {"Name": "plain", "Service": {"Service": "q"}}, keep="plain"), post("query", {"Name": "plain", "Service": {"Service": "q"}}),
    post("query", {"Name": "full", "Service": {"Service": "q", "OnlyPassing": True, "Tags": ["a", "!x"], "Near": "", "NodeMeta": {}, "ServiceMeta": {"v": "1"}, "Failover": {"NearestN": 3, "Datacenters": ["dc9"]}}, "DNS": {"TTL": "10s"}}, keep="full"),
    post("query", {"name": "low", "service": {"service": "q", "tags": ["b"], "ignorecheckids": ["ok"]}}, keep="low"), put("session/create", keep="s"), post("query", {"Session": "{s}", "Service": {"Service": "q"}}, keep="unnamed"), post("query", {"Name": "meta", "Service": {"Service": "q", "NodeMeta": {"rack": "1"}}}, keep="meta"),
    get("query", unordered=True), get("query/{plain}"), get("query/{full}"), get("query/{unnamed}"), get("query/{low}"), get("query/plain"),
    get("query/{plain}/execute", only_shape=True), get("query/plain/execute?limit=1", only_shape=True), get("query/full/execute"), get("query/low/execute", only_shape=True), get("query/meta/execute"), get("query/{unnamed}/execute?limit=0", only_shape=True), get("query/plain/execute?limit=x"), get("query/plain/execute?limit=-1", only_shape=True), get("query/plain/execute?near=q1", only_shape=True),
    get("query/plain/execute?connect=true"), get("query/plain/execute?connect=x"), get("query/plain/explain"), get("query/{plain}/explain"), get("query/plain/execute?dc=dc9"), get("query/plain/execute?stale", only_shape=True), get("query/plain/execute?consistent", only_shape=True), get("query/meta/execute?cached"), get("query/PLAIN/execute", unordered=True),
    # templates
    post("query", {"Name": "geo-", "Template": {"Type": "name_prefix_match", "Regexp": "^geo-(.*?)-([^\\-]+?)$"}, "Service": {"Service": "${match(1)}", "Tags": ["${match(2)}"]}}, keep="tpl"), post("query", {"Name": "geo-", "Template": {"Type": "name_prefix_match"}, "Service": {"Service": "x"}}),
    get("query/{tpl}"), get("query/geo-q-a/explain"), get("query/geo-q-a/execute", only_shape=True), get("query/geo-q/explain"), get("query/geo-/explain"), get("query/{tpl}/execute"), get("query/{tpl}/explain"),
    post("query", {"Name": "", "Template": {"Type": "name_prefix_match"}, "Service": {"Service": "${name.full}", "Tags": ["${name.suffix}", "${name.prefix}"], "Failover": {"Datacenters": ["${agent.segment}"]}}}, keep="all"), get("query/anything/explain"), get("query/q/execute", only_shape=True),
    post("query", {"Name": "", "Template": {"Type": "name_prefix_match"}, "Service": {"Service": "x"}}), post("query", {"Name": "empty-", "Template": {"Type": "name_prefix_match", "RemoveEmptyTags": True}, "Service": {"Service": "q", "Tags": ["${match(9)}", "a"]}}), get("query/empty-x/explain"),
    # changes
    put("query/{plain}", {"Name": "plain2", "Service": {"Service": "q", "OnlyPassing": True}}), get("query/{plain}"), get("query/plain2/explain"), put(f"query/{NOBODY}", {"Name": "x", "Service": {"Service": "q"}}), put("query/none", {"Name": "x", "Service": {"Service": "q"}}), put("query/{low}", {"Name": "full", "Service": {"Service": "q"}}),
    put("query/{low}", {"ID": NOBODY, "Name": "low", "Service": {"Service": "q"}}), put("query/{low}", b""), delete("query/{meta}"), get("query/{meta}"), delete("query/{meta}"), delete(f"query/{NOBODY}"), delete("query/none"), put("session/destroy/{s}"), get("query/{unnamed}"),
    # methods
    put("query"), delete("query"), post("query/{plain}"), post("query/{plain}/execute"), put("query/{plain}/explain"), get("query/"), get("query//execute"), get("query/{plain}/odd"), get("query?dc=dc9"),
]  # fmt: skip


def test_prepared_queries_are_those_of_consul(pair):
    pair.run("query", ROWS)
