"""Why a DNS answer is what it is: every way out of an answer has its reason, and what is in says with what record."""

from typing import Any

import pytest

from lictor_state import commands as c
from lictor_state.prepared_query_rows import QueryDefinition, QueryService, QueryTemplate
from lictor_state.queries.dns_explain import explain
from lictor_state.queries.dns_verdicts import DnsRules
from lictor_state.queries.usable import AnswerLimits
from lictor_state.rows import ProxyDefinition


@pytest.fixture
def instance(state: Any) -> Any:
    """Register one instance with one check of its own and checks of its node."""

    def register(
        number: int, name: str = "web", status: str = "passing", node_checks: Any = (), check_id: str = "", **more: Any
    ) -> None:
        more.setdefault("address", f"10.0.0.{number}")
        service_id = f"{name}-{number}"
        spec = c.ServiceSpec(service_id, name, port=8000 + number, **more)
        check = c.CheckSpec(
            check_id or f"service:{service_id}",
            "c",
            status=status,
            output=f"{status} says {number}",
            service_id=service_id,
        )
        checks = (check, *(c.CheckSpec(one, "c", status="critical", output="node") for one in node_checks))
        state.do(c.CatalogRegister(f"n{number}", f"10.1.0.{number}", "dc1", service=spec, checks=checks))

    return register


@pytest.fixture
def ask(state: Any) -> Any:
    def explained(name: str, qtype: str = "A", **rules: Any) -> Any:
        labels = tuple(name.lower().encode().split(b"."))
        return explain(state.store, labels, qtype, DnsRules(**rules)).value

    return explained


def verdicts(found: Any) -> dict[str, tuple[str, str]]:
    return {
        (one.instance.service_id if one.instance else one.node.node): (one.status, one.reason) for one in found.verdicts
    }


def test_a_usable_instance_is_in_with_its_record(instance: Any, ask: Any) -> None:
    instance(1)
    found = ask("web.service.consul")
    assert (found.rcode, found.answers, found.meaning) == ("NOERROR", 1, "instances of the service 'web'")
    assert [(one.status, one.record) for one in found.verdicts] == [("in", "10.0.0.1")]
    (srv,) = ask("_web._tcp.consul", "SRV").verdicts
    assert srv.record == "1 1 8001 10.0.0.1"


@pytest.mark.parametrize(
    ("more", "reason", "check_id"),
    [
        ({"status": "critical"}, "check-critical", "service:web-1"),
        ({"status": "warning"}, "check-not-passing", "service:web-1"),
        ({"node_checks": ["serfHealth"]}, "node-failed", "serfHealth"),
        ({"node_checks": ["disk"]}, "check-critical", "disk"),
        ({"node_checks": ["_node_maintenance"]}, "maintenance", "_node_maintenance"),
        ({"status": "critical", "check_id": "_service_maintenance:web-1"}, "maintenance", "_service_maintenance:web-1"),
    ],
)
def test_a_check_keeps_an_instance_out_and_is_named_with_its_output(
    instance: Any, ask: Any, more: dict[str, Any], reason: str, check_id: str
) -> None:
    instance(1, **more)
    found = ask("web.service.consul")
    assert (found.rcode, found.answers) == ("NXDOMAIN", 0)
    (one,) = found.verdicts
    assert (one.status, one.reason, one.check.check_id) == ("out", reason, check_id)
    assert one.check.output
    assert one.detail


def test_a_warning_keeps_out_only_where_only_passing_is_set(instance: Any, ask: Any) -> None:
    instance(1, status="warning")
    assert verdicts(ask("web.service.consul", only_passing=False)) == {"web-1": ("in", "")}


def test_a_tag_that_is_missing_is_named_beside_those_that_are_there(instance: Any, ask: Any) -> None:
    instance(1, tags=("v1", "Blue"))
    instance(2, tags=("v2",))
    found = ask("blue.web.service.consul")
    assert verdicts(found) == {"web-1": ("in", ""), "web-2": ("out", "tag")}
    assert found.verdicts[1].detail == "it lacks the tag 'blue'; its tags: v2"
    assert verdicts(ask("_web._blue.service.consul", "SRV")) == {"web-1": ("in", ""), "web-2": ("out", "tag")}


