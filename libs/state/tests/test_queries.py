"""One test per line of Consul's table of reported indexes, and the shapes of answers."""

from typing import Any

import pytest

from lictor_state.commands import (
    AgentJoin,
    AgentServiceRegister,
    CatalogDeregister,
    CatalogRegister,
    CheckSpec,
    ServiceSpec,
)
from lictor_state.queries import agent, health, members, node, nodes, services
from lictor_state.rows import ProxyDefinition, Table

ID = "abcdef01-0000-0000-0000-000000000000"


def _ids(answer: Any) -> Any:
    return [(one.node.node, one.service.service_id) for one in answer.value]


def test_nodes_are_sorted_and_filtered_by_metadata(state: Any) -> None:
    state.do(CatalogRegister("b", "2.2.2.2", "dc1", node_meta={"rack": "1"}))
    state.do(CatalogRegister("a", "1.1.1.1", "dc2"))
    assert [row.node for row in nodes.nodes(state.store).value] == ["a", "b"]
    assert [row.node for row in nodes.nodes(state.store, {"rack": "1"}).value] == ["b"]
    assert nodes.datacenters(state.store).value == ["dc1", "dc2"]


def test_the_nodes_index_moves_with_services_too(state: Any) -> None:
    state.register()
    state.register(service="web")
    assert nodes.nodes(state.store).index == 2
    state.do(CatalogDeregister("n1", service_id="web"))
    assert nodes.nodes(state.store).index == 3


def test_services_have_the_tags_of_all_instances(state: Any) -> None:
    state.register(service="Web", service_id="1", tags=("b", "a"))
    state.register(service="Web", service_id="2", tags=("b", "c"))
    state.do(CatalogRegister("n2", "2.2.2.2", "dc1", node_meta={"x": "y"}, service=ServiceSpec("db", "db")))
    assert services.services(state.store).value == {"db": (), "Web": ("a", "b", "c")}
    state.do(CatalogDeregister("n1", service_id="2"))
    assert services.services(state.store).value == {"db": (), "Web": ("a", "b")}
    assert services.services(state.store, {"x": "y"}).value == {"db": ()}


def test_instances_come_by_node_name_then_id_the_same_in_catalog_and_health(state: Any) -> None:
    for name, service_id in (("n2", "a"), ("n1", "b"), ("n10", "x"), ("n1", "a")):
        state.register(node=name, service="web", service_id=service_id)
    expected = [("n1", "a"), ("n1", "b"), ("n10", "x"), ("n2", "a")]
    assert _ids(services.service_instances(state.store, "WEB")) == expected
    assert _ids(health.service(state.store, "web")) == expected


@pytest.mark.parametrize(("tags", "found"), [((), 2), (("v1",), 2), (("V1", "Blue"), 1), (("none",), 0)])
def test_tags_are_and_ed_in_any_case(state: Any, tags: Any, found: Any) -> None:
    state.register(service="web", service_id="1", tags=("V1", "blue"))
    state.register(service="web", service_id="2", tags=("v1",))
    assert len(health.service(state.store, "web", tags).value) == found


def test_checks_of_an_instance_are_the_nodes_then_its_own(state: Any) -> None:
    state.register(
        service="web",
        checks=[CheckSpec("z-node", "n", "passing"), CheckSpec("a-web", "w", "passing", service_id="web")],
    )
    state.register(service="db", checks=[CheckSpec("db", "db", "critical", service_id="db")])
    (one,) = health.service(state.store, "web", passing=True).value
    assert [check.check_id for check in one.checks] == ["z-node", "a-web"]
    assert health.service(state.store, "db", passing=True).value == []
    assert [row.check_id for row in health.checks(state.store, "db").value] == ["db"]
    assert [row.check_id for row in health.node(state.store, "N1").value] == ["a-web", "db", "z-node"]
    assert [row.check_id for row in health.state(state.store, "critical").value] == ["db"]
    assert len(health.state(state.store, "any").value) == 3
    assert health.state(state.store, "sideways").value == []
    assert health.state(state.store, "any", {"no": "such"}).value == []


