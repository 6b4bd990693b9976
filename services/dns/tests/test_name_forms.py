"""The forms of names beyond services and nodes: connect, ingress, virtual, reverse, alternative domain, queries."""

import dns.edns
import dns.flags
import dns.rcode
import pytest

from lictor_dns.zone import ServiceTtls, SoaTimes
from lictor_state.commands import (
    CatalogDeregister,
    CatalogRegister,
    CoordinateSpec,
    CoordinatesUpdate,
    PreparedQueryDelete,
)
from lictor_state.mesh_commands import GatewayServicesSet


def addresses(reply):
    return [str(rdata) for rrset in reply.answer for rdata in rrset]


def test_connect_finds_the_proxies_that_lead_to_a_service(world, texts):
    world.instance(1)
    assert world.ask("web.connect.consul.").rcode() == dns.rcode.NXDOMAIN
    world.proxy(1)
    assert texts(world.ask("web.connect.consul.", "SRV").answer) == [
        "web.connect.consul. SRV 1 1 21001 0a020001.addr.dc1.consul."
    ]


def test_ingress_finds_the_gateways_that_serve_a_service(world, texts):
    world.gateway(1, "web", "api")
    world.gateway(2, "web")
    assert texts(world.ask("web.ingress.consul.").answer) == [
        "web.ingress.consul. A 10.3.0.1",
        "web.ingress.consul. A 10.3.0.2",
    ]
    assert world.ask("api.ingress.consul.").rcode() == dns.rcode.NXDOMAIN, "the gateway's services are written whole"
    world.apply(GatewayServicesSet("edge", "ingress-gateway"))
    assert world.ask("web.ingress.consul.").rcode() == dns.rcode.NXDOMAIN


def test_a_service_of_the_mesh_has_a_virtual_address_whatever_type_is_asked(world, texts):
    world.instance(1)
    empty = world.ask("web.virtual.consul.")
    assert (empty.rcode(), empty.answer, empty.authority) == (dns.rcode.NOERROR, [], [])
    world.proxy(1)
    for rtype in ("A", "AAAA", "SRV"):
        assert texts(world.ask("web.virtual.consul.", rtype).answer) == ["web.virtual.consul. A 240.0.0.1"]
    assert world.ask("web.virtual.east.consul.").answer == []
    world.apply(CatalogDeregister("n1", service_id="web-sidecar-proxy-1"))
    assert world.ask("web.virtual.consul.").answer == []


def test_reverse_names_lead_to_nodes_first_and_then_to_services(world, texts):
    world.instance(1, node_address="10.1.0.1")
    assert texts(world.ask("1.0.1.10.in-addr.arpa.", "PTR").answer) == [
        "1.0.1.10.in-addr.arpa. PTR n1.node.dc1.consul."
    ]
    assert texts(world.ask("1.0.0.10.in-addr.arpa.", "PTR").answer) == [
        "1.0.0.10.in-addr.arpa. PTR web.service.dc1.consul."
    ]
    world.apply(CatalogRegister("n9", "10.0.0.1", "dc1"))
    assert addresses(world.ask("1.0.0.10.in-addr.arpa.", "PTR")) == ["n9.node.dc1.consul."]
    world.apply(CatalogDeregister("n9"))
    assert addresses(world.ask("1.0.0.10.in-addr.arpa.", "PTR")) == ["web.service.dc1.consul."]
    world.instance(1, address="10.0.0.7", node_address="2001:db8::1")
    assert world.ask("1.0.0.10.in-addr.arpa.", "PTR").rcode() == dns.rcode.NXDOMAIN
    six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
    assert addresses(world.ask(six, "PTR")) == ["n1.node.dc1.consul."]
    world.zone.reset()
    assert addresses(world.ask(six, "PTR")) == ["n1.node.dc1.consul."]


@pytest.mark.parametrize("name", ["9.9.9.9.in-addr.arpa.", "0.10.in-addr.arpa.", "home.arpa.", "x.ip6.arpa."])
def test_an_address_that_nobody_has_is_nxdomain(world, name):
    world.instance(1)
    assert world.ask(name, "PTR").rcode() == dns.rcode.NXDOMAIN


def test_the_alternative_domain_has_the_same_names_and_is_named_in_answers(make_world, texts):
    world = make_world(alt_domain="sd.example.com")
    world.servers(1)
    world.instance(1)
    reply = world.ask("web.service.sd.example.com.", "SRV")
    assert texts(reply.answer) == ["web.service.sd.example.com. SRV 1 1 8001 0a000001.addr.dc1.sd.example.com."]
    assert texts(reply.additional) == ["0a000001.addr.dc1.sd.example.com. A 10.0.0.1"]
    assert str(world.ask("no.service.sd.example.com.").authority[0].name) == "sd.example.com."
    assert texts(world.ask("sd.example.com.", "NS").answer) == ["sd.example.com. NS server-1.node.dc1.sd.example.com."]
    assert texts(world.ask("web.service.consul.", "SRV").answer) == [
        "web.service.consul. SRV 1 1 8001 0a000001.addr.dc1.consul."
    ]
    assert addresses(world.ask("1.0.0.10.in-addr.arpa.", "PTR")) == ["web.service.dc1.consul."]
    assert world.ask("web.service.example.com.").rcode() == dns.rcode.REFUSED


def test_soa_and_ns_are_answered_for_every_name_and_belong_to_the_domain(world, texts):
    world.servers(5)
    soa = world.ask("web.service.consul.", "SOA")
    assert str(soa.answer[0].name) == "consul."
    assert len(soa.authority[0]) == 3
    assert len(soa.additional) == 3
    reply = world.ask("x.consul.", "NS")
    assert len(reply.answer[0]) == 3
    assert str(reply.answer[0].name) == "consul."


