from typing import Any

import pytest

from lictor_state.commands import (
    AgentCheckDeregister,
    AgentCheckRegister,
    AgentServiceDeregister,
    AgentServiceRegister,
    CheckSpec,
    CheckTransition,
    ServiceSpec,
)
from lictor_state.rows import CheckDefinition, ProxyDefinition

HTTP = CheckDefinition(http="http://localhost/health", interval_ns=10**10)


def _register(
    service_id: Any = "web", checks: Any = (), *, sidecar: Any = False, name: Any = "", port: Any = 8080, **more: Any
) -> Any:
    spec = ServiceSpec(service_id, name or service_id, port=port)
    proxy = ServiceSpec(
        f"{service_id}-sidecar-proxy",
        f"{service_id}-sidecar-proxy",
        kind="connect-proxy",
        proxy=ProxyDefinition(service_id),
        sidecar_of=service_id,
    )
    listening = CheckSpec(
        f"service:{service_id}-sidecar-proxy:1",
        "Connect Sidecar Listening",
        type="tcp",
        definition=CheckDefinition(tcp="127.0.0.1:{sidecar_port}"),
    )
    if sidecar:
        more |= {"sidecar": proxy, "sidecar_checks": (listening,)}
    return AgentServiceRegister("n1", "10.0.0.1", "dc1", spec, tuple(checks), **more)


def _check(check_id: Any = "c", status: Any = "critical", **more: Any) -> Any:
    return CheckSpec(check_id, check_id, status, type="http", definition=HTTP, **more)


def test_the_node_is_made_without_id_when_it_was_not_seen_yet(state: Any) -> None:
    state.do(_register())
    node = state.store.node("n1")
    assert (node.node_id, node.address, node.datacenter) == ("", "10.0.0.1", "dc1")
    assert state.store.service("n1", "web").agent is True


def test_a_known_node_is_left_as_it_is(state: Any) -> None:
    state.register(node="n1", service="x")
    state.do(_register())
    assert state.store.node("n1").modify_index == 1


def test_registering_again_keeps_status_and_output_of_checks_with_the_same_id(state: Any) -> None:
    state.do(_register(checks=[_check(status="passing")]))
    row = state.store.check("n1", "c")
    assert (row.status, row.service_id, row.agent) == ("passing", "web", True)
    state.do(CheckTransition("n1", "c", row.definition_index, "warning", "slow"))
    state.do(_register(checks=[_check(status="critical", notes="new")]))
    row = state.store.check("n1", "c")
    assert (row.status, row.output, row.notes, row.definition_index) == ("warning", "slow", "new", 1)


@pytest.mark.parametrize(("replacing", "left"), [(False, ["a", "b"]), (True, ["b"])])
def test_replace_existing_checks_drops_those_that_are_not_named(state: Any, replacing: Any, left: Any) -> None:
    state.do(_register(checks=[_check("a"), _check("b")]))
    state.do(_register(checks=[_check("b")], replace_existing_checks=replacing))
    assert state.store.by.checks_of_node["n1"] == left


def test_registering_the_same_again_writes_nothing(state: Any) -> None:
    for _ in range(2):
        state.do(_register(checks=[_check()], sidecar=True))
    assert state.last.changes == ()


def test_a_sidecar_gets_the_lowest_free_port_and_its_check_names_it(state: Any) -> None:
    state.register(service="taken", port=21000)
    state.do(_register(sidecar=True, port=21001))
    assert state.store.service("n1", "web-sidecar-proxy").port == 21002
    check = state.store.check("n1", "service:web-sidecar-proxy:1")
    assert check.definition.tcp == "127.0.0.1:21002"
    assert check.service_name == "web-sidecar-proxy"


def test_a_sidecar_keeps_its_port_when_registered_again(state: Any) -> None:
    state.do(_register("a", sidecar=True))
    state.do(_register("b", sidecar=True))
    state.do(AgentServiceDeregister("n1", "a"))
    state.do(_register("b", sidecar=True, port=9))
    assert state.store.service("n1", "b-sidecar-proxy").port == 21001
    state.do(_register("b", sidecar=True, sidecar_port_min=22000, sidecar_port_max=22001))
    assert state.store.service("n1", "b-sidecar-proxy").port == 22000


def test_a_sidecar_without_a_free_port_is_refused_whole(state: Any) -> None:
    state.do(_register("a", sidecar=True, sidecar_port_max=21000))
    result = state.do(_register("b", sidecar=True, sidecar_port_max=21000))
    assert result.status == 400
    assert "none left in the configured range [21000, 21000]" in result.error
    assert state.store.service("n1", "b") is None


def test_registering_without_a_sidecar_leaves_the_old_one(state: Any) -> None:
    state.do(_register(sidecar=True))
    state.do(_register())
    assert state.store.service("n1", "web-sidecar-proxy") is not None