def test_a_service_index_follows_the_service_only(state: Any) -> None:
    state.register(service="web")
    state.register(service="db", node="n2")
    assert health.service(state.store, "web").index == 1
    state.do(CatalogRegister("n1", "10.0.0.1", "dc1", checks=(CheckSpec("n", "n", "passing"),)))
    assert health.service(state.store, "web").index == 3
    assert health.service(state.store, "db").index == 2


def test_a_missing_service_reports_the_last_extinction_or_else_the_tables(state: Any) -> None:
    assert health.service(state.store, "web").index == 1
    state.register(service="db")
    state.register(checks=[CheckSpec("n", "n", "passing")])
    assert services.service_instances(state.store, "web").index == 1
    assert health.service(state.store, "web").index == 2
    state.do(CatalogDeregister("n1", service_id="db"))
    state.register(service="cache")
    assert health.service(state.store, "web").index == 3
    assert health.connect(state.store, "web").index == 3


def test_connect_gives_proxies_and_native_instances_of_a_destination(state: Any) -> None:
    state.register(service="web-proxy", kind="connect-proxy", proxy=ProxyDefinition("web"))
    state.register(service="web", service_id="plain")
    state.register(service="web", service_id="native", native=True, node="n0")
    assert _ids(health.connect(state.store, "web")) == [("n0", "native"), ("n1", "web-proxy")]
    assert _ids(services.connect_instances(state.store, "WEB")) == [("n0", "native"), ("n1", "web-proxy")]
    assert health.connect(state.store, "web").index == 3


@pytest.mark.parametrize("name", ["n1", "N1", ID, ID.upper(), "abcdef", "ABC", "ab"])
def test_a_node_is_found_by_name_id_or_prefix_of_its_id(state: Any, name: Any) -> None:
    state.do(CatalogRegister("n1", "1.1.1.1", "dc1", node_id=ID, service=ServiceSpec("w", "web")))
    found: Any = node.node(state.store, name)
    assert (found.value.node.node, [row.service_id for row in found.value.services], found.index) == ("n1", ["w"], 1)


def test_an_unknown_node_reports_one_or_the_last_node_extinction(state: Any) -> None:
    state.do(CatalogRegister("n1", "1.1.1.1", "dc1", node_id=ID))
    state.do(CatalogRegister("n2", "1.1.1.1", "dc1", node_id=ID.replace("01", "02")))
    assert node.node(state.store, "a").value is None
    assert (node.node(state.store, "abcdef").value, node.node(state.store, "x").index) == (None, 1)
    state.do(CatalogDeregister("n2"))
    missing = node.node(state.store, "n2")
    assert (missing.value, missing.index, missing.absent) == (None, 3, True)


def test_the_index_of_a_node_follows_its_services_and_not_its_checks(state: Any) -> None:
    state.register()
    state.register(service="web", checks=[CheckSpec("c", "c", "passing", service_id="web")])
    state.register(checks=[CheckSpec("c", "c", "critical", service_id="web")])
    assert node.node(state.store, "n1").index == 2


def test_the_agent_shows_what_came_through_it(state: Any) -> None:
    state.do(AgentJoin("n1", "id", "run", "1.1.1.1", 8301, "dc1"))
    state.do(AgentServiceRegister("n1", "1.1.1.1", "dc1", ServiceSpec("w", "web"), (CheckSpec("c", "c", "passing"),)))
    state.register(service="foreign")
    assert [row.service_id for row in agent.services(state.store, "n1").value] == ["w"]
    assert [row.check_id for row in agent.checks(state.store, "n1").value] == ["c"]
    row = agent.service(state.store, "n1", "w").value
    assert row is not None
    assert row.name == "web"
    assert agent.service(state.store, "n1", "foreign").absent
    assert [row.node for row in members.members(state.store).value] == ["n1"]


def test_rows_of_a_table_are_sorted_by_key(state: Any) -> None:
    for name in ("b", "a", "c"):
        state.register(node=name)
    assert [key for key, _ in state.store.rows(Table.NODES)] == [("a",), ("b",), ("c",)]
    assert [row.cluster_id for _, row in state.store.rows(Table.META)] == ["cluster"]
