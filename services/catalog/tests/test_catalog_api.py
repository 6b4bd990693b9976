"""Catalog and health over HTTP: shapes, orders, and which changes wake whom."""

from api_fixture import NODE_ID, Catalog, is_asleep, story, waiting

from lictor_state.commands import CheckTransition

NODE = f'{{"ID":"{NODE_ID}","Node":"n1","Address":"10.0.0.5","Datacenter":"dc1","TaggedAddresses":null,"Meta":null,"CreateIndex":10,"ModifyIndex":10}}'
SERF = (
    '{"Node":"n1","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing","Notes":"",'
    '"Output":"Agent alive and reachable","ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"",'
    '"Interval":"","Timeout":"","ExposedPort":0,"Definition":{},"CreateIndex":10,"ModifyIndex":10}'
)
WEB = {
    "Name": "web",
    "ID": "web-1",
    "Tags": ["v1"],
    "Address": "10.0.0.9",
    "Port": 80,
    "Meta": {"k": "<v>"},
    "Check": {"TTL": "10s"},
}


async def with_web() -> Catalog:
    catalog = Catalog()
    assert (await catalog.put("agent/service/register", WEB)).status_code == 200
    return catalog


@story
async def test_health_service_has_consuls_bytes() -> None:
    catalog = await with_web()
    assert (await catalog.get("health/service/web")).text == (
        f'[{{"Node":{NODE},"Service":{{"ID":"web-1","Service":"web","Tags":["v1"],"Address":"10.0.0.9",'
        '"TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.9","Port":80},"wan_ipv4":{"Address":"10.0.0.9","Port":80}},'
        '"Meta":{"k":"\\u003cv\\u003e"},"Port":80,"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,'
        '"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"","CreateIndex":11,"ModifyIndex":11},'
        f'"Checks":[{SERF},{{"Node":"n1","CheckID":"service:web-1","Name":"Service \'web\' check","Status":"critical",'
        '"Notes":"","Output":"","ServiceID":"web-1","ServiceName":"web","ServiceTags":["v1"],"Type":"ttl",'
        '"Interval":"","Timeout":"","ExposedPort":0,"Definition":{},"CreateIndex":11,"ModifyIndex":11}]}]'
    )


@story
async def test_catalog_service_has_consuls_bytes() -> None:
    catalog = await with_web()
    assert (await catalog.get("catalog/service/web")).text == (
        f'[{{"ID":"{NODE_ID}","Node":"n1","Address":"10.0.0.5","Datacenter":"dc1","TaggedAddresses":null,"NodeMeta":null,'
        '"ServiceKind":"","ServiceID":"web-1","ServiceName":"web","ServiceTags":["v1"],"ServiceAddress":"10.0.0.9",'
        '"ServiceTaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.9","Port":80},"wan_ipv4":{"Address":"10.0.0.9","Port":80}},'
        '"ServiceWeights":{"Passing":1,"Warning":1},"ServiceMeta":{"k":"\\u003cv\\u003e"},"ServicePort":80,'
        '"ServiceSocketPath":"","ServiceEnableTagOverride":false,"ServiceProxy":{"Mode":"","MeshGateway":{},"Expose":{}},'
        '"ServiceConnect":{},"ServiceLocality":null,"CreateIndex":11,"ModifyIndex":11}]'
    )


@story
async def test_a_catalog_checks_definition_is_shown_as_go_shows_it() -> None:
    catalog = Catalog()
    check = {
        "Name": "c",
        "Definition": {
            "HTTP": "http://x",
            "Interval": "10s",
            "DeregisterCriticalServiceAfter": "1m",
            "Header": {"a": ["b"]},
        },
    }
    body = {"Node": "ext", "Address": "1.2.3.4", "Service": {"Service": "api"}, "Check": check}
    assert (await catalog.put("catalog/register", body)).text == "true"
    (shown,) = (await catalog.get("health/node/ext")).json()
    assert list(shown["Definition"].items()) == [
        ("Interval", "10s"), ("DeregisterCriticalServiceAfter", "1m0s"), ("HTTP", "http://x"), ("Header", {"a": ["b"]}),
    ]  # fmt: skip
    found = (await catalog.get("catalog/node-services/ext")).json()["Services"][0]
    assert found["Meta"] is None
    assert "Port" not in found
    assert found["Tags"] == []


@story
async def test_what_is_unknown() -> None:
    catalog = Catalog()
    table = [
        ("catalog/service/x", "[]"),
        ("health/service/x", "[]"),
        ("health/node/x", "[]"),
        ("health/checks/x", "[]"),
        ("health/state/bogus", "[]"),
        ("catalog/node/x", "null"),
        ("catalog/node-services/x", '{"Node":null,"Services":null}'),
        ("catalog/services", "{}"),
        ("catalog/datacenters", '["dc1"]'),
    ]
    for path, body in table:
        answer = await catalog.get(path)
        assert (answer.status_code, answer.text) == (200, body), path
        if "datacenters" not in path:
            assert int(answer.headers["x-consul-index"]) >= 1