def test_an_address_of_the_other_family_is_no_answer_and_the_name_still_exists(instance: Any, ask: Any) -> None:
    instance(1)
    instance(2, address="fd00::2")
    assert verdicts(ask("web.service.consul", "AAAA")) == {"web-2": ("in", ""), "web-1": ("out", "family")}
    assert verdicts(ask("web.service.consul", "ANY")) == {"web-1": ("in", ""), "web-2": ("in", "")}
    none = ask("web.service.consul", "MX")
    assert (none.rcode, none.answers) == ("NOERROR", 0)
    assert {reason for _, reason in verdicts(none).values()} == {"family"}


def test_a_host_name_stands_in_only_where_no_instance_has_an_address(instance: Any, ask: Any) -> None:
    instance(1, address="one.example")
    instance(2, address="two.example")
    found = ask("web.service.consul")
    assert verdicts(found) == {"web-1": ("in", ""), "web-2": ("out", "host-name")}
    assert found.verdicts[0].record == "CNAME one.example"
    instance(3)
    assert verdicts(ask("web.service.consul")) == {
        "web-3": ("in", ""), "web-1": ("out", "host-name"), "web-2": ("out", "host-name")
    }  # fmt: skip


def test_the_same_record_stands_in_an_answer_once(instance: Any, ask: Any) -> None:
    instance(1)
    instance(2, address="10.0.0.1")
    found = ask("web.service.consul")
    assert (found.answers, verdicts(found)) == (1, {"web-1": ("in", ""), "web-2": ("out", "duplicate")})
    assert "'web-1' on 'n1'" in found.verdicts[1].detail
    assert ask("web.service.consul", "SRV").answers == 2  # their ports differ


def test_limits_are_told_in_notes_and_cut_instances_take_turns(instance: Any, ask: Any) -> None:
    for number in range(1, 6):
        instance(number)
    found = ask("web.service.consul")
    assert {status for status, _ in verdicts(found).values()} == {"in"}
    assert found.notes == ("over UDP without EDNS an answer has at most 3 of the 5 records; they take turns",)
    cut = ask("web.service.consul", limits=AnswerLimits(addresses=2))
    assert (cut.answers, {status for status, _ in verdicts(cut).values()}) == (2, {"in turns"})
    assert cut.notes == ("every answer has at most 2 of the 5 records; they take turns",)
    assert ask("web.service.consul", "SRV", limits=AnswerLimits(addresses=2)).answers == 5


def test_a_service_that_is_not_there_says_what_is(instance: Any, ask: Any) -> None:
    instance(1, name="payments")
    found = ask("payment.service.consul")
    assert (found.rcode, found.reason) == ("NXDOMAIN", "no service is called 'payment'; there are 'payments'")
    assert "one tag" in ask("a.b.nothing.service.consul").reason


def test_names_in_another_datacenter_say_that_it_is_another(instance: Any, ask: Any) -> None:
    instance(1)
    for name in (
        "web.service.dc2.consul",
        "web.service.dc2.dc.consul",
        "n1.node.dc2.consul",
        "web.service.x.peer.consul",
    ):
        found = ask(name)
        assert found.rcode == "NXDOMAIN", name
        assert "would be a datacenter or a peer; this is 'dc1'" in found.reason, name
    for name in ("web.service.dc1.consul", "web.service.dc1.dc.consul", "n1.node.dc1.consul"):
        assert ask(name).rcode == "NOERROR", name


def test_names_of_no_form_and_foreign_names_are_told_apart(ask: Any) -> None:
    assert "none of the forms" in ask("web.consul").reason
    assert ask("web.consul").rcode == "NXDOMAIN"
    assert ask("example.com").rcode == "REFUSED"
    assert "recursors" in ask("web").reason
    assert ask("consul", "SOA").answers == 1
    assert ask("consul", "A").answers == 0
    assert ask("_web._tcp.consul", "A").rcode == "NXDOMAIN"


