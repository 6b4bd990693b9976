"""How many answers, how large a reply, and what EDNS changes."""

from collections import Counter

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from lictor_state.commands import CatalogRegister

UNKNOWN = dns.edns.OptionType.make(65_001)
META = {f"key-{number:02}": "v" * 60 for number in range(20)}


def count(section):
    return sum(map(len, section))


def filled(world, number, **more):
    for one in range(1, number + 1):
        world.instance(one, **more)
    return world


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_the_limit_over_udp_counts_for_clients_without_room_only(make_world, limit):
    world = filled(make_world(udp_answer_limit=limit), 12)
    assert count(world.ask("web.service.consul.").answer) == limit
    assert count(world.ask("web.service.consul.", edns=512).answer) == limit
    assert count(world.ask("web.service.consul.", edns=513).answer) == 12
    assert count(world.ask("web.service.consul.", tcp=True).answer) == 12
    srv = world.ask("web.service.consul.", "SRV")
    # sizes count uncompressed here, so that no more than four SRV answers fit into 512 bytes with their addresses
    assert count(srv.answer) == count(srv.additional) == min(limit, 4)


def test_the_limit_of_addresses_counts_everywhere_but_not_for_srv(make_world):
    world = filled(make_world(a_record_limit=2), 6)
    for more in ({}, {"edns": 4096}, {"tcp": True}):
        assert count(world.ask("web.service.consul.", **more).answer) == 2
        assert count(world.ask("web.service.consul.", "ANY", **more).answer) == 2
    assert count(world.ask("web.service.consul.", "SRV", tcp=True).answer) == 6


def test_leaving_instances_out_is_told_only_where_that_is_wished(make_world):
    for wished in (False, True):
        world = filled(make_world(enable_truncate=wished), 12)
        assert bool(world.ask("web.service.consul.").flags & dns.flags.TC) == wished
        assert not world.ask("web.service.consul.", tcp=True).flags & dns.flags.TC
        assert not world.ask("web.service.consul.", edns=1232).flags & dns.flags.TC


@pytest.mark.parametrize(("rtype", "most"), [("A", 199), ("SRV", 199)])
@pytest.mark.parametrize("size", [512, 600, 1232, 4096, 65_535])
def test_a_reply_fits_and_every_target_in_it_has_its_address(make_world, rtype, most, size):
    world = make_world(udp_answer_limit=8)
    for number in range(1, most + 1):
        world.instance(number, address="" if number % 2 else f"10.0.0.{number}")
    query = dns.message.make_query("web.service.consul.", rtype, use_edns=0, payload=size)
    wire = world.responder.answer_udp(query.to_wire(), bytes(4))
    assert len(wire) <= size
    reply = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert 1 <= len(reply.answer) <= most
    if rtype == "SRV":
        assert [str(one.name) for one in reply.additional] == [str(one[0].target) for one in reply.answer]
    if size > 512:
        more = 16 if rtype == "A" else 60
        assert len(reply.answer) == most or len(wire) > size - more


def test_the_meta_of_nodes_is_told_while_it_fits(make_world, texts):
    world = make_world()
    world.instance(1)
    world.apply(CatalogRegister("n1", "10.1.0.1", "dc1", node_meta={"rack": "7", "a=b": "c`d", " e ": "f"}))
    meta = ['TXT "` e` =f"', 'TXT "a`=b=c``d"', 'TXT "rack=7"']
    assert texts(world.ask("n1.node.consul.").additional) == [f"n1.node.consul. {text}" for text in meta]
    assert texts(world.ask("n1.node.consul.", "AAAA").additional) == [f"n1.node.consul. {text}" for text in meta]
    assert texts(world.ask("web.service.consul.", "SRV").additional) == [
        "0a000001.addr.dc1.consul. A 10.0.0.1",
        *[f"n1.node.dc1.consul. {text}" for text in meta],
    ]
    assert world.ask("web.service.consul.").additional == []
    quiet = make_world(node_meta_txt=False)
    quiet.apply(CatalogRegister("n1", "10.1.0.1", "dc1", node_meta={"rack": "7"}))
    assert quiet.ask("n1.node.consul.").additional == []
    assert texts(quiet.ask("n1.node.consul.", "TXT").answer) == ['n1.node.consul. TXT "rack=7"']