@story
async def test_catalog_and_health_list_in_the_same_order_and_tags_match_in_any_case() -> None:
    catalog = Catalog()
    for node in ("b", "a", "c"):
        for service_id in ("2", "1"):
            body = {
                "Node": node,
                "Address": "1.1.1.1",
                "Service": {"ID": service_id, "Service": "web", "Tags": ["Blue"] if node == "a" else []},
            }
            await catalog.put("catalog/register", body)
    listed = [(one["Node"], one["ServiceID"]) for one in (await catalog.get("catalog/service/web")).json()]
    health = [(one["Node"]["Node"], one["Service"]["ID"]) for one in (await catalog.get("health/service/web")).json()]
    assert listed == health == [(node, service_id) for node in "abc" for service_id in "12"]
    assert len((await catalog.get("health/service/web?tag=bLUE")).json()) == 2


@story
async def test_passing_keeps_instances_all_of_whose_checks_pass() -> None:
    catalog = await with_web()
    assert (await catalog.get("health/service/web?passing")).json() == []
    assert len((await catalog.get("health/service/web?passing=0")).json()) == 1
    assert (await catalog.get("health/service/web?passing=x")).text == "Invalid value for ?passing"


@story
async def test_one_services_change_does_not_wake_waiters_on_another_and_a_node_check_wakes_both() -> None:
    catalog = await with_web()
    await catalog.put("agent/service/register", {"Name": "db"})
    web, db = await catalog.index("health/service/web"), await catalog.index("health/service/db")
    async with (
        waiting(catalog, f"health/service/web?index={web}") as on_web,
        waiting(catalog, f"health/service/db?index={db}") as on_db,
    ):
        await catalog.put("agent/service/register", {"Name": "db", "Port": 5})
        await on_db
        assert await is_asleep(on_web)
        db = await catalog.index("health/service/db")
        async with waiting(catalog, f"health/service/db?index={db}") as again:
            await catalog.put("agent/check/register", {"Name": "node-check", "TTL": "5s"})
            await again
            await on_web


@story
async def test_an_unknown_service_blocks_until_its_first_instance() -> None:
    catalog = Catalog()
    index = await catalog.index("health/service/new")
    async with waiting(catalog, f"health/service/new?index={index}") as waiter:
        await catalog.put("kv/a", content=b"1")
        assert await is_asleep(waiter)
        await catalog.put("agent/service/register", {"Name": "new"})
        assert len((await waiter).json()) == 1


@story
async def test_an_identical_registration_wakes_nobody() -> None:
    catalog = await with_web()
    index = await catalog.index("health/service/web")
    async with waiting(catalog, f"health/service/web?index={index}") as waiter:
        await catalog.put("agent/service/register", WEB)
        assert await is_asleep(waiter)


@story
async def test_any_check_wakes_health_state_and_a_transition_shows_in_every_list() -> None:
    catalog = await with_web()
    index = await catalog.index("health/state/any")
    async with waiting(catalog, f"health/state/any?index={index}") as waiter:
        row = catalog.view.store.check("n1", "service:web-1")
        assert row is not None
        catalog.result(CheckTransition("n1", "service:web-1", row.definition_index, "passing", "fine"))
        assert {one["Status"] for one in (await waiter).json()} == {"passing"}
    assert len((await catalog.get("health/service/web?passing")).json()) == 1
    assert (await catalog.get("health/checks/web")).json()[0]["Output"] == "fine"


@story
async def test_deregistering_takes_a_service_a_check_or_the_node() -> None:
    catalog = await with_web()
    assert (await catalog.put("catalog/deregister", {"Node": "n1", "ServiceID": "web-1"})).text == "true"
    assert (await catalog.get("catalog/service/web")).json() == []
    assert (await catalog.put("catalog/deregister", {"Node": "nobody", "CheckID": "x"})).text == "true"
    assert (await catalog.put("catalog/deregister", {})).text == "Must provide node"
    await catalog.put("catalog/deregister", {"Node": "n1"})
    assert (await catalog.get("catalog/node/n1")).text == "null"


@story
async def test_a_check_of_an_unknown_service_is_refused() -> None:
    catalog = Catalog()
    answer = await catalog.put(
        "catalog/register", {"Node": "a", "Address": "1.1.1.1", "Check": {"Name": "x", "ServiceID": "no"}}
    )
    assert (answer.status_code, answer.text) == (500, "Unknown service ID 'no' for check ID 'x'")


@story
async def test_a_node_without_services_lists_none_and_what_a_filter_leaves_is_a_list() -> None:
    catalog = Catalog()
    await catalog.put("catalog/register", {"Node": "bare", "Address": "1.1.1.1"})
    await catalog.put("catalog/register", {"Node": "some", "Address": "1.1.1.1", "Service": {"Service": "a"}})
    for path, services in (
        ("node-services/bare", None),
        ("node-services/bare?filter=Service==x", []),
        ("node-services/some?filter=Service==x", []),
        ("node-services/nobody", None),
        ("node/bare", {}),
        ("node/some?filter=Service==x", {}),
    ):
        assert (await catalog.get(f"catalog/{path}")).json()["Services"] == services, path
