from typing import Any

import pytest

from lictor_state import Store, Table, apply
from lictor_state.commands import (
    AgentServiceRegister,
    CatalogDeregister,
    CatalogRegister,
    CheckSpec,
    Envelope,
    RaiseLevel,
    ServiceSpec,
)
from lictor_state.levels import NODE_SPEAKS_LEVEL
from lictor_state.queries.agent import services as agent_services
from lictor_state.queries.node import node
from lictor_state.rows import CheckDefinition, ProxyDefinition

INDEXES = (
    "nodes",
    "services",
    "checks",
    "service.web",
    "service.db",
    "node.n1",
    "service-extinction",
    "node-extinction",
)
ID_A, ID_B = "aaaaaaaa-0000-0000-0000-000000000000", "bbbbbbbb-0000-0000-0000-000000000000"


def _serf(status: Any) -> Any:
    return CheckSpec("serfHealth", "Serf Health Status", status)


def _moved(state: Any, act: Any) -> Any:
    before = {name: state.index(name) for name in INDEXES}
    act()
    return {name for name in INDEXES if state.index(name) != before[name]}


def test_a_registration_writes_node_service_and_checks_at_one_index(state: Any) -> None:
    state.register(service="web", checks=[CheckSpec("c", "c", service_id="web"), CheckSpec("n", "n", "passing")])
    assert state.store.node("N1").create_index == 1
    assert state.store.service("n1", "web").modify_index == 1
    check = state.store.check("n1", "c")
    assert (check.service_name, check.status, check.modify_index) == ("web", "critical", 1)
    assert state.store.check("n1", "n").service_name == ""


def test_an_identical_registration_writes_nothing(state: Any) -> None:
    for _ in range(2):
        state.register(service="web", checks=[CheckSpec("c", "c", service_id="web")], meta={"a": "b"}, tags=("x",))
    assert state.last.changes == ()
    assert state.store.service("n1", "web").modify_index == 1


def test_a_change_keeps_the_create_index(state: Any) -> None:
    state.register(service="web", port=80)
    state.register(service="web", port=81)
    row = state.store.service("n1", "web")
    assert (row.create_index, row.modify_index) == (1, 2)
    assert state.store.node("n1").modify_index == 1


@pytest.mark.parametrize(
    ("what", "moved"),
    [
        ({"service": "web", "port": 9}, {"nodes", "services", "service.web", "node.n1"}),
        ({"checks": [CheckSpec("c", "c", "warning", service_id="web")]}, {"checks", "service.web"}),
        ({"checks": [CheckSpec("n", "n", "passing")]}, {"checks", "service.web", "service.db"}),
        ({"node": "n2"}, {"nodes"}),
        ({"node": "n2", "service": "web"}, {"nodes", "services", "service.web"}),
    ],
)
def test_which_indexes_a_registration_moves(state: Any, what: Any, moved: Any) -> None:
    state.register(service="web", checks=[CheckSpec("c", "c", "passing", service_id="web")])
    state.register(service="db")
    assert _moved(state, lambda: state.register(**what)) == moved


def test_node_data_moves_every_service_that_runs_there(state: Any) -> None:
    state.register(service="web")
    state.register(service="db", node="n2")
    moved = _moved(state, lambda: state.do(CatalogRegister("n1", "10.9.9.9", "dc1")))
    assert moved == {"nodes", "service.web"}, "the node's own row says the rest"


def test_a_node_and_its_services_are_told_at_the_newer_of_both_and_only_services_alone_take_an_index_row(
    state: Any,
) -> None:
    told = []
    for command in (
        CatalogRegister("n1", "10.0.0.1", "dc1", service=ServiceSpec("web", "web")),  # both
        CatalogRegister("n1", "10.0.0.2", "dc1"),  # the node
        CatalogRegister("n1", "10.0.0.2", "dc1", service=ServiceSpec("db", "db")),  # services alone
        CatalogRegister("n1", "10.0.0.3", "dc1", service=ServiceSpec("db", "db", port=1)),  # both again
        CatalogDeregister("n1", service_id="web"),  # services alone
    ):
        state.do(command)
        told.append((state.index("node.n1"), node(state.store, "n1").index, agent_services(state.store, "n1").index))
    assert told == [(0, 1, 1), (0, 2, 2), (3, 3, 3), (3, 4, 4), (5, 5, 5)]
    state.do(CatalogDeregister("n1"))
    assert (state.index("node.n1"), node(state.store, "n1").index) == (0, 6)


