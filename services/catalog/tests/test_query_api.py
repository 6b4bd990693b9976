"""Prepared queries over HTTP."""

from typing import Any

import pytest
from api_fixture import Catalog, is_asleep, story, waiting

from lictor_state.commands import CatalogRegister, CheckSpec, ServiceSpec, SessionCreate, SessionDestroy

TEMPLATE = {"Type": "name_prefix_match"}
META = {
    "Index": 0,
    "LastContact": 0,
    "KnownLeader": True,
    "ConsistencyLevel": "leader",
    "NotModified": False,
    "Backend": 0,
    "ResultsFilteredByACLs": False,
}


async def defined(catalog: Catalog, name: str, service: str = "web", **more: Any) -> str:
    answer = await catalog.http.post("query", json={"Name": name, "Service": {"Service": service}} | more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ID"])


def run(catalog: Catalog, node: str, status: str = "passing", address: str = "") -> None:
    check = CheckSpec("c", "c", status, service_id="w")
    spec = ServiceSpec("w", "web")
    catalog.result(CatalogRegister(node, address or "10.1.0.1", "dc1", service=spec, checks=(check,)))


@story
async def test_a_query_is_made_shown_changed_and_deleted() -> None:
    catalog = Catalog()
    query_id = await defined(catalog, "one")
    index = await catalog.index("query")
    answer = await catalog.get(f"query/{query_id}")
    assert answer.text == (
        f'[{{"ID":"{query_id}","Name":"one","Session":"","Token":"","Template":{{"Type":"","Regexp":"",'
        '"RemoveEmptyTags":false},"Service":{"Service":"web","SamenessGroup":"","Failover":{"NearestN":0,'
        '"Datacenters":null,"Targets":null},"OnlyPassing":false,"IgnoreCheckIDs":null,"Near":"","Tags":null,'
        '"NodeMeta":null,"ServiceMeta":null,"Connect":false,"Peer":""},"DNS":{"TTL":""},'
        f'"CreateIndex":{index},"ModifyIndex":{index}}}]'
    )
    assert answer.headers["x-consul-index"] == str(index)
    assert answer.headers["x-consul-effective-consistency"] == "leader"
    assert (await catalog.get("query")).text == answer.text
    changed = {"ID": "ignored", "name": "two", "service": {"service": "db", "TAGS": []}, "DNS": {"TTL": "10s"}}
    answer = await catalog.put(f"query/{query_id}", changed)
    assert (answer.status_code, answer.content) == (200, b"")
    (shown,) = (await catalog.get(f"query/{query_id.upper()}")).json()
    assert (shown["Name"], shown["Service"]["Tags"], shown["DNS"], shown["CreateIndex"]) == (
        "two",
        [],
        {"TTL": "10s"},
        index,
    )
    answer = await catalog.http.delete(f"query/{query_id}")
    assert (answer.status_code, answer.content) == (200, b"")
    answer = await catalog.get(f"query/{query_id}")
    assert (answer.status_code, answer.text) == (404, "Query not found")
    assert (await catalog.get("query")).json() == []
    for answer in (await catalog.http.delete(f"query/{query_id}"), await catalog.put(f"query/{query_id}", changed)):
        assert (answer.status_code, answer.text) == (500, f"Cannot modify non-existent prepared query: '{query_id}'")


@story
async def test_the_list_wakes_its_waiters_and_a_session_takes_its_queries_along() -> None:
    catalog = Catalog()
    catalog.result(SessionCreate("s-1", "n1"))
    query_id = await defined(catalog, "", Session="s-1")
    async with waiting(catalog, f"query?index={await catalog.index('query')}") as asleep:
        await catalog.put("kv/a", content=b"1")
        assert await is_asleep(asleep)
        catalog.result(SessionDestroy("s-1"))
        assert (await asleep).json() == []
    assert (await catalog.get(f"query/{query_id}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 500, "Invalid prepared query: Must be bound to a session"),
        ({"Service": {"Service": "web"}}, 500, "Invalid prepared query: Must be bound to a session"),
        ({"Name": "x"}, 500, "Invalid prepared query: Must provide a Service name to query"),
        ({"ID": "y", "Name": "x", "Service": {"Service": "web"}}, 500, "ID must be empty when creating a new prepared query"),
        ({"Name": "x", "Token": "<hidden>"}, 500, "Invalid prepared query: Bad Token '<hidden>', it looks like a query definition with a redacted token was submitted"),
        ({"Name": "x", "Service": {"Service": "w", "Failover": {"NearestN": -1}}}, 500, "Invalid prepared query: Bad NearestN '-1', must be >= 0"),
        ({"Name": "x", "Service": {"Service": "w", "Failover": {"NearestN": 1, "Targets": [{"Peer": "p"}]}}}, 500, "Invalid prepared query: Targets cannot be populated with NearestN or Datacenters"),
        ({"Name": "x", "Service": {"Service": "w", "NodeMeta": {"a b": "c"}}}, 500, "Invalid prepared query: Couldn't load metadata pair ('a b', 'c'): Key contains invalid characters"),
        ({"Name": "x", "Service": {"Service": "w"}, "DNS": {"TTL": "10"}}, 500, "Invalid prepared query: Bad DNS TTL '10': time: missing unit in duration \"10\""),
        ({"Name": "x", "Service": {"Service": "w"}, "DNS": {"TTL": "-5s"}}, 500, "Invalid prepared query: DNS TTL '-5000000000', must be >=0"),
        ({"Name": "x", "Service": {"Service": "w"}, "Session": "s"}, 500, 'raft apply failed: invalid session "s"'),
        ({"Name": "ONE", "Service": {"Service": "w"}}, 500, "raft apply failed: name 'ONE' aliases an existing query name"),
        ({"Name": "x", "Service": {"Service": "${x}"}, "Template": TEMPLATE}, 500, "raft apply failed: failed compiling template: Bad evaluation for '${x}' in Service.Service: 1:3: unknown variable accessed: x"),
        ({"Name": "x", "Service": {"Service": "w"}, "Template": TEMPLATE | {"Regexp": "("}}, 500, "raft apply failed: failed compiling template: Bad Regexp: error parsing regexp: missing closing ): `(`"),
        ({"Name": "x", "Service": {"Service": "w", "Peer": "p"}}, 400, "Service.Peer is not supported by this version"),
        ({"Name": "x", "Service": {"Service": "w", "SamenessGroup": "g"}}, 400, "Service.SamenessGroup is not supported by this version"),
        ({"Name": "x", "Foo": 1}, 400, 'Request decode failed: json: unknown field "Foo"'),
        ({"Name": "x", "DNS": {"TTL": 5}}, 400, "Request decode failed: json: cannot unmarshal number into Go struct field QueryDNSOptions.DNS.TTL of type string"),
        ([], 400, "Request decode failed: json: cannot unmarshal array into Go struct field PreparedQuery of type object"),
    ],
)  # fmt: skip
def test_a_definition_that_breaks_a_rule_is_refused_in_consuls_words(body: Any, status: int, said: str) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        await defined(catalog, "one")
        answer = await catalog.http.post("query", json=body)
        assert (answer.status_code, answer.text) == (status, said)

    told()


@story
async def test_executing_answers_the_instances_with_what_is_known_of_the_read() -> None:
    catalog = Catalog()
    run(catalog, "a")
    run(catalog, "b", "critical")
    query_id = await defined(catalog, "one", DNS={"TTL": "5s"})
    health = (await catalog.get("health/service/web?passing")).json()
    for name in ("one", "ONE", query_id):
        answer = await catalog.get(f"query/{name}/execute")
        assert answer.json() == META | {
            "Service": "web", "Nodes": health, "DNS": {"TTL": "5s"}, "Datacenter": "dc1", "PeerName": "", "Failovers": 0,
        }  # fmt: skip
    assert list(answer.json())[:7] == ["Service", "Nodes", "DNS", "Datacenter", "PeerName", "Failovers", "Index"]
    assert answer.headers["x-consul-index"] == "1"
    empty = await catalog.get(f"query/{await defined(catalog, 'none', 'none')}/execute")
    assert '"Nodes":[]' in empty.text
    answer = await catalog.get("query/nope/execute")
    assert (answer.status_code, answer.text) == (404, "Query not found")


@pytest.mark.parametrize(
    ("asked", "level"), [("", "leader"), ("?stale", "stale"), ("?consistent", "consistent"), ("?cached", "stale")]
)
def test_an_execution_says_how_strong_it_was(asked: str, level: str) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        await defined(catalog, "one")
        answer = await catalog.get(f"query/one/execute{asked}")
        assert answer.json()["ConsistencyLevel"] == answer.headers["x-consul-effective-consistency"] == level
        assert ("x-cache" in answer.headers) is (asked == "?cached")

    told()


@story
async def test_strong_executions_need_a_leader_and_stale_ones_do_not() -> None:
    catalog = Catalog()
    await defined(catalog, "one")
    catalog.leader.away = True
    assert (await catalog.get("query/one/execute")).text == "No cluster leader"
    assert (await catalog.get("query/one/execute?stale")).status_code == 200
    assert (
        await catalog.get("query/one/execute?cached", headers={"cache-control": "must-revalidate"})
    ).status_code == 500


@story
async def test_limit_and_connect_are_parameters() -> None:
    catalog = Catalog()
    for node in ("a", "b", "c"):
        run(catalog, node)
    await defined(catalog, "one")
    counts = [
        len((await catalog.get(f"query/one/execute?{asked}")).json()["Nodes"])
        for asked in ("", "limit=2", "limit=0", "limit=-1", "limit=9", "connect=true", "connect=0", "connect")
    ]
    assert counts == [3, 2, 3, 3, 3, 0, 3, 3]
    answer = await catalog.get("query/one/execute?limit=x")
    assert (answer.status_code, answer.text) == (500, 'Bad limit: strconv.Atoi: parsing "x": invalid syntax')
    answer = await catalog.get("query/one/execute?connect=x")
    said = "Error parsing 'connect' value: strconv.ParseBool: parsing \"x\": invalid syntax"
    assert (answer.status_code, answer.text) == (500, said)


@pytest.mark.parametrize(
    ("near", "forwarded", "first"),
    [
        ("_agent", "", "n1"),
        ("c", "", "c"),
        ("_ip", "10.2.0.2", "b"),
        ("_ip", " 10.2.0.2 , 10.2.0.3", "b"),
        ("_ip", "no address, 10.2.0.2", "a"),
        ("_ip", "", "a"),
    ],
)
def test_the_node_that_asks_comes_first(near: str, forwarded: str, first: str) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        run(catalog, "a", address="127.0.0.1")  # where the test's client is
        run(catalog, "b", address="10.2.0.2")
        run(catalog, "c", address="10.2.0.3")
        catalog.result(CatalogRegister("n1", "", "dc1", service=ServiceSpec("w", "web"), skip_node_update=True))
        await defined(catalog, "one")
        headers = {"x-forwarded-for": forwarded} if forwarded else {}
        answer = await catalog.get(f"query/one/execute?near={near}", headers=headers)
        assert answer.json()["Nodes"][0]["Node"]["Node"] == first

    told()


@story
async def test_a_template_is_explained_and_executed_by_name_only() -> None:
    catalog = Catalog()
    run(catalog, "a")
    query_id = await defined(catalog, "geo-", "${name.suffix}", Template=TEMPLATE)
    answer = await catalog.get("query/geo-web/explain")
    assert list(answer.json())[:2] == ["Query", "Index"]
    shown = answer.json()["Query"]
    assert (shown["ID"], shown["Name"], shown["Service"]["Service"]) == (query_id, "geo-", "web")
    executed = (await catalog.get("query/geo-web/execute")).json()
    assert (executed["Service"], len(executed["Nodes"])) == ("web", 1)
    assert (await catalog.get(f"query/{query_id}")).json()[0]["Service"]["Service"] == "${name.suffix}"
    for verb in ("execute", "explain"):
        answer = await catalog.get(f"query/{query_id}/{verb}")
        assert (answer.status_code, answer.text) == (
            500,
            "prepared query templates can only be resolved up by name, not by ID",
        )
        answer = await catalog.get(f"query/other/{verb}")
        assert (answer.status_code, answer.text) == (404, "Query not found")


@story
async def test_methods_are_those_of_each_path() -> None:
    catalog = Catalog()
    for method, path, allowed in (
        ("PUT", "query", "OPTIONS,GET,POST"),
        ("POST", "query/x", "OPTIONS,GET,PUT,DELETE"),
        ("PUT", "query/x/execute", "OPTIONS,GET"),
        ("DELETE", "query/x/explain", "OPTIONS,GET"),
    ):
        answer = await catalog.http.request(method, path)
        assert (answer.status_code, answer.text) == (405, f"method {method} not allowed")
        assert answer.headers["allow"] == allowed


@story
async def test_an_update_without_a_body_is_one_of_nothing() -> None:
    catalog = Catalog()
    query_id = await defined(catalog, "one")
    answer = await catalog.put(f"query/{query_id}", content=b"")
    assert (answer.status_code, answer.text) == (500, "Invalid prepared query: Must be bound to a session")
    answer = await catalog.http.post("query", content=b"")
    assert (answer.status_code, answer.text) == (400, "Request decode failed: EOF")
