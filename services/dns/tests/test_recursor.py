"""Which recursor is asked next, when, and which reply is accepted: told message by message, without a network."""

import random

import dns.flags
import dns.message
import dns.rcode
import pytest

from lictor_dns.recursor import SET_BACK_S, Address, Ask, Done, Recursors, Send, parse_recursors

FIRST, SECOND, THIRD = (Address("10.0.0.1", 53), Address("10.0.0.2", 53), Address("::1", 5353))
TIMEOUT_S = 2.0


def new_ids(first=1000):
    number = first - 1

    def new_id():
        nonlocal number
        number += 1
        return number % 65_536

    return new_id


def recursors(*addresses, strategy="sequential", seed=1):
    return Recursors(addresses or (FIRST, SECOND), strategy, random.Random(seed))


def ask_of(known, name="example.com.", rtype="A", *, over_tcp=False):
    query = dns.message.make_query(name, rtype)
    return Ask(query.to_wire(), known, TIMEOUT_S, new_ids(), over_tcp=over_tcp)


def reply_to(sent, rcode=dns.rcode.NOERROR, flags=0):
    reply = dns.message.make_response(dns.message.from_wire(sent.message))
    reply.set_rcode(rcode)
    reply.flags |= flags
    return reply


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("10.0.0.1", (Address("10.0.0.1", 53),)),
        ("10.0.0.1, 10.0.0.2:5353 ,", (Address("10.0.0.1", 53), Address("10.0.0.2", 5353))),
        ("2001:db8::1,[::1]:5353,[::1]", (Address("2001:db8::1", 53), Address("::1", 5353), Address("::1", 53))),
        ("10.0.0.1,10.0.0.1:53", (Address("10.0.0.1", 53),)),
    ],
)
def test_recursors_are_addresses_with_or_without_a_port(text, expected):
    assert parse_recursors(text) == expected


@pytest.mark.parametrize(
    "text", ["dns.example", "10.0.0.1:0", "10.0.0.1:70000", "10.0.0.1:x", "[::1", "[::1]:", "10.0.0.300", ":53"]
)
def test_what_is_no_address_is_refused_by_name(text):
    with pytest.raises(ValueError, match=r"is no IP address|has no port"):
        parse_recursors(text)


def test_more_than_eight_recursors_are_refused():
    with pytest.raises(ValueError, match="9 recursors, at most 8"):
        parse_recursors(",".join(f"10.0.0.{number}" for number in range(1, 10)))


def test_the_first_reply_answers():
    ask = ask_of(recursors())
    sent = ask.begin(0)
    assert (sent.to, sent.over_tcp) == (FIRST, False)
    reply = reply_to(sent).to_wire()
    assert ask.take(reply, 0.1) == Done(reply)


def test_a_name_that_does_not_exist_is_an_answer():
    ask = ask_of(recursors())
    reply = reply_to(ask.begin(0), dns.rcode.NXDOMAIN).to_wire()
    assert ask.take(reply, 0.1) == Done(reply)


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.NOTIMP])
def test_a_recursor_that_refuses_or_fails_is_skipped_and_not_set_back(rcode):
    known = recursors()
    ask = ask_of(known)
    first = ask.begin(0)
    second = ask.take(reply_to(first, rcode).to_wire(), 0.1)
    assert second.to == SECOND
    assert second.message[:2] != first.message[:2]
    assert second.message[2:] == first.message[2:]
    assert ask.take(reply_to(second, rcode).to_wire(), 0.2) == Done(None)
    assert known.line(0.3) == [FIRST, SECOND]


def test_a_refusal_without_the_question_is_a_refusal_too():
    ask = ask_of(recursors())
    sent = ask.begin(0)
    bare = sent.message[:2] + bytes([0x80, dns.rcode.FORMERR]) + bytes(8)
    assert ask.take(bare, 0.1).to == SECOND


def test_a_lost_datagram_is_sent_again_and_then_the_next_recursor_is_asked():
    ask = ask_of(recursors())
    first = ask.begin(10)
    assert ask.deadline == 10 + TIMEOUT_S / 2
    again = ask.tick(11)
    assert again == Send(FIRST, first.message, again=True)
    assert ask.deadline == 10 + TIMEOUT_S
    assert ask.tick(12).to == SECOND
    assert ask.deadline == 12 + TIMEOUT_S / 2
    assert ask.tick(13).again
    assert ask.tick(14) == Done(None)


def test_the_reply_to_the_first_of_two_datagrams_counts():
    ask = ask_of(recursors())
    sent = ask.begin(0)
    ask.tick(1)
    reply = reply_to(sent).to_wire()
    assert ask.take(reply, 1.5) == Done(reply)


def test_a_truncated_reply_is_asked_for_again_over_tcp():
    ask = ask_of(recursors())
    sent = ask.begin(0)
    whole = ask.take(reply_to(sent, flags=dns.flags.TC).to_wire(), 0.5)
    assert (whole.to, whole.over_tcp) == (FIRST, True)
    assert ask.deadline == 0.5 + TIMEOUT_S
    reply = reply_to(whole).to_wire()
    assert ask.take(reply, 0.6) == Done(reply)