def test_servers_with_names_that_are_no_host_names_are_not_named(world):
    world.servers(1)
    world.instance(1, name="consul")
    world.apply(CatalogRegister("bad_name", "10.1.0.9", "dc1"))
    assert len(world.ask("consul.", "NS").answer[0]) == 2


def test_times_of_the_soa_are_settings_and_its_minimum_is_its_ttl(make_world):
    world = make_world(soa=SoaTimes(1, 2, 3, 4))
    negative = world.ask("no.service.consul.").authority[0]
    assert negative.ttl == 4
    (soa,) = negative
    assert (soa.refresh, soa.retry, soa.expire, soa.minimum) == (1, 2, 3, 4)


def test_ttls_are_those_of_the_longest_name_that_fits(make_world):
    world = make_world(service_ttls=ServiceTtls.from_text("web=5,db-*=7,db-main*=8,*=9"), node_ttl_s=3)
    for number, (name, ttl) in enumerate([("web", 5), ("db-x", 7), ("db-main-1", 8), ("other", 9)], 1):
        world.instance(number, name=name)
        for rtype in ("A", "SRV"):
            reply = world.ask(f"{name}.service.consul.", rtype)
            assert {rrset.ttl for rrset in (*reply.answer, *reply.additional)} == {ttl}
    assert world.ask("n1.node.consul.").answer[0].ttl == 3
    assert world.ask("0a000001.addr.consul.").answer[0].ttl == 3
    with pytest.raises(ValueError, match="seconds are due"):
        ServiceTtls.from_text("web=5s")


def test_a_prepared_query_is_found_by_name_by_id_and_in_the_form_of_rfc_2782(world):
    world.instance(1)
    world.query("My.Query", query_id="6e0a-id")
    for name in ("my.query.query.consul.", "MY.Query.Query.dc1.consul.", "6E0A-id.query.consul."):
        assert addresses(world.ask(name)) == ["10.0.0.1"], name
    srv = world.ask("_my.query._tcp.query.consul.", "SRV")
    assert addresses(srv) == ["1 1 8001 0a000001.addr.dc1.consul."]
    assert world.ask("other.query.consul.").rcode() == dns.rcode.NXDOMAIN
    assert world.ask("my.query.query.dc2.consul.").rcode() == dns.rcode.NXDOMAIN


def test_a_prepared_query_has_its_own_ttl_or_its_services(make_world):
    world = make_world(service_ttls=ServiceTtls({"web": 4}))
    world.instance(1)
    world.query("own", dns_ttl="1m30s")
    world.query("plain")
    assert world.ask("own.query.consul.").answer[0].ttl == 90
    assert world.ask("plain.query.consul.").answer[0].ttl == 4


def test_a_prepared_query_judges_health_by_its_own_rule(world):
    world.instance(1, status="warning")
    world.query("all")
    world.query("passing", only_passing=True)
    assert addresses(world.ask("all.query.consul.")) == ["10.0.0.1"]
    assert world.ask("passing.query.consul.").rcode() == dns.rcode.NXDOMAIN


def test_a_query_that_changes_hands_is_answered_anew(world):
    world.instance(1)
    world.instance(2, name="db")
    world.query("geo-", "${name.suffix}", template=True)
    assert addresses(world.ask("geo-web.query.consul.")) == ["10.0.0.1"]
    world.query("geo-web", "db")
    assert addresses(world.ask("geo-web.query.consul.")) == ["10.0.0.2"]
    world.apply(PreparedQueryDelete("id-of-geo-web"))
    assert addresses(world.ask("geo-web.query.consul.")) == ["10.0.0.1"]
    world.query("geo-w", "db", template=True)
    assert addresses(world.ask("geo-web.query.consul.")) == ["10.0.0.2"]
    world.query("renamed", "db", query_id="id-of-geo-w")
    assert addresses(world.ask("geo-web.query.consul.")) == ["10.0.0.1"]


def place(node, where):
    return CoordinateSpec(node, "", (where, *[0.0] * 7), 0.1, 0.0, 1e-5)


def test_near_orders_by_distance_and_follows_coordinates(make_world):
    world = make_world(node="n1")
    for number in range(1, 6):
        world.instance(number)
    world.apply(CoordinatesUpdate(tuple(place(f"n{number}", number / 10) for number in range(1, 6))))
    world.query("near", near="_agent")
    for _ in range(5):
        reply = world.ask("near.query.consul.", tcp=True)
        assert addresses(reply) == [f"10.0.0.{number}" for number in range(1, 6)]
    assert addresses(world.ask("near.query.consul."))[0] == "10.0.0.1"
    world.apply(CoordinatesUpdate((place("n1", 0.6),)))
    assert addresses(world.ask("near.query.consul."))[:2] == ["10.0.0.1", "10.0.0.5"]


def test_near_the_asker_depends_on_each_client_and_on_its_subnet(world):
    for number in range(1, 6):
        world.instance(number)
    world.apply(CoordinatesUpdate(tuple(place(f"n{number}", number / 10) for number in range(1, 6))))
    world.query("near", near="_ip")
    for number in (4, 2, 4):
        reply = world.ask("near.query.consul.", client=bytes((10, 1, 0, number)))
        assert addresses(reply)[0] == f"10.0.0.{number}"
        subnet = dns.edns.ECSOption(f"10.1.0.{number}", 32)
        reply = world.ask("near.query.consul.", edns=1232, options=[subnet])
        assert addresses(reply)[0] == f"10.0.0.{number}"
