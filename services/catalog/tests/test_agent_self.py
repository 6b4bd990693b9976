"""`agent/self` as the clients that read it do."""

from typing import Any

from api_fixture import NODE_ID, Catalog, story

from lictor_catalog.agent_self import AgentNode, AgentSelf, Ports
from lictor_state.commands import AgentDecision, AgentJoin, CoordinateSpec, CoordinatesUpdate


async def about(catalog: Catalog) -> dict[str, Any]:
    shown: dict[str, Any] = (await catalog.get("agent/self")).json()
    return shown


@story
async def test_what_clients_read_is_there_and_has_its_type() -> None:
    shown = await about(Catalog())
    assert set(shown) == {"Config", "DebugConfig", "Coord", "Member", "Stats", "Meta", "xDS"}
    assert shown["Config"]["Datacenter"] == "dc1"  # Prometheus
    assert shown["Config"]["NodeName"] == "n1"  # consul-template, Fabio
    assert shown["DebugConfig"]["SessionTTLMin"] == "0s"  # Patroni
    assert isinstance(shown["Member"]["Addr"], str)  # Vault
    nomad = shown["DebugConfig"]
    assert (nomad["GRPCPort"], nomad["GRPCTLSPort"], nomad["DNSPort"], nomad["ConnectEnabled"]) == (
        8502,
        -1,
        8600,
        True,
    )
    assert "udp://10.0.0.5:8600" in nomad["DNSAddrs"]
    assert (shown["Config"]["Server"], shown["Config"]["Version"], shown["Config"]["Revision"]) == (False, "1.21.4", "")
    assert shown["xDS"]["Ports"] == {"Plaintext": 8502, "TLS": -1}
    assert all(isinstance(one, str) for one in shown["xDS"]["SupportedProxies"]["envoy"])
    assert shown["Config"]["NodeID"] == shown["DebugConfig"]["NodeID"] == NODE_ID
    assert "segment" in shown["Member"]["Tags"] or shown["Member"]["Tags"]["role"] == "node"


@story
async def test_stats_are_strings_that_count_what_is_there() -> None:
    catalog = Catalog()
    await catalog.put(
        "agent/service/register", {"Name": "web", "Checks": [{"TTL": "1h"}, {"TCP": "x:1", "Interval": "1h"}]}
    )
    await catalog.put("agent/check/register", {"Name": "other", "AliasService": "web"})
    catalog.leader.apply(AgentJoin("n2", NODE_ID[:-1] + "2", "run-2", "10.0.0.6", 8301, "dc1"))
    row = catalog.view.store.agent("n2")
    assert row is not None
    catalog.leader.apply(AgentDecision("n2", "run-2", row.status_index, "failed"))
    stats = (await about(catalog))["Stats"]
    assert all(isinstance(value, str) for group in stats.values() for value in group.values())
    assert stats["agent"] == {"check_monitors": "1", "check_ttls": "1", "checks": "3", "services": "1"}
    assert (stats["serf_lan"]["members"], stats["serf_lan"]["failed"], stats["serf_lan"]["left"]) == ("2", "1", "0")
    assert (stats["consul"]["server"], stats["consul"]["known_servers"]) == ("false", "2")
    assert stats["build"]["version"] == "1.21.4"
    assert stats["runtime"]["os"] == "linux"


@story
async def test_a_coordinate_is_where_every_node_begins_until_it_is_measured() -> None:
    catalog = Catalog()
    assert (await about(catalog))["Coord"] == {"Vec": [0] * 8, "Error": 1.5, "Adjustment": 0, "Height": 1e-05}
    spec = CoordinateSpec("n1", "", (0.5, *[0.0] * 7), 0.25, 0.001, 0.002)
    catalog.leader.apply(CoordinatesUpdate((spec,)))
    assert (await about(catalog))["Coord"] == {
        "Vec": [0.5, *[0] * 7],
        "Error": 0.25,
        "Adjustment": 0.001,
        "Height": 0.002,
    }


@story
async def test_an_ipv6_address_is_written_in_brackets() -> None:
    catalog = Catalog()
    own = AgentSelf(AgentNode("n6", "2001:db8::6", "dc1"), Ports(8500, 8502), "1.21.4", catalog.leader)
    shown = own.describe(catalog.view.store)
    assert shown["DebugConfig"]["HTTPAddrs"] == ["tcp://[2001:db8::6]:8500"]
    assert shown["Meta"] == {}
    assert (await about(catalog))["DebugConfig"]["HTTPAddrs"] == ["tcp://10.0.0.5:8500"]
