"""Cookies and rates between the servers and the responder, with dnspython as the client."""

import random

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from lictor_dns.client_networks import Networks
from lictor_dns.cookies import Cookies
from lictor_dns.guard import Clocks, Guard
from lictor_dns.message_ends import OptionsError, question_end, read_options, truncated
from lictor_dns.outcome import Recurse
from lictor_dns.rate_limit import RateLimit

CLIENT = bytes((192, 0, 2, 1))
COOKIE, PADDING, SUBNET = 10, 12, 8


class Guarded:
    """A guard over a world's responder, with clocks that stand."""

    def __init__(self, world, answers=0, errors=0, slip=0):
        self.now = 1_700_000_000.0
        self.limit = RateLimit(answers, errors, slip)
        answer = world.responder
        clocks = Clocks(lambda: self.now, lambda: self.now)
        self.guard = Guard(answer.answer_udp, answer.answer_tcp, answer.ready_reply, self.limit, clocks)
        self.guard.cookies = Cookies([bytes(16)])

    def whole(self, wire, client=CLIENT, *, tcp=False):
        """The reply to a query that needs no recursors."""
        outcome = (self.guard.answer_tcp if tcp else self.guard.answer_udp)(wire, client)
        assert not isinstance(outcome, Recurse)
        return outcome

    def ask(self, name="web.service.consul.", rtype="A", *, options=(), payload=1232, tcp=False, client=CLIENT):
        query = dns.message.make_query(name, rtype, use_edns=0, payload=payload, options=list(options))
        wire = query.to_wire()
        outcome = (None if tcp else self.guard.ready(wire)) or self.whole(wire, client, tcp=tcp)
        if outcome is None:
            return None
        reply = dns.message.from_wire(outcome)
        assert query.is_response(reply) or reply.rcode() == dns.rcode.FORMERR
        return reply


def option(data, code=COOKIE):
    return dns.edns.GenericOption(code, data)


def cookie_of(reply):
    found = [one.to_wire() for one in reply.options if one.otype == COOKIE]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.fixture
def guarded(world):
    for number in range(1, 4):
        world.instance(number)
    return Guarded(world)


def test_a_client_learns_a_cookie_and_shows_it(guarded):
    first = cookie_of(guarded.ask(options=[option(b"abcdefgh")]))
    assert first[:8] == b"abcdefgh"
    assert len(first) == 24
    assert guarded.guard.good_cookies == 0
    reply = guarded.ask(options=[option(first)])
    assert cookie_of(reply) == first
    assert len(reply.answer[0]) == 3
    assert guarded.guard.good_cookies == 1
    assert cookie_of(guarded.ask(options=[option(first)], tcp=True)) == first


def test_a_cookie_stands_behind_the_subnet_that_a_reply_repeats(guarded):
    reply = guarded.ask(options=[dns.edns.ECSOption("192.0.2.0", 24), option(b"abcdefgh")])
    assert [one.otype for one in reply.options] == [SUBNET, COOKIE]
    assert len(reply.answer[0]) == 3


def test_without_a_cookie_none_is_given_and_without_cookies_none_at_all(guarded):
    assert cookie_of(guarded.ask()) is None
    guarded.guard.cookies = None
    assert cookie_of(guarded.ask(options=[option(b"abcdefgh")])) is None


def test_clients_with_cookies_and_other_options_share_the_replies_that_are_ready(guarded, world):
    dice = random.Random(1)
    for _ in range(500):
        options = [option(dice.randbytes(8)), option(dice.randbytes(dice.randrange(9)), PADDING)]
        dice.shuffle(options)
        assert len(guarded.ask(options=options).answer[0]) == 3
    assert len(world.responder.ready) == 1


@pytest.mark.parametrize("data", [b"", b"short", bytes(9), bytes(41)])
def test_a_malformed_cookie_is_formerr(guarded, data):
    assert guarded.ask(options=[option(data)]).rcode() == dns.rcode.FORMERR
    assert guarded.ask(options=[option(bytes(8)), option(bytes(8))]).rcode() == dns.rcode.FORMERR


def test_a_query_without_a_question_asks_for_a_cookie_alone(guarded):
    wire = dns.message.make_query(".", "A", use_edns=0, options=[option(b"abcdefgh")]).to_wire()
    wire = wire[:4] + b"\0\0" + wire[6:12] + wire[17:]
    reply = dns.message.from_wire(guarded.guard.answer_udp(wire, CLIENT))
    assert (reply.rcode(), reply.question) == (dns.rcode.NOERROR, [])
    assert cookie_of(reply)[:8] == b"abcdefgh"