def test_nodes_are_answered_whatever_their_health(instance: Any, ask: Any) -> None:
    instance(1, node_checks=["serfHealth"])
    found = ask("n1.node.consul")
    assert (found.rcode, found.answers, verdicts(found)) == ("NOERROR", 1, {"n1": ("in", "")})
    assert found.notes == ("a node is answered whatever its health",)
    assert verdicts(ask("n1.node.consul", "AAAA")) == {"n1": ("out", "family")}
    missing = ask("n11.node.consul")
    assert (missing.rcode, missing.reason) == ("NXDOMAIN", "no node of 'dc1' is called 'n11'; there are 'n1'")


def test_a_prepared_query_says_which_of_its_rules_leaves_an_instance_out(state: Any, instance: Any, ask: Any) -> None:
    instance(1, tags=("v1",), meta={"env": "prod"})
    instance(2, tags=("v1",), meta={"env": "test"})
    instance(3, tags=("v2",), meta={"env": "prod"})
    instance(4, tags=("v1",), meta={"env": "prod"}, status="critical")
    instance(5, tags=("v1",), meta={"env": "prod"}, node_checks=["ignored"])
    query = QueryService("web", tags=("v1",), service_meta={"env": "prod"}, ignore_check_ids=("ignored",))
    state.do(c.PreparedQuerySet("q-1", QueryDefinition("best", query), True))
    found = ask("best.query.consul")
    assert found.meaning == "the prepared query 'best', which finds the service 'web'"
    assert verdicts(found) == {
        "web-1": ("in", ""),
        "web-5": ("in", ""),
        "web-2": ("out", "service-meta"),
        "web-3": ("out", "tag"),
        "web-4": ("out", "check-critical"),
    }
    assert ask("other.query.consul").rcode == "NXDOMAIN"
    template = QueryDefinition("geo-", QueryService("${name.suffix}"), template=QueryTemplate("name_prefix_match"))
    state.do(c.PreparedQuerySet("q-2", template, True))
    assert ask("geo-web.query.consul").answers == 3  # all but the critical ones
    assert "no instance" in ask("geo-db.query.consul").reason
    assert "only be resolved" in ask("q-2.query.consul").reason


def test_the_mesh_s_names_say_what_they_lack(state: Any, instance: Any, ask: Any) -> None:
    instance(1)
    assert "no sidecar" in ask("web.connect.consul").reason
    assert "no ingress gateway" in ask("web.ingress.consul").reason
    assert "it has none" in ask("web.virtual.consul").reason
    state.register("n7", "web-proxy", kind="connect-proxy", proxy=ProxyDefinition("web"), address="10.7.0.1")
    assert verdicts(ask("web.connect.consul")) == {"web-proxy": ("in", "")}
    state.register("n8", "gw", kind="ingress-gateway", address="10.8.0.1")
    state.do(c.GatewayServicesSet("gw", "ingress-gateway", (c.GatewayServiceSpec("web", 80),)))
    assert verdicts(ask("web.ingress.consul")) == {"gw": ("in", "")}


def test_addresses_and_their_reverse_names(instance: Any, ask: Any) -> None:
    instance(1)
    assert ask("0a000001.addr.consul").answers == 1
    assert ask("0a000001.addr.consul", "AAAA").answers == 0
    (node,) = ask("1.0.1.10.in-addr.arpa", "PTR").verdicts
    assert node.record == "PTR n1.node.dc1"
    (service,) = ask("1.0.0.10.in-addr.arpa", "PTR").verdicts
    assert service.record == "PTR web.service.dc1"
    assert ask("9.9.9.9.in-addr.arpa", "PTR").rcode == "NXDOMAIN"
    assert "no whole address" in ask("9.9.in-addr.arpa", "PTR").reason


def test_an_explanation_is_as_new_as_what_it_was_made_of_and_wakes_with_it(state: Any, instance: Any) -> None:
    instance(1)
    labels, rules = (b"web", b"service", b"consul"), DnsRules()
    answer = explain(state.store, labels, "A", rules)
    assert answer.index == state.last.index
    woken: list[int] = []
    state.store.watches.add(answer.tokens, lambda: woken.append(1))
    instance(1, status="critical")
    assert woken == [1]
    assert explain(state.store, labels, "A", rules).value.rcode == "NXDOMAIN"