def test_below_its_level_a_node_has_its_index_row_whenever_anything_of_it_changes() -> None:
    """A member of an earlier build writes it, and the members' states would differ."""
    store = Store("cluster", NODE_SPEAKS_LEVEL - 1)
    web = ServiceSpec("web", "web")
    commands = (CatalogRegister("n1", "10.0.0.1", "dc1", service=web), CatalogRegister("n1", "10.0.0.2", "dc1"))
    for number, command in enumerate(commands, 1):
        apply(store, number, Envelope(0, 0, 0, command))
        assert store.index_of("node.n1") == node(store, "n1").index == number
    apply(store, 3, Envelope(0, 0, 0, RaiseLevel(NODE_SPEAKS_LEVEL)))
    apply(store, 4, Envelope(0, 0, 0, CatalogRegister("n1", "10.0.0.3", "dc1")))
    assert (store.index_of("node.n1"), node(store, "n1").index) == (2, 4)


@pytest.mark.parametrize(
    ("command", "moved"),
    [
        (
            CatalogDeregister("n1", service_id="web"),
            {"nodes", "services", "checks", "service.web", "node.n1", "service-extinction"},
        ),
        (CatalogDeregister("n1", check_id="c"), {"checks", "service.web"}),
        (CatalogDeregister("n1", check_id="n"), {"checks", "services", "service.web", "service.db"}),
        (
            CatalogDeregister("N1"),
            set(INDEXES),
        ),
        (CatalogDeregister("n1", service_id="unknown"), set()),
        (CatalogDeregister("n1", check_id="unknown"), set()),
        (CatalogDeregister("unknown"), set()),
    ],
)
def test_which_indexes_a_deregistration_moves(state: Any, command: Any, moved: Any) -> None:
    state.register(
        service="web", checks=[CheckSpec("c", "c", "passing", service_id="web"), CheckSpec("n", "n", "passing")]
    )
    state.register(service="db")
    assert _moved(state, lambda: state.do(command)) == moved
    assert state.last.result.value is True


def test_a_service_goes_with_its_checks_and_a_node_with_everything(state: Any) -> None:
    state.register(service="web", checks=[CheckSpec("c", "c", service_id="web"), CheckSpec("n", "n")])
    state.do(CatalogDeregister("n1", service_id="web"))
    assert state.store.check("n1", "c") is None
    assert state.store.check("n1", "n") is not None
    assert state.index("service.web") == 0
    state.do(CatalogDeregister("n1"))
    assert [state.store.count(table) for table in (Table.NODES, Table.SERVICES, Table.CHECKS)] == [0, 0, 0]


def test_a_service_with_other_instances_left_keeps_its_index_row(state: Any) -> None:
    state.register(service="web")
    state.register(service="web", node="n2")
    moved = _moved(state, lambda: state.do(CatalogDeregister("n2", service_id="web")))
    assert moved == {"nodes", "services", "service.web"}


def test_an_instance_that_takes_another_name_leaves_its_old_service(state: Any) -> None:
    state.register(service="web", service_id="x")
    moved = _moved(state, lambda: state.register(service="db", service_id="x"))
    assert moved == {"nodes", "services", "service.web", "service.db", "node.n1", "service-extinction"}
    assert state.index("service.web") == 0


def test_checks_follow_their_services_name_and_tags(state: Any) -> None:
    state.register(service="web", checks=[CheckSpec("c", "c", service_id="web")])
    state.register(service="web", tags=("blue",))
    assert state.store.check("n1", "c").service_tags == ("blue",)


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([CheckSpec("y", "y", service_id="x")], "Unknown service ID 'x' for check ID 'y'"),
        ([CheckSpec("c", "c", node="a")], "Node 'a' for check 'c' doesn't match register request node 'n1'"),
        ([CheckSpec("c", "c", "sideways")], "Bad check status"),
    ],
)
def test_a_refused_registration_leaves_nothing_behind(state: Any, checks: Any, message: Any) -> None:
    state.register(node="n0")
    digest = state.store.digest()
    result = state.register(service="web", checks=[CheckSpec("ok", "ok", service_id="web"), *checks])
    assert (result.error, result.status) == (message, 500)
    assert state.last.changes == ()
    assert state.store.node("n1") is None
    assert state.store.by.services_by_name == {}
    assert not state.store.by.checks_of_service
    assert state.store.digest() == digest


def test_a_check_may_name_its_node_in_any_case_and_defaults_to_critical(state: Any) -> None:
    state.register(checks=[CheckSpec("c", "c", "", node="N1")])
    assert state.store.check("n1", "c").status == "critical"


def test_the_definition_index_moves_only_with_the_definition(state: Any) -> None:
    def check(**more: Any) -> Any:
        return [CheckSpec("c", "c", "passing", type="http", definition=CheckDefinition(http="http://a"), **more)]

    state.register(checks=check())
    state.register(checks=check(output="fine", notes="n"))
    assert state.store.check("n1", "c").definition_index == 1
    state.register(checks=[CheckSpec("c", "c", "passing", type="http", definition=CheckDefinition(http="http://b"))])
    assert state.store.check("n1", "c").definition_index == 3


