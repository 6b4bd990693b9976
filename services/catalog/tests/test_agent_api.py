"""The agent of this process's node over HTTP."""

import asyncio
from typing import Any

from api_fixture import Catalog, is_asleep, story, until, waiting


@story
async def test_an_agents_service_has_consuls_bytes() -> None:
    catalog = Catalog()
    await catalog.put(
        "agent/service/register",
        {"Name": "web", "ID": "web-1", "Tags": ["v1"], "Address": "10.0.0.9", "Port": 80, "Meta": {"k": "v"}},
    )
    assert (await catalog.get("agent/services")).text == (
        '{"web-1":{"ID":"web-1","Service":"web","Tags":["v1"],"Meta":{"k":"v"},"Port":80,"Address":"10.0.0.9",'
        '"TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.9","Port":80},"wan_ipv4":{"Address":"10.0.0.9","Port":80}},'
        '"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,"Datacenter":"dc1"}}'
    )


@story
async def test_lists_are_empty_and_never_null() -> None:
    catalog = Catalog()
    await catalog.put("agent/service/register", {"Name": "web"})
    (shown,) = (await catalog.get("agent/services")).json().values()
    assert (shown["Tags"], shown["Meta"]) == ([], {})
    (health,) = (await catalog.get("health/service/web")).json()
    assert health["Service"]["Meta"] == {}


@story
async def test_an_id_with_a_slash_is_deregistered_encoded() -> None:
    catalog = Catalog()
    await catalog.put("agent/service/register", {"Name": "web", "ID": "a/b:c"})
    assert (await catalog.get("agent/service/a%2Fb:c")).json()["ID"] == "a/b:c"
    assert (await catalog.put("agent/service/deregister/a%2Fb:c")).status_code == 200
    assert (await catalog.get("agent/services")).json() == {}


@story
async def test_registering_again_keeps_a_checks_status_and_replacing_drops_the_others() -> None:
    catalog = Catalog()
    checks = [{"CheckID": "a", "TTL": "9s", "Status": "passing"}, {"CheckID": "b", "TTL": "9s"}]
    await catalog.put("agent/service/register", {"Name": "web", "Checks": checks})
    await catalog.put("agent/service/register", {"Name": "web", "Checks": [checks[0] | {"Status": "critical"}]})
    known = (await catalog.get("agent/checks")).json()
    assert {name: one["Status"] for name, one in known.items()} == {"a": "passing", "b": "critical"}
    await catalog.put("agent/service/register?replace-existing-checks", {"Name": "web", "Checks": [checks[0]]})
    assert set((await catalog.get("agent/checks")).json()) == {"a"}


@story
async def test_a_sidecar_gets_the_lowest_free_port_and_goes_with_its_parent() -> None:
    catalog = Catalog()
    for name in ("a", "b"):
        body: dict[str, Any] = {"Name": name, "Address": "10.0.0.9", "Port": 80, "Connect": {"SidecarService": {}}}
        assert (await catalog.put("agent/service/register", body)).status_code == 200
    services = (await catalog.get("agent/services")).json()
    assert [services[f"{name}-sidecar-proxy"]["Port"] for name in "ab"] == [21000, 21001]
    assert services["b-sidecar-proxy"]["TaggedAddresses"]["lan_ipv4"] == {"Address": "10.0.0.9", "Port": 21001}
    row = catalog.view.store.check("n1", "service:b-sidecar-proxy:1")
    assert row is not None
    assert row.definition.tcp == "10.0.0.9:21001"
    await catalog.put("agent/service/deregister/a")
    assert set((await catalog.get("agent/services")).json()) == {"b", "b-sidecar-proxy"}
    assert [
        one["Service"]["Proxy"]["DestinationServiceID"] for one in (await catalog.get("health/connect/b")).json()
    ] == ["b"]


@story
async def test_what_is_unknown_is_404() -> None:
    catalog = Catalog()
    table = [
        (
            "service/deregister/nope",
            'Unknown service ID "nope". Ensure that the service ID is passed, not the service name.',
        ),
        ("check/deregister/nope", 'Unknown check ID "nope". Ensure that the check ID is passed, not the check name.'),
        ("check/pass/nope", 'Unknown check ID "nope". Ensure that the check ID is passed, not the check name.'),
    ]
    for path, text in table:
        answer = await catalog.put(f"agent/{path}")
        assert (answer.status_code, answer.text) == (404, text)
    assert (await catalog.get("agent/service/nope")).text == "unknown service ID: nope"
    answer = await catalog.put("agent/check/register", {"Name": "z", "TTL": "10s", "ServiceID": "nope"})
    assert (answer.status_code, answer.text) == (404, 'ServiceID "nope" does not exist')