def test_deregistering_takes_the_checks_and_the_automatic_sidecar(state: Any) -> None:
    state.do(_register(checks=[_check()], sidecar=True))
    assert state.do(AgentServiceDeregister("n1", "web")).value is True
    assert state.store.by.services_of_node == {}
    assert state.store.by.checks_of_node == {}
    assert state.store.node("n1") is not None


def test_a_service_that_only_looks_like_a_sidecar_stays(state: Any) -> None:
    state.do(_register("web"))
    state.do(_register("web-sidecar-proxy"))
    state.do(AgentServiceDeregister("n1", "web"))
    assert state.store.service("n1", "web-sidecar-proxy") is not None


def test_deregistering_what_the_agent_does_not_know_is_an_error(state: Any) -> None:
    state.register(service="catalogs-own")
    for service_id in ("x", "catalogs-own"):
        result = state.do(AgentServiceDeregister("n1", service_id))
        assert result.status == 404
        assert result.error == (
            f'Unknown service ID "{service_id}". Ensure that the service ID is passed, not the service name.'
        )


def test_checks_of_a_node_and_of_a_service_come_and_go(state: Any) -> None:
    state.do(_register())
    state.do(AgentCheckRegister("n1", "10.0.0.1", "dc1", _check("node-check")))
    state.do(AgentCheckRegister("n1", "10.0.0.1", "dc1", _check("web-check", service_id="web")))
    assert state.store.check("n1", "web-check").service_name == "web"
    assert state.do(AgentCheckDeregister("n1", "node-check")).value is True
    result = state.do(AgentCheckDeregister("n1", "node-check"))
    assert result.status == 404
    assert result.error == ('Unknown check ID "node-check". Ensure that the check ID is passed, not the check name.')


@pytest.mark.parametrize(
    ("check", "status", "message"),
    [
        (_check(service_id="x"), 404, 'ServiceID "x" does not exist'),
        (_check(status="odd"), 400, "Bad check status"),
    ],
)
def test_a_bad_check_is_refused_with_consuls_words(state: Any, check: Any, status: Any, message: Any) -> None:
    result = state.do(AgentCheckRegister("n1", "10.0.0.1", "dc1", check))
    assert (result.status, result.error) == (status, message)
    assert state.store.node("n1") is None


def test_a_transition_sets_status_and_output_and_moves_the_service(state: Any) -> None:
    state.do(_register(checks=[_check()]))
    assert state.do(CheckTransition("N1", "c", 1, "passing", "ok")).value is True
    row = state.store.check("n1", "c")
    assert (row.status, row.output, row.definition_index, row.modify_index) == ("passing", "ok", 1, 2)
    assert (state.index("checks"), state.index("service.web"), state.index("services")) == (2, 2, 1)


@pytest.mark.parametrize(
    "transition", [CheckTransition("n1", "c", 7, "passing", ""), CheckTransition("n1", "x", 1, "passing", "")]
)
def test_a_stale_transition_is_dropped(state: Any, transition: Any) -> None:
    state.do(_register(checks=[_check()]))
    assert state.do(transition).value is False
    assert state.last.changes == ()


def test_a_result_measured_against_the_old_definition_is_dropped(state: Any) -> None:
    state.do(_register(checks=[_check()]))
    other = CheckSpec("c", "c", type="tcp", definition=CheckDefinition(tcp="localhost:1"))
    state.do(_register(checks=[other]))
    assert state.do(CheckTransition("n1", "c", 1, "passing", "")).value is False
    assert state.do(CheckTransition("n1", "c", 2, "passing", "")).value is True


def test_a_repeated_transition_moves_no_index(state: Any) -> None:
    state.do(_register(checks=[_check()]))
    for _ in range(2):
        state.do(CheckTransition("n1", "c", 1, "passing", "ok"))
    assert state.last.changes == ()


def test_a_transition_to_an_unknown_status_is_refused(state: Any) -> None:
    state.do(_register(checks=[_check()]))
    assert state.do(CheckTransition("n1", "c", 1, "sideways", "")).error == "Invalid check status: 'sideways'"


def test_a_check_that_is_to_be_kept_does_not_replace_another(state: Any) -> None:
    state.register("n1")
    first = CheckSpec("c", "c", "passing", notes="first")
    second = CheckSpec("c", "c", "passing", notes="second")
    assert state.do(AgentCheckRegister("n1", "10.0.0.1", "dc1", first, keep=True)).value is True
    index = state.store.index_of("checks")
    assert state.do(AgentCheckRegister("n1", "10.0.0.1", "dc1", second, keep=True)).value is False
    assert (state.last.changes, state.store.check("n1", "c").notes) == ((), "first")
    assert state.store.index_of("checks") == index
    assert state.do(AgentCheckRegister("n1", "10.0.0.1", "dc1", second)).value is True
    assert state.store.check("n1", "c").notes == "second"
