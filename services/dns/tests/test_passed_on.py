"""Questions about foreign names: what a recursor is asked, and what the client gets of its reply."""

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from lictor_dns.outcome import Recurse


@pytest.fixture
def world(make_world):
    return make_world(recursion=True)


def ask(world, query, *, tcp=False):
    answer = world.responder.answer_tcp if tcp else world.responder.answer_udp
    return answer(query.to_wire(), bytes((127, 0, 0, 1)))


def asked(outcome):
    assert isinstance(outcome, Recurse)
    return dns.message.from_wire(outcome.query)


def answer_to(query, count=1):
    reply = dns.message.make_response(query, recursion_available=True)
    name = query.question[0].name
    reply.answer.append(dns.rrset.from_text_list(name, 60, "IN", "A", [f"192.0.2.{n}" for n in range(1, count + 1)]))
    return reply


@pytest.mark.parametrize("tcp", [False, True])
def test_a_foreign_name_goes_to_recursors_and_its_answer_to_the_client(world, tcp):
    query = dns.message.make_query("ExAmPle.com.", "A")
    outcome = ask(world, query, tcp=tcp)
    question = asked(outcome)
    assert question.question == query.question
    assert question.flags == dns.flags.RD
    wire = answer_to(question).to_wire()
    reply = dns.message.from_wire(outcome.finish(wire.replace(b"\x07ExAmPle", b"\x07example")))
    assert reply.id == query.id
    assert b"\x07ExAmPle" in reply.to_wire()
    assert reply.answer[0][0].to_text() == "192.0.2.1"
    assert reply.flags == dns.flags.QR | dns.flags.RD | dns.flags.RA
    assert world.responder.counts.by_rcode == {0: 1}


def test_when_every_recursor_fails_the_reply_is_servfail_with_ra(world):
    query = dns.message.make_query("example.com.", "A", use_edns=0)
    reply = dns.message.from_wire(ask(world, query).finish(None))
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert reply.flags & dns.flags.RA
    assert not reply.flags & dns.flags.AA
    assert reply.edns == 0
    assert world.responder.counts.by_rcode == {2: 1}


def test_a_name_that_does_not_exist_is_passed_through(world):
    outcome = ask(world, dns.message.make_query("nowhere.example.", "A"))
    answer = dns.message.make_response(asked(outcome))
    answer.set_rcode(dns.rcode.NXDOMAIN)
    assert dns.message.from_wire(outcome.finish(answer.to_wire())).rcode() == dns.rcode.NXDOMAIN
    assert world.responder.counts.by_rcode == {3: 1}


def test_without_rd_or_without_recursors_a_foreign_name_is_refused(world, make_world):
    query = dns.message.make_query("example.com.", "A", flags=0)
    assert dns.message.from_wire(ask(world, query)).rcode() == dns.rcode.REFUSED
    refused = dns.message.from_wire(ask(make_world(), dns.message.make_query("example.com.", "A")))
    assert refused.rcode() == dns.rcode.REFUSED
    assert not refused.flags & dns.flags.RA


def test_foreign_names_need_no_view(world):
    world.responder.complete = False
    assert isinstance(ask(world, dns.message.make_query("example.com.", "A")), Recurse)


def test_names_of_the_domain_never_go_to_recursors(world):
    for name in ("nowhere.service.consul.", "x.y.consul.", "consul."):
        assert isinstance(ask(world, dns.message.make_query(name, "A")), bytes)


def test_the_recursor_learns_dnssec_and_subnet_but_no_cookie(world):
    subnet, cookie = (
        dns.edns.ECSOption("192.0.2.0", 24),
        dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678"),
    )
    query = dns.message.make_query(
        "example.com.", "A", use_edns=0, payload=1400, want_dnssec=True, options=[cookie, subnet]
    )
    query.flags |= dns.flags.CD | dns.flags.AD
    question = asked(ask(world, query))
    assert question.flags == dns.flags.RD | dns.flags.CD | dns.flags.AD
    assert question.ednsflags & dns.flags.DO
    assert [option.otype for option in question.options] == [8]
    assert question.options[0].to_text() == subnet.to_text()
    assert asked(ask(world, dns.message.make_query("example.com.", "A"))).edns == -1


@pytest.mark.parametrize(("payload", "cut"), [(None, True), (512, True), (4096, False)])
def test_an_answer_that_is_too_large_for_the_client_is_cut_and_says_so(world, payload, cut):
    query = dns.message.make_query("example.com.", "A", use_edns=payload is not None, payload=payload or 0)
    outcome = ask(world, query)
    wire = outcome.finish(answer_to(asked(outcome), 100).to_wire())
    reply = dns.message.from_wire(wire)
    assert bool(reply.flags & dns.flags.TC) == cut
    assert len(reply.answer) == (0 if cut else 1)
    assert len(wire) <= (payload or 512)
    assert (reply.edns == 0) == (payload is not None)
    assert reply.id == query.id


def test_over_tcp_nothing_is_cut(world):
    outcome = ask(world, dns.message.make_query("example.com.", "A"), tcp=True)
    reply = dns.message.from_wire(outcome.finish(answer_to(asked(outcome), 100).to_wire()))
    assert len(reply.answer[0]) == 100


@pytest.mark.parametrize("recursion", [False, True])
@pytest.mark.parametrize("name", ["web.service.consul.", "nowhere.service.consul."])
def test_our_own_replies_say_whether_recursion_is_to_be_had(make_world, recursion, name):
    world = make_world(recursion=recursion)
    world.instance(1)
    reply = dns.message.from_wire(ask(world, dns.message.make_query(name, "A")))
    assert bool(reply.flags & dns.flags.RA) == recursion
