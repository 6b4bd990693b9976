"""python-consul2 over its families: what a Python program that was written for Consul does."""

import base64
import threading

import pytest

consul = pytest.importorskip("consul", reason="python-consul2 is not installed: make setup")
pytestmark = [
    pytest.mark.clients,
    # Its own: an escape that newer Pythons warn of, and a session that it does not close.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
WAIT_S = 30


@pytest.fixture
def client(suite):
    made = consul.Consul(host="127.0.0.1", port=suite.port(8500))
    yield made
    made.kv.delete("", recurse=True)
    made.http.session.close()


def test_keys(client):
    index, missing = client.kv.get("py/none")
    assert missing is None
    assert int(index) >= 1
    assert client.kv.put("py/a", "1", flags=42) is True
    index, entry = client.kv.get("py/a")
    assert (entry["Value"], entry["Flags"], str(entry["ModifyIndex"])) == (b"1", 42, index)
    assert client.kv.put("py/a", "2", cas=0) is False
    assert client.kv.put("py/a", "2", cas=entry["ModifyIndex"]) is True
    client.kv.put("py/b/c", "3")
    assert client.kv.get("py/", keys=True, separator="/")[1] == ["py/a", "py/b/"]
    assert [one["Key"] for one in client.kv.get("py/", recurse=True)[1]] == ["py/a", "py/b/c"]
    assert client.kv.delete("py/a") is True
    assert client.kv.delete("py/", recurse=True) is True
    assert client.kv.get("py/", recurse=True)[1] is None


def test_a_waiting_reader_wakes(suite, client):
    index, _ = client.kv.get("py/woken")
    other = consul.Consul(host="127.0.0.1", port=suite.port(8500))
    found = []
    reader = threading.Thread(
        target=lambda: found.append(other.kv.get("py/woken", index=index, wait="20s")), daemon=True
    )
    reader.start()
    client.kv.put("py/woken", "now")
    reader.join(WAIT_S)
    assert found[0][1]["Value"] == b"now"
    assert int(found[0][0]) > int(index)
    other.http.session.close()


def test_sessions_and_locks(client):
    session = client.session.create(name="py", behavior="delete", ttl=10, lock_delay=0)
    assert client.session.info(session)[1]["Name"] == "py"
    assert session in {one["ID"] for one in client.session.list()[1]}
    assert session in {one["ID"] for one in client.session.node("node-1")[1]}
    assert client.kv.put("py/lock", "me", acquire=session) is True
    assert client.session.renew(session)["ID"] == session
    assert client.session.destroy(session) is True
    assert client.kv.get("py/lock")[1] is None
    with pytest.raises(consul.NotFound):
        client.session.renew(session)


def test_services_of_the_agent_and_their_health(client, wait_until):
    assert client.agent.service.register(
        "py-web", service_id="py-1", address="127.0.0.1", port=80, tags=["v1"], check=consul.Check.ttl("1h")
    )
    assert client.agent.services()["py-1"]["Port"] == 80
    assert client.agent.check.ttl_pass("service:py-1", "fine") is True
    wait_until(lambda: client.health.service("py-web", passing=True)[1], WAIT_S, "passing")
    assert client.health.checks("py-web")[1][0]["Output"] == "fine"
    assert client.agent.check.ttl_fail("service:py-1") is True
    wait_until(lambda: not client.health.service("py-web", passing=True)[1], WAIT_S, "critical")
    assert "py-web" in {one["ServiceName"] for one in client.health.state("critical")[1]}
    assert client.agent.service.maintenance("py-1", "true", reason="why") is True
    assert "_service_maintenance:py-1" in client.agent.checks()
    assert client.agent.service.maintenance("py-1", "false") is True
    assert client.agent.service.deregister("py-1") is True
    assert "py-1" not in client.agent.services()


def test_the_catalog(client):
    service = {"Service": "py-db", "Port": 5432, "Tags": ["a"]}
    check = {"Name": "ok", "Status": "passing", "ServiceID": "py-db"}
    assert client.catalog.register("py-node", "10.0.0.9", service=service, check=check) is True
    assert client.catalog.datacenters() == ["dc1"]
    assert "py-node" in {one["Node"] for one in client.catalog.nodes()[1]}
    assert client.catalog.services()[1]["py-db"] == ["a"]
    assert client.catalog.service("py-db", tag="a")[1][0]["ServicePort"] == 5432
    assert set(client.catalog.node("py-node")[1]["Services"]) == {"py-db"}
    assert client.health.node("py-node")[1][0]["CheckID"] == "ok"
    assert client.catalog.deregister("py-node") is True
    assert client.catalog.node("py-node")[1] is None


def test_transactions(client):
    value = base64.b64encode(b"1").decode()
    done = client.txn.put(
        [{"KV": {"Verb": "set", "Key": "py/t", "Value": value}}, {"KV": {"Verb": "get", "Key": "py/t"}}]
    )
    assert [one["KV"]["Key"] for one in done["Results"]] == ["py/t", "py/t"]
    assert client.kv.get("py/t")[1]["Value"] == b"1"


def test_transactions_that_fail_change_nothing(client):
    client.kv.put("py/t", "1")
    lost = {"KV": {"Verb": "set", "Key": "py/lost", "Value": base64.b64encode(b"x").decode()}}
    with pytest.raises(consul.ConsulException, match=r"409.*index is stale"):
        client.txn.put([lost, {"KV": {"Verb": "cas", "Key": "py/t", "Index": 1, "Value": "MQ=="}}])
    assert client.kv.get("py/lost")[1] is None


def test_a_session_ends_with_what_it_hangs_on(client, wait_until):
    service = {"Service": "py-holder", "Port": 1}
    client.catalog.register("py-holder", "10.0.0.9", service=service, check={"Name": "alive", "Status": "passing"})
    client.catalog.register("py-holder", "10.0.0.9", check={"Name": "serfHealth", "Status": "passing"})
    held = client.session.create(node="py-holder", checks=["alive"], behavior="release", lock_delay=0)
    assert client.kv.put("py/held", "1", acquire=held) is True
    assert client.kv.get("py/held")[1]["Session"] == held
    client.catalog.register("py-holder", "10.0.0.9", check={"Name": "alive", "Status": "critical"})
    assert client.session.info(held)[1] is None
    assert "Session" not in client.kv.get("py/held")[1]
    client.catalog.deregister("py-holder")


def test_config_entries(client):
    entry = {"Kind": "service-defaults", "Name": "py-web", "Protocol": "http"}
    assert client.config.put(entry) is True
    found = client.config.get("service-defaults", "py-web")
    assert (found["Protocol"], found["Name"]) == ("http", "py-web")
    assert client.config.put({**entry, "Protocol": "tcp"}, cas=found["ModifyIndex"] + 999) is False
    assert client.config.put({**entry, "Protocol": "tcp"}, cas=found["ModifyIndex"]) is True
    assert [one["Protocol"] for one in client.config.list("service-defaults") if one["Name"] == "py-web"] == ["tcp"]
    assert client.config.delete("service-defaults", "py-web") is True
    assert client.config.get("service-defaults", "py-web")[1] is None, "404, as this client tells it"
    with pytest.raises(consul.base.BadRequest):
        client.config.put({"Kind": "odd", "Name": "x"})


def test_prepared_queries(client, wait_until):
    """Those of this client are always templates."""
    for number, tags in ((1, ["primary"]), (2, [])):
        assert client.agent.service.register("py-pq", service_id=f"py-pq-{number}", port=number, tags=tags)
    made = client.query.create("py-${match(1)}", name="py-find-", regexp="^py-find-(.*)$", onlypassing=True, ttl="10s")
    try:
        (shown,) = client.query.get(made["ID"])
        assert (shown["Name"], shown["DNS"]["TTL"], shown["Service"]["OnlyPassing"]) == ("py-find-", "10s", True)
        assert made["ID"] in {one["ID"] for one in client.query.list()}
        explained = client.query.explain("py-find-pq")["Query"]
        assert explained["Service"]["Service"] == "py-pq"
        found = client.query.execute("py-find-pq")
        assert {one["Service"]["Port"] for one in found["Nodes"]} == {1, 2}
        assert found["Datacenter"] == "dc1"
        again = client.query.update(
            made["ID"], "py-${match(1)}", name="py-find-", regexp="^py-find-(.*)$", tags=["primary"]
        )
        assert again is True
        assert [one["Service"]["Port"] for one in client.query.execute("py-find-pq")["Nodes"]] == [1]
        assert client.query.execute("py-find-none")["Nodes"] == []
    finally:
        assert client.query.delete(made["ID"]) is True
    assert client.query.execute("py-find-pq")[1] is None
    for number in (1, 2):
        client.agent.service.deregister(f"py-pq-{number}")


def test_intentions_and_roots(client):
    made = client.connect.intentions.create("py-a", "py-b", "consul", "deny")
    assert client.connect.intentions.get(made["ID"])["Action"] == "deny"
    assert made["ID"] in {one["ID"] for one in client.connect.intentions.list()}
    assert client.connect.intentions.put(
        made["ID"], source_name="py-a", destination_name="py-b", source_type="consul", action="allow"
    )
    assert client.connect.intentions.get(made["ID"])["Action"] == "allow"
    assert client.connect.intentions.delete(made["ID"]) is True
    roots = client.connect.certificates.list()
    assert roots["ActiveRootID"] in {one["ID"] for one in roots["Roots"]}


def test_snapshots_and_autopilot(client, tmp_path):
    client.kv.put("py/kept", "1")
    assert client.snapshot.save(str(tmp_path / "state.tgz")) is True
    client.kv.put("py/kept", "2")
    assert client.snapshot.restore(str(tmp_path / "state.tgz")) is True
    assert client.kv.get("py/kept")[1]["Value"] == b"1"
    settings = client.operator.autopilot.configuration()
    assert settings["CleanupDeadServers"] is True
    assert len(client.operator.autopilot.health()["Servers"]) == 3


def test_events(client, wait_until):
    fired = client.event.fire("py-deploy", "1.2.3")
    assert fired["Name"] == "py-deploy"
    wait_until(lambda: fired["ID"] in {one["ID"] for one in client.event.list(name="py-deploy")[1]}, WAIT_S, "listed")


def test_status_agent_and_operator(client):
    assert client.status.leader() in client.status.peers()
    assert client.agent.self()["Config"]["NodeName"] == "node-1"
    assert "node-1" in {one["Name"] for one in client.agent.members()}
    assert client.agent.maintenance("true", reason="py") is True
    assert "_node_maintenance" in client.agent.checks()
    assert client.agent.maintenance("false") is True
    assert len(client.operator.raft_config()["Servers"]) == 3
    assert client.coordinate.nodes() is not None


def test_what_is_refused_has_the_clients_own_errors(client):
    with pytest.raises(consul.ConsulException):
        client.session.create(ttl=86400, node="nobody")
    with pytest.raises(consul.ACLDisabled):
        client.acl.tokens.list()
