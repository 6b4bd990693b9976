"""The fast way out: dnspython must read what it would read from a message built the slow way."""

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_dnswire import (
    AAAA,
    SRV,
    TXT,
    A,
    EncodeError,
    FormatError,
    Header,
    Message,
    Name,
    Opcode,
    Opt,
    Rcode,
    Record,
    answer_template,
    encode_error,
    encode_reply,
    parse_message,
    parse_question,
    record_group,
)

N = Name.from_text
QUERY = dns.message.make_query("WeB.service.CONSUL", "SRV", id=77, use_edns=0)
QUESTION = parse_question(QUERY.to_wire())


def test_a_reply_repeats_the_spelling_and_answers_under_it() -> None:
    wire = encode_reply(QUESTION, [answer_template(A.from_text("10.0.0.1"), 5)], max_bytes=512, edns=Opt())
    reply = dns.message.from_wire(wire)
    assert QUERY.is_response(reply)
    assert reply.flags & (dns.flags.QR | dns.flags.AA | dns.flags.RD) == dns.flags.QR | dns.flags.AA | dns.flags.RD
    assert reply.answer[0].name.to_text() == reply.question[0].name.to_text() == "WeB.service.CONSUL."
    assert reply.answer[0].to_text() == "WeB.service.CONSUL. 5 IN A 10.0.0.1"


def test_addresses_of_srv_targets_stand_once_each_under_the_target() -> None:
    one = SRV(1, 1, 80, N("node-1.node.dc1.consul"))
    other = SRV(1, 1, 81, N("node-1.node.dc1.consul"))
    third = SRV(1, 2, 80, N("node-2.node.dc1.consul"))
    answers = [
        answer_template(one, 3, [A.from_text("10.0.0.1"), AAAA.from_text("2001:db8::1")]),
        answer_template(other, 3, [A.from_text("10.0.0.1"), AAAA.from_text("2001:db8::1")]),
        answer_template(third, 3, [A.from_text("10.0.0.2")]),
    ]
    extra = record_group(N("node-2.node.dc1.consul"), [TXT((b"a=b",))], 3)
    reply = parse_message(encode_reply(QUESTION, answers, max_bytes=4096, additional=[extra], edns=Opt()))
    owner = N("web.service.consul")
    assert reply.answers == tuple(Record(owner, 3, rdata) for rdata in (one, other, third))
    assert reply.additionals == (
        Record(one.target, 3, A.from_text("10.0.0.1")),
        Record(one.target, 3, AAAA.from_text("2001:db8::1")),
        Record(third.target, 3, A.from_text("10.0.0.2")),
        Record(third.target, 3, TXT((b"a=b",))),
    )
    assert reply.edns == Opt()


def test_a_target_beyond_the_reach_of_pointers_is_written_out() -> None:
    answers = [
        answer_template(SRV(1, 1, 80, N(f"node-{i}.node.dc1.consul")), 0, [A.from_text("10.0.0.1")]) for i in range(500)
    ]
    reply = dns.message.from_wire(encode_reply(QUESTION, answers, max_bytes=65535), one_rr_per_rrset=True)
    assert [rrset.name.to_text() for rrset in reply.additional] == [f"node-{i}.node.dc1.consul." for i in range(500)]


def test_the_order_of_templates_is_the_order_of_answers() -> None:
    answers = tuple(answer_template(A(bytes((10, 0, 0, i))), 0) for i in range(4))
    rotated = answers[2:] + answers[:2]
    reply = parse_message(encode_reply(QUESTION, rotated, max_bytes=512))
    assert [record.rdata for record in reply.answers] == [A(bytes((10, 0, 0, i))) for i in (2, 3, 0, 1)]


@given(st.booleans(), st.booleans(), st.sampled_from([0, 2, 3, 5, 16, 4095]), st.integers(0, 65535))
def test_the_header_of_a_reply_follows_the_query(aa: bool, ra: bool, rcode: int, flags: int) -> None:
    query = bytearray(QUERY.to_wire())
    query[2:4] = (flags & 0x07FF).to_bytes(2, "big")
    question = parse_question(bytes(query))
    wire = encode_reply(
        question, max_bytes=512, rcode=rcode, authoritative=aa, recursion_available=ra, edns=Opt(4096, version=0)
    )
    header = parse_message(wire).header
    assert header == Header(
        77,
        response=True,
        authoritative=aa,
        recursion_desired=bool(flags & 0x0100),
        recursion_available=ra,
        checking_disabled=bool(flags & 0x0010),
        rcode=rcode,
    )
    assert dns.message.from_wire(wire).rcode() == rcode


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 30)), max_size=8))
def test_a_reply_from_templates_says_what_a_built_message_says(services: list[tuple[int, int]]) -> None:
    rdata = [SRV(1, 1, port, N(f"n{host}.node.consul")) for port, host in services]
    templates = [
        answer_template(srv, 9, [A(bytes((10, 0, 0, host)))]) for srv, (_, host) in zip(rdata, services, strict=True)
    ]
    seen = dict.fromkeys(host for _, host in services)
    built = Message(
        parse_message(encode_reply(QUESTION, max_bytes=512)).header,
        parse_message(QUERY.to_wire()).questions,
        tuple(Record(N("web.service.consul"), 9, srv) for srv in rdata),
        additionals=tuple(Record(N(f"n{host}.node.consul"), 9, A(bytes((10, 0, 0, host)))) for host in seen),
    )
    assert parse_message(encode_reply(QUESTION, templates, max_bytes=65535)) == built


def test_what_cannot_be_encoded_is_named() -> None:
    with pytest.raises(EncodeError, match="rcode: 16 needs an OPT"):
        encode_reply(QUESTION, max_bytes=512, rcode=16)
    with pytest.raises(EncodeError, match="max_bytes"):
        encode_reply(QUESTION, max_bytes=511)
    with pytest.raises(EncodeError, match="only an SRV"):
        answer_template(A(bytes(4)), 0, [A(bytes(4))])
    with pytest.raises(EncodeError, match="ttl"):
        answer_template(A(bytes(4)), -1)


def test_an_error_can_be_answered_with_the_header_alone() -> None:
    with pytest.raises(FormatError) as caught:
        parse_question(QUERY.to_wire()[:-3])
    assert caught.value.header is not None
    reply = dns.message.from_wire(encode_error(caught.value.header, caught.value.rcode))
    assert (reply.id, reply.rcode(), reply.question) == (77, dns.rcode.FORMERR, [])
    assert reply.flags & dns.flags.QR
    notify = Header(5, opcode=Opcode.NOTIFY)
    assert parse_message(encode_error(notify, Rcode.NOTIMP)).header == Header(
        5, response=True, opcode=Opcode.NOTIFY, rcode=Rcode.NOTIMP
    )
