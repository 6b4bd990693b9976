"""Names to instances, with dnspython as the client."""

import random
from collections import Counter

import dns.flags
import dns.message
import dns.rcode
import pytest

from lictor_state.commands import (
    AgentCheckDeregister,
    AgentCheckRegister,
    AgentServiceRegister,
    CatalogDeregister,
    CatalogRegister,
    CheckSpec,
    ServiceSpec,
)
from lictor_state.rows import Weights

CLIENT = bytes((127, 0, 0, 1))


def test_an_address_query_gives_the_passing_instances(world, texts):
    world.instance(1)
    world.instance(2)
    world.instance(3, status="critical")
    world.instance(4, status="warning")
    reply = world.ask("web.service.consul.")
    assert texts(reply.answer) == ["web.service.consul. A 10.0.0.1", "web.service.consul. A 10.0.0.2"]
    assert reply.flags & dns.flags.AA
    assert not reply.flags & dns.flags.TC


def test_warning_instances_count_where_only_critical_ones_are_left_out(make_world, texts):
    world = make_world(only_passing=False)
    world.instance(1, status="warning", weights=Weights(10, 2))
    world.instance(2, status="critical")
    assert texts(world.ask("web.service.consul.").answer) == ["web.service.consul. A 10.0.0.1"]
    (srv,) = world.ask("web.service.consul.", "SRV").answer[0]
    assert srv.weight == 2


def test_a_critical_node_takes_its_instances_out(world):
    world.instance(1)
    world.apply(CatalogRegister("n1", "10.1.0.1", "dc1", checks=(CheckSpec("disk", "disk", status="critical"),)))
    assert world.ask("web.service.consul.").rcode() == dns.rcode.NXDOMAIN


def test_what_is_in_maintenance_is_not_answered_and_returns_afterwards(world, texts):
    for number in (1, 2):
        service = ServiceSpec(f"web-{number}", "web", address=f"10.0.0.{number}", port=80)
        world.apply(AgentServiceRegister("n1", "10.1.0.1", "dc1", service))
    both = ["web.service.consul. A 10.0.0.1", "web.service.consul. A 10.0.0.2"]
    of_one = CheckSpec("_service_maintenance:web-1", "m", type="maintenance", service_id="web-1")
    world.apply(AgentCheckRegister("n1", "10.1.0.1", "dc1", of_one))
    assert texts(world.ask("web.service.consul.").answer) == both[1:]
    world.apply(AgentCheckDeregister("n1", of_one.check_id))
    assert texts(world.ask("web.service.consul.").answer) == both
    of_node = CheckSpec("_node_maintenance", "m", type="maintenance")
    world.apply(AgentCheckRegister("n1", "10.1.0.1", "dc1", of_node))
    assert world.ask("web.service.consul.").rcode() == dns.rcode.NXDOMAIN
    world.apply(AgentCheckDeregister("n1", of_node.check_id))
    assert texts(world.ask("web.service.consul.").answer) == both


@pytest.mark.parametrize(
    "name",
    [
        "web.service.consul.",
        "web.service.dc1.consul.",
        "web.service.dc1.dc.consul.",
        "WEB.Service.CONSUL.",
        "_web._tcp.service.consul.",
        "_web._v1.service.consul.",
        "v1.web.service.consul.",
        "V1.web.service.dc1.consul.",
    ],
)
def test_every_spelling_of_a_service_finds_it_and_is_repeated(world, name):
    world.instance(1, tags=("v1",))
    reply = world.ask(name)
    assert [str(rdata) for rdata in reply.answer[0]] == ["10.0.0.1"]
    assert str(reply.answer[0].name) == name


@pytest.mark.parametrize(
    "name",
    [
        "nothing.service.consul.",
        "v2.web.service.consul.",
        "web.service.dc2.consul.",
        "web.consul.",
        "service.consul.",
        "web.ingress.consul.",
        "web.query.consul.",
        "web.service.dc1.consul.peer.consul.",
        "web.service.cluster-2.peer.consul.",
        "nowhere.node.consul.",
        "0a0000.addr.consul.",
        "zzzzzzzz.addr.consul.",
    ],
)
def test_a_name_that_does_not_exist_is_nxdomain_with_soa(world, name):
    world.instance(1, tags=("v1",))
    reply = world.ask(name)
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert reply.authority[0][0].serial == world.store.index
    assert str(reply.authority[0].name) == "consul."