@story
async def test_a_ttl_update_goes_to_the_checks_owner_and_its_answer_comes_back() -> None:
    catalog = Catalog()
    await catalog.put("agent/check/register", {"Name": "ttl", "TTL": "10s"})
    await catalog.put("agent/check/register", {"Name": "web", "HTTP": "http://x", "Interval": "10s"})
    assert (await catalog.put("agent/check/pass/ttl?note=fine")).status_code == 200
    await catalog.put("agent/check/warn/ttl")
    await catalog.put("agent/check/fail/ttl")
    await catalog.put("agent/check/update/ttl", {"Status": "passing", "Output": "o"})
    assert catalog.leader.ttl_updates == [
        ("ttl", "passing", "fine"),
        ("ttl", "warning", ""),
        ("ttl", "critical", ""),
        ("ttl", "passing", "o"),
    ]
    answer = await catalog.put("agent/check/update/ttl", {"Status": "foo"})
    assert (answer.status_code, answer.text) == (400, "Invalid check status: 'foo'")
    answer = await catalog.put("agent/check/pass/web")
    assert (answer.status_code, answer.text) == (500, 'CheckID "web" does not have associated TTL')
    catalog.leader.ttl_answer = (500, "nobody runs it")
    assert (await catalog.put("agent/check/pass/ttl")).text == "nobody runs it"


@story
async def test_a_service_blocks_on_its_hash() -> None:
    catalog = Catalog()
    await catalog.put("agent/service/register", {"Name": "web", "Port": 1})
    first = await catalog.get("agent/service/web")
    known = first.json()["ContentHash"]
    assert first.headers["x-consul-contenthash"] == known
    assert (await catalog.get("agent/service/web?hash=other&wait=60s")).json()["ContentHash"] == known
    async with waiting(catalog, f"agent/service/web?hash={known}&wait=60s") as waiter:
        await catalog.put("agent/service/register", {"Name": "web2", "Port": 1})
        assert await is_asleep(waiter)
        await catalog.put("agent/service/register", {"Name": "web", "Port": 2})
        assert (await waiter).json()["ContentHash"] != known


@story
async def test_agent_reads_go_on_without_a_leader() -> None:
    catalog = Catalog()
    await catalog.put("agent/service/register", {"Name": "web"})
    catalog.leader.away = True
    for path in ("agent/services", "agent/checks", "agent/self", "agent/members", "agent/service/web"):
        assert (await catalog.get(path)).status_code == 200, path


@story
async def test_self_tells_what_clients_read() -> None:
    catalog = Catalog()
    about = (await catalog.get("agent/self")).json()
    assert about["Config"]["Datacenter"] == "dc1"
    assert (about["Config"]["NodeName"], about["Config"]["Version"]) == ("n1", "1.21.4")
    assert about["DebugConfig"]["SessionTTLMin"] == "0s"
    assert (about["DebugConfig"]["GRPCPort"], about["xDS"]["Ports"]["Plaintext"]) == (8502, 8502)
    assert about["Member"]["Addr"] == "10.0.0.5"
    assert about["Stats"]["consul"]["leader_addr"] == "10.0.0.1:8300"
    assert (await catalog.get("agent/version")).json()["HumanVersion"] == "1.21.4"


@story
async def test_members_have_status_and_role() -> None:
    catalog = Catalog()
    (member,) = (await catalog.get("agent/members")).json()
    assert (member["Name"], member["Status"], member["Tags"]["role"], member["Port"]) == ("n1", 1, "node", 8301)
    assert (await catalog.get("agent/members?wan=1")).json() == []


@story
async def test_status_names_leader_and_peers_and_never_fails() -> None:
    catalog = Catalog()
    assert (await catalog.get("status/leader")).text == '"10.0.0.1:8300"'
    catalog.leader.away = True
    assert (await catalog.get("status/leader")).text == '""'
    assert (await catalog.get("status/peers")).json() == ["10.0.0.1:8300", "10.0.0.2:8300"]


@story
async def test_a_leaf_is_kept_until_it_is_due() -> None:
    catalog = Catalog()
    task = asyncio.create_task(catalog.authority.run())
    await until(lambda: catalog.authority.active() is not None)
    roots = (await catalog.get("agent/connect/ca/roots")).json()
    assert roots["ActiveRootID"] == roots["Roots"][0]["ID"]
    assert roots["TrustDomain"] == "11111111-2222-4333-8444-555555555555.consul"
    first = await catalog.get("agent/connect/ca/leaf/web")
    leaf = first.json()
    assert leaf["ServiceURI"] == "spiffe://11111111-2222-4333-8444-555555555555.consul/ns/default/dc/dc1/svc/web"
    assert leaf["CertPEM"].startswith("-----BEGIN CERTIFICATE-----")
    catalog.now += 0.5 * 72 * 3600
    assert (await catalog.get("agent/connect/ca/leaf/web")).json() == leaf
    index = first.headers["x-consul-index"]
    same = await catalog.get(f"agent/connect/ca/leaf/web?index={index}&wait=20ms")
    assert (same.json(), same.headers["x-cache"]) == (leaf, "HIT")
    catalog.now += 0.4 * 72 * 3600
    renewed = await catalog.get("agent/connect/ca/leaf/web")
    assert renewed.json()["SerialNumber"] != leaf["SerialNumber"]
    assert int(renewed.headers["x-consul-index"]) > int(first.headers["x-consul-index"])
    assert (await catalog.get("connect/ca/roots?pem=true")).headers[
        "content-type"
    ] == "application/pem-certificate-chain"
    task.cancel()


@story
async def test_leaving_is_an_order_to_the_nodes_gossip() -> None:
    catalog = Catalog()
    answer = await catalog.put("agent/leave")
    assert (answer.status_code, answer.content) == (200, b"")
    assert catalog.leader.left == ["n1"]
