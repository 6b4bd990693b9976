from typing import Any

import pytest

from lictor_state.commands import (
    AgentCheckRegister,
    AgentDecision,
    AgentJoin,
    AgentServiceRegister,
    CatalogDeregister,
    CatalogRegister,
    CheckSpec,
    CheckTransition,
    ServiceSpec,
)


def _join(node: Any = "n1", node_id: Any = "id-1", run_id: Any = "run-1", **more: Any) -> Any:
    return AgentJoin(node, node_id, run_id, "10.0.0.1", 8301, "dc1", **more)


def _service(service_id: Any = "web", node: Any = "n1") -> Any:
    check = CheckSpec(f"service:{service_id}", "check", "passing")
    return AgentServiceRegister(node, "10.0.0.1", "dc1", ServiceSpec(service_id, service_id), (check,))


def _decide(state: Any, decision: Any, node: Any = "n1", **more: Any) -> Any:
    agent = state.store.agent(node)
    return state.do(AgentDecision(node, agent.run_id, agent.status_index, decision, **more))


def test_joining_makes_node_agent_and_a_passing_serf_check(state: Any) -> None:
    assert state.do(_join()).value == 1
    check = state.store.check("n1", "serfHealth")
    assert (check.name, check.status, check.output, check.agent) == (
        "Serf Health Status",
        "passing",
        "Agent alive and reachable",
        False,
    )
    agent = state.store.agent("n1")
    assert (agent.status, agent.run_id, agent.status_index) == ("alive", "run-1", 1)
    assert state.store.node("n1").node_id == "id-1"


def test_a_row_without_id_is_adopted_with_what_runs_there(state: Any) -> None:
    state.do(_service())
    state.do(_join())
    assert state.store.node("n1").node_id == "id-1"
    assert state.store.service("n1", "web") is not None


def test_another_id_is_refused_and_told_who_holds_the_name(state: Any) -> None:
    state.do(_join())
    result = state.do(_join(node="N1", node_id="id-2"))
    assert result.error == "Node name N1 is reserved by node id-1 with name n1 (10.0.0.1)"
    assert state.store.agent("n1").node_id == "id-1"


def test_a_restart_is_a_new_run_of_the_same_node(state: Any) -> None:
    state.do(_join())
    state.do(_service())
    state.do(_join(run_id="run-2"))
    agent = state.store.agent("n1")
    assert (agent.run_id, agent.status_index, agent.create_index) == ("run-2", 3, 1)
    assert state.store.service("n1", "web").modify_index == 2


def test_a_failed_node_keeps_its_services_and_its_check_turns_critical(state: Any) -> None:
    state.do(_join())
    state.do(_service())
    assert _decide(state, "failed").value is True
    check = state.store.check("n1", "serfHealth")
    assert (check.status, check.output) == ("critical", "Agent not live or unreachable")
    assert state.store.service("n1", "web") is not None
    assert state.index("service.web") == 3
    assert _decide(state, "alive").value is True
    check = state.store.check("n1", "serfHealth")
    assert (check.status, check.output) == ("passing", "Agent alive and reachable")


@pytest.mark.parametrize(("run_id", "status_index"), [("run-1", 1), ("run-2", 1), ("run-1", 2)])
def test_a_late_decision_never_hits_a_node_that_is_back(state: Any, run_id: Any, status_index: Any) -> None:
    state.do(_join())
    state.do(_join(run_id="run-2"))
    assert state.do(AgentDecision("n1", run_id, status_index, "failed")).value is False
    assert state.last.changes == ()
    assert state.store.agent("n1").status == "alive"


@pytest.mark.parametrize(
    ("path", "decision"),
    [((), "alive"), (("failed",), "failed"), (("left",), "failed"), (("left",), "alive"), (("left",), "left")],
)
def test_a_decision_that_does_not_fit_the_status_has_no_effect(state: Any, path: Any, decision: Any) -> None:
    state.do(_join())
    for step in path:
        _decide(state, step)
    assert _decide(state, decision).value is False


def test_an_unknown_decision_is_refused_and_an_unknown_node_is_not_judged(state: Any) -> None:
    state.do(_join())
    assert _decide(state, "promote").error == "Unknown decision 'promote' about node 'n1'"
    assert state.do(AgentDecision("n9", "r", 1, "failed")).value is False