def test_a_type_that_a_service_lacks_is_nodata_with_soa(world):
    world.instance(1)
    reply = world.ask("web.service.consul.", "AAAA")
    assert (reply.rcode(), reply.answer, len(reply.authority)) == (dns.rcode.NOERROR, [], 1)


def test_srv_records_name_port_weight_and_target_with_its_address(world, texts):
    world.instance(1, weights=Weights(7, 1))
    world.instance(2, address="")
    world.instance(3, address="2001:db8::3")
    world.instance(4, address="db.example.com")
    reply = world.ask("web.service.consul.", "SRV", edns=4096)
    assert texts(reply.answer) == [
        "web.service.consul. SRV 1 1 8002 n2.node.dc1.consul.",
        "web.service.consul. SRV 1 1 8003 20010db8000000000000000000000003.addr.dc1.consul.",
        "web.service.consul. SRV 1 1 8004 db.example.com.",
        "web.service.consul. SRV 1 7 8001 0a000001.addr.dc1.consul.",
    ]
    assert texts(reply.additional) == [
        "0a000001.addr.dc1.consul. A 10.0.0.1",
        "20010db8000000000000000000000003.addr.dc1.consul. AAAA 2001:db8::3",
        "n2.node.dc1.consul. A 10.1.0.2",
    ]


def test_the_names_in_srv_targets_resolve(world):
    world.instance(1)
    world.instance(2, address="")
    for rdata in world.ask("web.service.consul.", "SRV").answer[0]:
        assert len(world.ask(str(rdata.target)).answer) == 1


def test_host_names_stand_in_as_one_alias_only_where_no_instance_has_an_address(world, texts):
    world.instance(1, address="a.example.com")
    world.instance(2, address="b.example.com")
    reply = world.ask("web.service.consul.")
    assert len(texts(reply.answer)) == 1
    assert "CNAME" in texts(reply.answer)[0]
    world.instance(3)
    assert texts(world.ask("web.service.consul.").answer) == ["web.service.consul. A 10.0.0.3"]


def test_a_node_has_its_address_and_its_meta(world, texts):
    world.apply(CatalogRegister("web.1", "10.1.0.1", "dc1", node_meta={"zone": "a", "rfc1035-x": "raw"}))
    assert texts(world.ask("web.1.node.consul.").answer) == ["web.1.node.consul. A 10.1.0.1"]
    assert texts(world.ask("web.1.node.consul.", "TXT").answer) == [
        'web.1.node.consul. TXT "raw"',
        'web.1.node.consul. TXT "zone=a"',
    ]
    assert len(texts(world.ask("web.1.node.consul.", "ANY").answer)) == 3
    empty = world.ask("web.1.node.consul.", "AAAA")
    assert (empty.rcode(), empty.answer, empty.authority) == (dns.rcode.NOERROR, [], [])


def test_an_address_name_gives_its_address_and_another_type_goes_to_additional(world, texts):
    assert texts(world.ask("0a000001.addr.consul.").answer) == ["0a000001.addr.consul. A 10.0.0.1"]
    reply = world.ask("0a000001.addr.consul.", "AAAA")
    assert (reply.rcode(), reply.answer, len(reply.additional)) == (dns.rcode.NOERROR, [], 1)


def test_the_domain_has_soa_and_name_servers(world, texts):
    world.servers()
    (soa,) = world.ask("consul.", "SOA").answer[0]
    assert (str(soa.mname), str(soa.rname), soa.serial) == ("ns.consul.", "hostmaster.consul.", world.store.index)
    reply = world.ask("consul.", "NS")
    assert len(texts(reply.answer)) == 3
    assert "server-1.node.dc1.consul. A 10.9.0.1" in texts(reply.additional)


@pytest.mark.parametrize(
    ("name", "rtype", "rcode"),
    [
        ("example.com.", "A", dns.rcode.REFUSED),
        ("consulx.", "A", dns.rcode.REFUSED),
        ("web.service.consul.", "AXFR", dns.rcode.NOTIMP),
    ],
)
def test_what_is_not_ours_is_refused(world, name, rtype, rcode):
    assert world.ask(name, rtype, tcp=True).rcode() == rcode