def test_a_cookie_fits_with_the_reply_or_the_reply_is_truncated(world):
    for number in range(1, 60):
        world.instance(number)
    guarded = Guarded(world)
    for payload in range(512, 1500, 7):
        query = dns.message.make_query(
            "web.service.consul.", "SRV", use_edns=0, payload=payload, options=[option(bytes(8))]
        )
        wire = guarded.whole(query.to_wire())
        assert wire is not None
        assert len(wire) <= payload
        assert cookie_of(dns.message.from_wire(wire, ignore_trailing=False)) is not None


def test_over_the_rate_replies_slip_or_are_withheld_and_a_good_cookie_or_tcp_is_exempt(world):
    world.instance(1)
    guarded = Guarded(world, answers=10, slip=2)
    shown = cookie_of(guarded.ask(options=[option(b"abcdefgh")]))
    replies = [guarded.ask() for _ in range(200)]
    whole = [one for one in replies if one is not None and one.answer]
    slipped = [one for one in replies if one is not None and not one.answer]
    assert 48 <= len(whole) <= 51
    assert len(slipped) == (200 - len(whole)) // 2
    assert all(one.flags & dns.flags.TC and one.edns == 0 for one in slipped)
    assert all(guarded.ask(options=[option(shown)]).answer for _ in range(100))
    assert all(guarded.ask(tcp=True).answer for _ in range(100))
    assert guarded.ask(client=bytes((192, 0, 3, 1))).answer
    guarded.now += 1
    assert guarded.ask().answer


def test_a_slipped_reply_to_a_client_that_may_get_a_cookie_has_one(world):
    world.instance(1)
    guarded = Guarded(world, answers=1, slip=1)
    for _ in range(6):
        guarded.ask()
    reply = guarded.ask(options=[option(b"abcdefgh")])
    assert reply.flags & dns.flags.TC
    assert guarded.ask(options=[option(cookie_of(reply))]).answer


def test_while_rates_are_limited_nothing_goes_past_the_guard(world):
    world.instance(1)
    query = dns.message.make_query("web.service.consul.", "A").to_wire()
    for guarded, ready in ((Guarded(world), True), (Guarded(world, errors=5), False)):
        guarded.guard.answer_udp(query, CLIENT)
        assert (guarded.guard.ready(query) is not None) is ready


def test_what_recursors_are_asked_comes_back_through_the_guard(make_world):
    world = make_world(recursion=True, recursion_for=Networks.from_text("0.0.0.0/0"))
    guarded = Guarded(world, answers=1, slip=1)
    query = dns.message.make_query("example.com.", "A", use_edns=0, options=[option(b"abcdefgh")])
    for _ in range(9):
        outcome = guarded.guard.answer_udp(query.to_wire(), bytes((127, 0, 0, 1)))
        assert isinstance(outcome, Recurse)
        assert cookie_of(dns.message.from_wire(outcome.query)) is None, "the cookie is between the client and us"
        finished = outcome.finish(None)
        assert finished is not None
        assert cookie_of(dns.message.from_wire(finished))


def test_any_bytes_are_answered_or_not_and_nothing_is_raised(guarded):
    dice = random.Random(4)
    good = dns.message.make_query("web.service.consul.", "A", use_edns=0, options=[option(b"abcdefgh")]).to_wire()
    for _ in range(5_000):
        mutated = bytearray(good if dice.random() < 0.8 else dice.randbytes(dice.randrange(80)))
        for _ in range(dice.randrange(4) if mutated else 0):
            mutated[dice.randrange(len(mutated))] = dice.randrange(256)
        wire = bytes(mutated[: dice.randrange(len(mutated) + 1)] if dice.random() < 0.2 else mutated)
        outcome = guarded.whole(wire)
        assert outcome is None or outcome[:2] == wire[:2]


def test_the_ends_of_a_message_are_found_or_refused():
    plain = dns.message.make_query("a.consul.", "A").to_wire()
    assert question_end(plain) == len(plain)
    assert question_end(plain[:-1]) == 0
    assert question_end(plain[:12] + b"\xc0\x0c\0\1\0\1") == 0
    assert read_options(plain) is None
    assert read_options(dns.message.make_query("a.consul.", "A", use_edns=0).to_wire()) is None
    long = bytearray(dns.message.make_query("a.consul.", "A", use_edns=0, options=[option(b"x")]).to_wire())
    long[-2] = 2
    with pytest.raises(OptionsError):
        read_options(bytes(long))
    subnet = dns.edns.ECSOption("192.0.2.0", 24)
    kept = read_options(
        dns.message.make_query("a.consul.", "A", use_edns=0, options=[option(b"x" * 8), subnet]).to_wire()
    )
    assert kept is not None
    assert dns.message.from_wire(kept.plain).options == (subnet,)
    assert kept.cookie == b"x" * 8
    bare = truncated(dns.message.make_response(dns.message.from_wire(plain)).to_wire())
    assert dns.message.from_wire(bare).flags & dns.flags.TC