def test_over_tcp_nothing_is_sent_twice_and_the_next_one_is_asked_over_tcp_too():
    ask = ask_of(recursors(), over_tcp=True)
    assert ask.begin(0).over_tcp
    assert ask.deadline == TIMEOUT_S
    second = ask.tick(2)
    assert (second.to, second.over_tcp) == (SECOND, True)
    assert ask.failed(2.1) == Done(None)


def test_after_a_broken_stream_the_next_one_is_asked_by_datagram_first():
    ask = ask_of(recursors())
    ask.take(reply_to(ask.begin(0), flags=dns.flags.TC).to_wire(), 0.5)
    second = ask.failed(0.6)
    assert (second.to, second.over_tcp) == (SECOND, False)


def foreign_replies(sent):
    good = reply_to(sent)
    other_id = reply_to(sent)
    other_id.id ^= 1
    yield "another id", other_id.to_wire()
    for name, rtype in (("example.org.", "A"), ("example.com.", "AAAA")):
        other = dns.message.make_response(dns.message.make_query(name, rtype))
        other.id = good.id
        yield f"another question {name} {rtype}", other.to_wire()
    yield "a query", sent.message
    yield "a notification", good.to_wire()[:2] + bytes([0x80 | (4 << 3)]) + good.to_wire()[3:]
    yield "no question", good.to_wire()[:4] + bytes(8)
    yield "half a header", good.to_wire()[:11]
    yield "nothing", b""


def test_what_does_not_belong_to_the_question_is_as_if_it_had_not_come():
    ask = ask_of(recursors())
    sent = ask.begin(0)
    for what, reply in foreign_replies(sent):
        assert ask.take(reply, 0.1) is None, what
    reply = reply_to(sent).to_wire()
    assert ask.take(reply, 0.2) == Done(reply)


def test_a_reply_may_spell_the_name_otherwise_but_not_the_type():
    # Type 65 is HTTPS, and its low byte is the letter A: only names are without regard to case.
    ask = ask_of(recursors(), "Example.COM.", "HTTPS")
    sent = ask.begin(0)
    wire = reply_to(sent).to_wire()
    end = 12 + 13 + 4
    assert ask.take(wire[: end - 4] + b"\0\x61" + wire[end - 2 :], 0.1) is None
    lowered = wire[:12] + wire[12 : end - 4].lower() + wire[end - 4 :]
    assert ask.take(lowered, 0.2) == Done(lowered)


def test_a_silent_recursor_is_asked_last_until_it_had_time_to_come_back():
    known = recursors(FIRST, SECOND, THIRD)
    ask = ask_of(known)
    ask.begin(0)
    ask.tick(1)
    assert ask.tick(2).to == SECOND
    assert known.line(2.1) == [SECOND, THIRD, FIRST]
    assert known.line(2 + SET_BACK_S) == [FIRST, SECOND, THIRD]
    assert known.failures == {FIRST: 1, SECOND: 0, THIRD: 0}


def test_a_recursor_that_was_set_back_and_answers_is_first_again():
    known = recursors()
    known.failed(FIRST, 0)
    known.failed(SECOND, 0)
    ask = ask_of(known)
    sent = ask.begin(1)
    assert sent.to == FIRST
    ask.take(reply_to(sent, dns.rcode.SERVFAIL).to_wire(), 1.1)
    known.failed(SECOND, 1.2)
    assert known.line(1.3) == [FIRST, SECOND]


def test_the_random_strategy_spreads_first_questions_evenly():
    known = recursors(FIRST, SECOND, THIRD, strategy="random")
    first = [known.line(0)[0] for _ in range(3000)]
    for one in (FIRST, SECOND, THIRD):
        assert 850 < first.count(one) < 1150


def test_whatever_happens_every_recursor_is_asked_at_most_once_and_the_question_ends():
    dice = random.Random(7)
    for _ in range(300):
        known = recursors(FIRST, SECOND, THIRD, strategy=dice.choice(["sequential", "random"]), seed=dice.random())
        ask = ask_of(known, over_tcp=dice.random() < 0.3)
        asked: list[Address] = []
        now, action, steps = 0.0, ask.begin(0.0), 0
        while isinstance(action, Send):
            steps += 1
            if not action.again and (not asked or asked[-1] != action.to):
                asked.append(action.to)
            assert ask.deadline > now
            what = dice.choice(["silence", "refused", "error", "foreign", "cut", "good"])
            if what == "silence":
                now = ask.deadline
                action = ask.tick(now)
            elif what == "refused":
                action = ask.failed(now)
            elif what == "foreign":
                assert ask.take(b"\0" * dice.randrange(40), now) is None
                now = ask.deadline
                action = ask.tick(now)
            else:
                rcode = dns.rcode.SERVFAIL if what == "error" else dns.rcode.NOERROR
                cut = dns.flags.TC if what == "cut" else 0
                action = ask.take(reply_to(action, rcode, cut).to_wire(), now)
        assert len(set(asked)) == len(asked) <= 3
        assert now <= 3 * 2 * TIMEOUT_S
        assert steps <= 3 * 3