def test_another_opcode_is_not_implemented_and_garbage_is_a_format_error(world):
    update = dns.message.make_query("consul.", "SOA")
    update.flags |= 5 << 11
    assert dns.message.from_wire(world.responder.answer_udp(update.to_wire(), CLIENT)).rcode() == dns.rcode.NOTIMP
    broken = dns.message.make_query("consul.", "A").to_wire()[:-1]
    assert world.responder.answer_udp(broken, CLIENT)[3] & 15 == dns.rcode.FORMERR
    assert world.responder.answer_udp(b"\0", CLIENT) is None
    assert world.responder.answer_udp(world.responder.answer_udp(update.to_wire(), CLIENT), CLIENT) is None, (
        "never answer an answer"
    )


def test_before_the_view_is_complete_nothing_is_claimed(world):
    world.responder.complete = False
    assert world.ask("web.service.consul.").rcode() == dns.rcode.SERVFAIL


def test_over_udp_without_edns_three_answers_are_given_with_it_and_over_tcp_all(world):
    for number in range(1, 11):
        world.instance(number)
    assert len(world.ask("web.service.consul.").answer[0]) == 3
    assert len(world.ask("web.service.consul.", edns=4096).answer[0]) == 10
    assert len(world.ask("web.service.consul.", tcp=True).answer[0]) == 10
    assert world.ask("web.service.consul.", edns=4096).edns == 0


def test_what_does_not_fit_is_cut_and_told_where_that_is_wished(make_world):
    world = make_world(enable_truncate=True)
    for number in range(1, 200):
        world.instance(number)
    reply = world.ask("web.service.consul.", edns=600)
    assert reply.flags & dns.flags.TC
    assert len(reply.to_wire()) <= 600
    whole = world.ask("web.service.consul.", tcp=True)
    assert len(whole.answer[0]) == 199
    assert not whole.flags & dns.flags.TC


def test_first_answers_are_spread_evenly(world):
    for number in range(1, 11):
        world.instance(number)
    first = Counter(str(world.ask("web.service.consul.").answer[0][0]) for _ in range(1000))
    assert set(first.values()) == {100}


def test_a_change_is_in_the_next_answer_and_other_names_keep_their_sets(world):
    world.instance(1)
    world.instance(1, name="other", address="10.5.0.1")
    world.ask("other.service.consul.")
    kept = dict(world.zone._sets)
    world.instance(2)
    assert len(world.ask("web.service.consul.").answer[0]) == 2
    world.instance(2, status="critical")
    assert len(world.ask("web.service.consul.").answer[0]) == 1
    world.apply(CatalogDeregister("n2"))
    assert all(world.zone._sets[key] is made for key, made in kept.items())


def test_after_any_changes_the_kept_answers_equal_fresh_ones(world, make_world):
    dice = random.Random(11)
    names = [f"{name}.service.consul." for name in ("web", "db")] + [f"n{number}.node.consul." for number in (1, 2, 3)]
    for _ in range(150):
        number, name = dice.randint(1, 3), dice.choice(["web", "db"])
        if dice.random() < 0.2:
            world.apply(CatalogDeregister(f"n{number}", service_id=dice.choice(["", f"{name}-{number}"])))
        else:
            world.instance(
                number,
                name=name,
                status=dice.choice(["passing", "warning", "critical"]),
                address=dice.choice(["", f"10.0.0.{number}"]),
                node_address=dice.choice([f"10.1.0.{number}", f"10.2.0.{number}"]),
            )
        fresh = make_world()
        fresh.store = world.store
        for asked in names:
            for rtype in ("A", "SRV"):
                kept, new = world.ask(asked, rtype), fresh.ask(asked, rtype)
                assert kept.rcode() == new.rcode()
                assert {str(rdata) for rrset in kept.answer for rdata in rrset} == {
                    str(rdata) for rrset in new.answer for rdata in rrset
                }


def test_made_up_names_fill_no_memory(world):
    world.instance(1)
    for number in range(2000):
        world.ask(f"x{number}.service.consul.")
    assert len(world.zone._sets) == 0
    assert len(world.responder.ready) == 0