def test_catalog_registrations_overwrite_status(state: Any) -> None:
    state.register(checks=[CheckSpec("c", "c", "passing")])
    state.register(checks=[CheckSpec("c", "c", "critical", output="bad")])
    assert (state.store.check("n1", "c").status, state.store.check("n1", "c").output) == ("critical", "bad")


def test_skip_node_update_leaves_the_node_and_its_id(state: Any) -> None:
    state.do(CatalogRegister("n1", "1.1.1.1", "dc1", node_id=ID_A, node_meta={"a": "1"}))
    state.do(CatalogRegister("n1", "", "dc1", service=ServiceSpec("w", "web"), skip_node_update=True))
    assert (state.store.node("n1").address, state.store.node("n1").meta) == ("1.1.1.1", {"a": "1"})
    assert state.store.service("n1", "w") is not None


def test_a_registration_without_an_id_keeps_the_id(state: Any) -> None:
    state.do(CatalogRegister("n1", "1.1.1.1", "dc1", node_id=ID_A))
    state.do(CatalogRegister("n1", "2.2.2.2", "dc1"))
    assert (state.store.node("n1").node_id, state.store.node("n1").address) == (ID_A, "2.2.2.2")


def test_an_id_is_added_to_a_node_without_one(state: Any) -> None:
    state.register()
    state.do(CatalogRegister("n1", "10.0.0.1", "dc1", node_id=ID_A))
    assert state.store.node("n1").node_id == ID_A
    assert state.store.by.node_of_id == {ID_A: "n1"}


def test_the_name_of_a_living_node_is_reserved(state: Any) -> None:
    state.do(CatalogRegister("n1", "1.1.1.1", "dc1", node_id=ID_A, checks=(_serf("passing"),)))
    result = state.do(CatalogRegister("N1", "2.2.2.2", "dc1", node_id=ID_B))
    assert result.error == (
        f'failed inserting node: Error while renaming Node ID: "{ID_B}": '
        f"Node name N1 is reserved by node {ID_A} with name n1 (1.1.1.1)"
    )
    assert result.status == 500


@pytest.mark.parametrize("checks", [(), (_serf("critical"),)])
def test_the_name_of_a_failed_or_unwatched_node_may_be_taken(state: Any, checks: Any) -> None:
    state.do(CatalogRegister("n1", "1.1.1.1", "dc1", node_id=ID_A, checks=checks))
    assert state.do(CatalogRegister("n1", "2.2.2.2", "dc1", node_id=ID_B)).value is True
    assert state.store.node("n1").node_id == ID_B
    assert state.store.by.node_of_id == {ID_B: "n1"}


def test_the_same_id_under_a_new_name_renames_the_node(state: Any) -> None:
    state.do(CatalogRegister("old", "1.1.1.1", "dc1", node_id=ID_A, service=ServiceSpec("w", "web")))
    state.do(CatalogRegister("new", "1.1.1.1", "dc1", node_id=ID_A))
    assert state.store.node("old") is None
    assert state.store.service("old", "w") is None
    assert state.store.by.node_of_id == {ID_A: "new"}
    assert state.index("node-extinction") == 2


def test_a_rename_onto_a_living_node_is_refused(state: Any) -> None:
    state.do(CatalogRegister("old", "1.1.1.1", "dc1", node_id=ID_A))
    state.do(CatalogRegister("new", "2.2.2.2", "dc1", checks=(_serf("passing"),)))
    result = state.do(CatalogRegister("new", "1.1.1.1", "dc1", node_id=ID_A))
    assert result.error.startswith(
        f'failed inserting node: Error while renaming Node ID: "{ID_A}" (1.1.1.1): Node name'
    )
    assert state.store.node("old") is not None


def test_the_catalog_writing_over_an_agents_service_leaves_it_the_agents(state: Any) -> None:
    state.do(AgentServiceRegister("n1", "1.1.1.1", "dc1", ServiceSpec("w", "web")))
    state.register(service="web", service_id="w", port=99)
    row = state.store.service("n1", "w")
    assert (row.agent, row.port) == (True, 99)


def test_the_index_of_a_destinations_proxies_follows_them(state: Any) -> None:
    proxy = ProxyDefinition("DB")
    state.register(service="db-proxy", kind="connect-proxy", proxy=proxy)
    assert state.index("connect.db") == 1
    state.register(service="other")
    assert state.index("connect.db") == 1
    state.register(service="db-proxy", kind="connect-proxy", proxy=ProxyDefinition("cache"))
    assert (state.index("connect.db"), state.index("connect.cache"), state.index("service-extinction")) == (0, 3, 3)
    state.register(service="native", native=True)
    assert state.index("connect.native") == 4
