"""Host names instead of addresses: resolved here, by recursors, or left to the client."""

from collections import Counter

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from lictor_dns.outcome import Recurse
from lictor_state.commands import CatalogRegister


def finished(outcome, *records, rcode=dns.rcode.NOERROR):
    """The reply when recursors say these records, or nothing."""
    assert isinstance(outcome, Recurse)
    query = dns.message.from_wire(outcome.query)
    upstream = dns.message.make_response(query)
    upstream.set_rcode(rcode)
    upstream.answer = [dns.rrset.from_text(*record) for record in records]
    return query, dns.message.from_wire(outcome.finish(upstream.to_wire()) or b"")


def test_an_alias_to_a_name_of_ours_brings_its_records_along(world, texts):
    for number in (1, 2):
        world.instance(number)
    world.instance(3, name="front", address="web.service.consul")
    reply = world.ask("front.service.consul.", edns=1232)
    assert texts(reply.answer) == [
        "front.service.consul. CNAME web.service.consul.",
        "web.service.consul. A 10.0.0.1",
        "web.service.consul. A 10.0.0.2",
    ]
    srv = world.ask("front.service.consul.", "SRV", edns=1232)
    assert texts(srv.answer) == ["front.service.consul. SRV 1 1 8003 web.service.consul."]
    assert texts(srv.additional) == ["web.service.consul. A 10.0.0.1", "web.service.consul. A 10.0.0.2"]


def test_what_an_alias_leads_to_is_followed_when_it_changes_or_comes_to_be(world, texts):
    world.instance(3, name="front", address="web.service.consul")
    assert texts(world.ask("front.service.consul.").answer) == ["front.service.consul. CNAME web.service.consul."]
    world.instance(1)
    assert "web.service.consul. A 10.0.0.1" in texts(world.ask("front.service.consul.").answer)
    world.instance(1, status="critical")
    assert len(texts(world.ask("front.service.consul.").answer)) == 1


def test_what_stands_behind_an_alias_takes_turns(world):
    for number in range(1, 6):
        world.instance(number)
    world.instance(9, name="front", address="web.service.consul")
    firsts = Counter(str(world.ask("front.service.consul.", edns=1232).answer[1][0]) for _ in range(100))
    assert set(firsts.values()) == {20}


def test_host_names_of_one_service_take_turns(world):
    for number in (1, 2, 3):
        world.instance(number, address=f"h{number}.example.com")
    seen = Counter(str(world.ask("web.service.consul.").answer[0][0]) for _ in range(30))
    assert set(seen.values()) == {10}


def test_of_host_names_within_and_outside_the_domain_recursors_say_those_outside(make_world, texts):
    world = make_world(recursion=True)
    world.instance(1, name="web", address="db.service.consul")
    world.instance(2, name="web", address="h.example.com")
    world.instance(3, name="db")
    seen = set()
    for _ in range(40):
        outcome = world.outcome("web.service.consul.")
        if isinstance(outcome, Recurse):
            _, reply = finished(outcome, ("h.example.com.", 5, "IN", "A", "192.0.2.1"))
        else:
            reply = dns.message.from_wire(outcome)
        seen.add(tuple(texts(reply.answer)))
    assert seen == {
        ("db.service.consul. A 10.0.0.3", "web.service.consul. CNAME db.service.consul."),
        ("h.example.com. A 192.0.2.1", "web.service.consul. CNAME h.example.com."),
    }


def test_names_are_followed_three_deep_and_circles_end(world, texts):
    for number in range(1, 6):
        world.instance(number, name=f"s{number}", address=f"s{number + 1}.service.consul")
    world.instance(6, name="s6")
    assert texts(world.ask("s3.service.consul.", edns=4096).answer)[-1] == "s6.service.consul. A 10.0.0.6"
    deep = texts(world.ask("s1.service.consul.", edns=4096).answer)
    assert deep == [f"s{number}.service.consul. CNAME s{number + 1}.service.consul." for number in range(1, 5)]
    world.instance(7, name="a", address="b.service.consul")
    world.instance(8, name="b", address="a.service.consul")
    assert len(texts(world.ask("a.service.consul.", edns=4096).answer)) <= 3