def test_leaving_takes_the_node_away_and_keeps_what_the_agent_registered(state: Any) -> None:
    state.do(_join())
    state.do(_service())
    state.do(AgentCheckRegister("n1", "10.0.0.1", "dc1", CheckSpec("mine", "mine", "passing")))
    state.do(CatalogRegister("n1", "10.0.0.1", "dc1", service=ServiceSpec("foreign", "foreign")))
    _decide(state, "left")
    assert state.store.node("n1") is None
    assert state.store.by.services_by_name == {}
    assert state.index("node-extinction") == 5
    agent = state.store.agent("n1")
    assert agent.status == "left"
    assert [row.service_id for row in agent.kept_services] == ["web"]
    assert [row.check_id for row in agent.kept_checks] == ["mine", "service:web"]


def test_what_was_kept_returns_when_the_same_id_joins_again(state: Any) -> None:
    state.do(_join())
    state.do(_service())
    old = state.store.check("n1", "service:web")
    _decide(state, "left")
    state.do(_join(run_id="run-2"))
    row, check = state.store.service("n1", "web"), state.store.check("n1", "service:web")
    assert (row.agent, row.create_index, row.modify_index) == (True, 4, 4)
    assert (check.status, check.service_name, check.definition_index) == ("passing", "web", 4)
    assert state.store.agent("n1").kept_services == ()
    stale = CheckTransition("n1", "service:web", old.definition_index, "critical", "")
    assert state.do(stale).value is False


def test_a_kept_check_that_returns_names_its_service_as_it_is_now(state: Any) -> None:
    state.do(_join())
    state.do(_service())
    _decide(state, "left")
    state.do(CatalogRegister("n1", "10.0.0.1", "dc1", service=ServiceSpec("web", "renamed", tags=("v2",))))
    state.do(_join(run_id="run-2"))
    check = state.store.check("n1", "service:web")
    assert (check.service_name, check.service_tags) == ("renamed", ("v2",))


def test_another_id_may_take_the_name_of_a_node_that_left_and_inherits_nothing(state: Any) -> None:
    state.do(_join())
    state.do(_service())
    _decide(state, "left")
    state.do(_join(node_id="id-2"))
    assert state.store.agent("n1").node_id == "id-2"
    assert state.store.service("n1", "web") is None


def test_the_same_id_under_a_new_name_takes_its_registrations_along(state: Any) -> None:
    state.do(_join())
    state.do(_service())
    state.do(_join(node="n2", run_id="run-2"))
    assert state.store.node("n1") is None
    assert state.store.agent("n1") is None
    row = state.store.service("n2", "web")
    assert (row.node, state.store.check("n2", "service:web").node) == ("n2", "n2")


def test_reaping_forgets_everything(state: Any) -> None:
    state.do(_join())
    state.do(_service())
    _decide(state, "left")
    assert _decide(state, "reap").value is True
    assert state.store.agent("n1") is None
    state.do(_join(run_id="run-2"))
    assert state.store.service("n1", "web") is None


def test_reaping_a_failed_node_takes_its_row(state: Any) -> None:
    state.do(_join())
    _decide(state, "failed")
    _decide(state, "reap")
    assert state.store.node("n1") is None


def test_a_node_that_was_deregistered_can_still_leave_and_return(state: Any) -> None:
    state.do(_join())
    state.do(CatalogDeregister("n1"))
    assert _decide(state, "failed").value is True
    assert state.store.node("n1") is None
    assert _decide(state, "left").value is True
    state.do(_join(run_id="run-2"))
    assert state.store.node("n1").node_id == "id-1"


def test_a_decision_spares_a_name_that_has_gone_to_another_id(state: Any) -> None:
    state.do(_join())
    _decide(state, "failed")
    state.do(CatalogRegister("n1", "10.0.0.2", "dc1", node_id="id-2"))
    _decide(state, "reap")
    assert state.store.node("n1").node_id == "id-2"


def test_a_server_gets_the_service_consul_which_is_not_the_agents(state: Any) -> None:
    state.do(_join("server-0", role="consul", service_port=8300, service_meta={"version": "1"}))
    row = state.store.service("server-0", "consul")
    assert (row.name, row.port, row.meta, row.agent, row.tags) == ("consul", 8300, {"version": "1"}, False, ())
    _decide(state, "left", "server-0")
    assert state.store.agent("server-0").kept_services == ()