def test_meta_that_does_not_fit_is_left_out_beside_an_answer_and_told_as_one(world):
    world.apply(CatalogRegister("n1", "10.1.0.1", "dc1", node_meta=META))
    beside = world.ask("n1.node.consul.")
    assert (count(beside.answer), count(beside.additional)) == (1, 0)
    assert not beside.flags & dns.flags.TC
    alone = world.ask("n1.node.consul.", "TXT")
    assert 0 < count(alone.answer) < 20
    assert alone.flags & dns.flags.TC
    assert count(world.ask("n1.node.consul.", "TXT", tcp=True).answer) == 20


def test_without_compression_names_are_spelt_out_and_say_the_same(make_world):
    for edns in (None, 1232):
        plain, small = filled(make_world(compress=False), 30), filled(make_world(), 30)
        for rtype in ("A", "SRV"):
            query = dns.message.make_query(
                "web.service.consul.", rtype, use_edns=edns is not None, payload=edns or 0
            ).to_wire()
            wire = plain.responder.answer_udp(query, bytes(4))
            assert b"\xc0" not in wire[2:], "but for the id, which may hold it"
            assert len(wire) <= (edns or 512)
            reply = dns.message.from_wire(wire)
            other = dns.message.from_wire(small.responder.answer_udp(query, bytes(4)))
            assert {rrset.name for rrset in reply.answer} == {rrset.name for rrset in other.answer}
            assert 0 < count(reply.answer) <= count(other.answer)


def test_the_clients_subnet_is_repeated_with_the_scope_of_the_answer(world):
    world.instance(1)
    world.query("q")
    subnet = dns.edns.ECSOption("192.0.2.0", 24)
    for name, scope in [
        ("web.service.consul.", 0),
        ("n1.node.consul.", 0),
        ("q.query.consul.", 24),
        ("none.query.consul.", 0),
        ("no.service.consul.", 0),
    ]:
        (option,) = world.ask(name, edns=1232, options=[subnet]).options
        assert (option.address, option.srclen, option.scopelen) == ("192.0.2.0", 24, scope), name


@pytest.mark.parametrize(
    "data", [b"", b"\0\1\x21\0" + bytes(5), b"\0\3\x08\0\1", b"\0\1\x18\0\1\2\3\4", b"\0\1\x04\0\xff"]
)
def test_a_subnet_that_breaks_its_rules_is_a_format_error(world, data):
    world.instance(1)
    query = dns.message.make_query(
        "web.service.consul.", "A", use_edns=0, options=[dns.edns.GenericOption(dns.edns.OptionType.ECS, data)]
    )
    reply = world.responder.answer_udp(query.to_wire(), bytes(4))
    assert reply[3] & 15 == dns.rcode.FORMERR


def test_options_that_we_do_not_know_are_not_repeated_and_a_higher_version_is_refused(world):
    world.instance(1)
    unknown = dns.edns.GenericOption(UNKNOWN, b"abc")
    reply = world.ask("web.service.consul.", edns=1400, options=[unknown])
    assert (reply.options, reply.payload) == ((), 1400)
    query = dns.message.make_query("web.service.consul.", "A", use_edns=1)
    assert dns.message.from_wire(world.responder.answer_udp(query.to_wire(), bytes(4))).rcode() == dns.rcode.BADVERS


def test_over_tcp_there_are_at_most_1024_srv_answers(world):
    for number in range(1, 1101):
        world.instance(number, address="10.0.0.1")
    assert count(world.ask("web.service.consul.", "SRV", tcp=True).answer) == 1024


@pytest.mark.parametrize("edns", [None, 1232])
@pytest.mark.parametrize("rtype", ["A", "SRV"])
def test_first_answers_are_spread_within_five_percent(world, rtype, edns):
    filled(world, 10)
    firsts: Counter[str] = Counter()
    for round_ in range(20):
        for _ in range(50):
            firsts[str(world.ask("web.service.consul.", rtype, edns=edns).answer[0][0])] += 1
        world.apply(CatalogRegister(f"other-{round_}", "10.9.9.9", "dc1"))
    assert len(firsts) == 10
    assert all(95 <= one <= 105 for one in firsts.values()), firsts


def test_firsts_stay_even_while_the_service_itself_keeps_changing(world):
    firsts: Counter[str] = Counter()
    for round_ in range(120):
        for number in range(1, 11):
            if not round_ or number == round_ % 10 + 1:
                world.instance(number, tags=(f"round-{round_}",))
        for _ in range(25):
            firsts[str(world.ask("web.service.consul.").answer[0][0])] += 1
    assert all(285 <= one <= 315 for one in firsts.values()), firsts