def test_a_service_that_gives_its_own_name_has_its_nodes_address(world, texts):
    world.instance(1, address="web.service.consul")
    assert texts(world.ask("web.service.consul.").answer) == ["web.service.consul. A 10.1.0.1"]
    assert texts(world.ask("web.service.consul.", "SRV").answer) == [
        "web.service.consul. SRV 1 1 8001 n1.node.dc1.consul."
    ]


def test_a_node_with_a_host_name_is_an_alias_for_types_of_addresses(world, texts):
    world.apply(CatalogRegister("ext", "host.example.com", "dc1", node_meta={"a": "b"}))
    for rtype in ("A", "AAAA"):
        assert texts(world.ask("ext.node.consul.", rtype).answer) == ["ext.node.consul. CNAME host.example.com."]
    assert texts(world.ask("ext.node.consul.", "TXT").answer) == ['ext.node.consul. TXT "a=b"']
    assert world.ask("ext.node.consul.", "MX").answer == []


def test_recursors_say_the_addresses_of_foreign_hosts(make_world, texts):
    world = make_world(recursion=True)
    world.instance(1, address="db.example.com")
    outcome = world.outcome("web.service.consul.", "A")
    asked, reply = finished(
        outcome,
        ("db.example.com.", 300, "IN", "CNAME", "real.example.com."),
        ("real.example.com.", 300, "IN", "A", "192.0.2.1"),
        ("real.example.com.", 300, "IN", "TXT", "ignored"),
    )
    assert (str(asked.question[0].name), asked.question[0].rdtype) == ("db.example.com.", dns.rdatatype.A)
    assert asked.flags & dns.flags.RD
    assert texts(reply.answer) == [
        "db.example.com. CNAME real.example.com.",
        "real.example.com. A 192.0.2.1",
        "web.service.consul. CNAME db.example.com.",
    ]
    assert {rrset.ttl for rrset in reply.answer} == {0}
    assert reply.flags & dns.flags.RA
    assert reply.flags & dns.flags.AA


def test_ipv6_is_asked_of_recursors_by_who_wants_it_and_targets_go_to_additional(make_world, texts):
    world = make_world(recursion=True)
    world.instance(1, address="db.example.com")
    asked, _ = finished(world.outcome("web.service.consul.", "AAAA"))
    assert asked.question[0].rdtype == dns.rdatatype.AAAA
    _, reply = finished(world.outcome("web.service.consul.", "SRV"), ("db.example.com.", 5, "IN", "A", "192.0.2.1"))
    assert texts(reply.answer) == ["web.service.consul. SRV 1 1 8001 db.example.com."]
    assert texts(reply.additional) == ["db.example.com. A 192.0.2.1"]


@pytest.mark.parametrize("upstream", [None, b"", b"garbage that is long enough to be one"])
def test_an_alias_is_answered_without_recursors_too(make_world, texts, upstream):
    world = make_world(recursion=True)
    world.instance(1, address="db.example.com")
    outcome = world.outcome("web.service.consul.")
    assert isinstance(outcome, Recurse)
    reply = dns.message.from_wire(outcome.finish(upstream) or b"")
    assert texts(reply.answer) == ["web.service.consul. CNAME db.example.com."]


def test_who_does_not_want_recursion_gets_the_alias_at_once(make_world):
    world = make_world(recursion=True)
    world.instance(1, address="db.example.com")
    query = dns.message.make_query("web.service.consul.", "A", flags=0)
    assert isinstance(world.responder.answer_udp(query.to_wire(), bytes(4)), bytes)


def test_only_five_records_follow_an_alias_without_edns(make_world):
    world = make_world(recursion=True, udp_answer_limit=8)
    world.instance(1, address="db.example.com")
    records = [("db.example.com.", 5, "IN", "A", f"192.0.2.{number}") for number in range(1, 10)]
    _, plain = finished(world.outcome("web.service.consul."), *records)
    _, more = finished(world.outcome("web.service.consul.", edns=1232), *records)
    assert [sum(map(len, reply.answer)) for reply in (plain, more)] == [6, 10]


def test_a_reverse_name_that_nobody_has_is_passed_on(make_world):
    world = make_world(recursion=True)
    world.instance(1)
    assert isinstance(world.outcome("9.9.9.9.in-addr.arpa.", "PTR"), Recurse)
    assert isinstance(world.outcome("1.0.1.10.in-addr.arpa.", "PTR"), bytes)
