"""Truncation, rule by rule, in both ways of building a reply (RFC 2181, section 9; RFC 6891, section 7)."""

import dns.flags
import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_dnswire import (
    NS,
    SOA,
    SRV,
    TXT,
    A,
    EdnsOption,
    EncodeError,
    Header,
    Message,
    Name,
    Opt,
    QuestionEntry,
    Record,
    RRType,
    answer_template,
    encode_reply,
    parse_message,
    parse_question,
    record_bytes,
    record_group,
)

N = Name.from_text
NAME = N("web.service.consul")
QUESTIONS = (QuestionEntry(NAME, RRType.TXT),)
HEADER = Header(7, response=True)


def txt(size: int, name: Name = NAME) -> Record:
    return Record(name, 0, TXT((b"x" * size,)))


def message(answers: int = 0, authorities: int = 0, additionals: int = 0, edns: Opt | None = None) -> Message:
    """Each record has about 113 bytes (124 with an uncompressed owner), so four of them fit into 512."""
    return Message(
        HEADER,
        QUESTIONS,
        (txt(100),) * answers,
        tuple(txt(100, N(f"au{i}.consul")) for i in range(authorities)),
        tuple(txt(100, N(f"ad{i}.consul")) for i in range(additionals)),
        edns,
    )


def counts(reply: Message) -> tuple[int, int, int, bool]:
    return len(reply.answers), len(reply.authorities), len(reply.additionals), reply.header.truncated


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        ((4, 0, 0), (4, 0, 0, False)),
        ((5, 0, 0), (4, 0, 0, True)),
        ((2, 1, 3), (2, 1, 1, False)),  # additional goes first, without TC
        ((2, 3, 3), (2, 2, 0, False)),  # then authority beside an answer, without TC
        ((0, 5, 1), (0, 4, 0, True)),  # authority that is the answer: TC
        ((5, 1, 1), (4, 0, 0, True)),
        ((0, 0, 5), (0, 0, 4, False)),
    ],
)
def test_sections_are_given_up_in_order(shape: tuple[int, int, int], kept: tuple[int, int, int, bool]) -> None:
    wire = message(*shape).encode(512)
    assert len(wire) <= 512
    assert counts(parse_message(wire)) == kept
    theirs = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert (len(theirs.answer), len(theirs.authority), len(theirs.additional)) == kept[:3]
    assert bool(theirs.flags & dns.flags.TC) == kept[3]


def test_an_rrset_in_additional_is_kept_whole_or_not_at_all() -> None:
    pair = (txt(100, N("a.consul")), txt(99, N("a.consul")))
    full = Message(HEADER, QUESTIONS, (txt(100),) * 3, additionals=pair)
    assert counts(parse_message(full.encode(512))) == (3, 0, 0, False)
    assert counts(parse_message(full.encode(700))) == (3, 0, 2, False)


def test_the_opt_record_stays_in_a_truncated_reply() -> None:
    reply = parse_message(message(9, 9, 9, Opt(1232)).encode(512))
    assert reply.edns == Opt(1232)
    assert reply.header.truncated


def test_question_and_opt_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(EncodeError, match="question and OPT alone"):
        message(edns=Opt(options=(EdnsOption(65001, b"x" * 500),))).encode(512)


def test_names_are_not_compressed_against_what_was_cut_off() -> None:
    records = (txt(100, N("a.consul")), txt(255, N("b.far.consul")), txt(1, N("c.far.consul")))
    reply = Message(HEADER, QUESTIONS, (txt(100),), additionals=records).encode(512)
    assert parse_message(reply).additionals == records[:1]


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(0, 8)] * 3), st.integers(512, 2000), st.booleans())
def test_whatever_the_limit_the_reply_fits_is_readable_and_is_a_prefix(
    shape: tuple[int, int, int], limit: int, edns: bool
) -> None:
    whole = message(*shape, Opt() if edns else None)
    wire = whole.encode(limit)
    assert len(wire) <= limit
    reply = parse_message(wire)
    for cut, full in (
        (reply.answers, whole.answers),
        (reply.authorities, whole.authorities),
        (reply.additionals, whole.additionals),
    ):
        assert cut == full[: len(cut)]
    lost_answer = len(reply.answers) < len(whole.answers)
    assert reply.header.truncated == (lost_answer or (not whole.answers and len(reply.authorities) < shape[1]))


QUERY = dns.message.make_query("WEB.service.consul", "TXT").to_wire()


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        ((4, 0, 0), (4, 0, 0, False)),
        ((5, 0, 0), (4, 0, 0, True)),
        ((2, 1, 3), (2, 1, 1, False)),
        ((2, 3, 3), (2, 2, 0, False)),
        ((0, 5, 1), (0, 3, 0, True)),
    ],
)
def test_replies_from_templates_follow_the_same_rule(
    shape: tuple[int, int, int], kept: tuple[int, int, int, bool]
) -> None:
    whole = message(*shape)
    arguments = {
        "authority": [record_bytes(record) for record in whole.authorities],
        "additional": [record_group(record.name, [record.rdata], record.ttl) for record in whole.additionals],
    }
    answers = [answer_template(record.rdata, 0) for record in whole.answers]
    question = parse_question(QUERY)
    wire = encode_reply(question, answers, max_bytes=512, **arguments)  # type: ignore[arg-type]
    assert len(wire) <= 512
    assert counts(parse_message(wire)) == kept
    silent = encode_reply(question, answers, max_bytes=512, mark_truncated=False, **arguments)  # type: ignore[arg-type]
    assert counts(parse_message(silent)) == (*kept[:3], False)


def test_a_targets_addresses_are_kept_whole_or_not_at_all() -> None:
    addresses = [A(bytes((10, 0, 0, i))) for i in range(30)]
    question = parse_question(QUERY)
    template = answer_template(SRV(1, 1, 80, N("node.consul")), 0, addresses)
    assert counts(parse_message(encode_reply(question, [template], max_bytes=512))) == (1, 0, 0, False)
    assert counts(parse_message(encode_reply(question, [template], max_bytes=600))) == (1, 0, 30, False)


def test_a_negative_answer_keeps_its_soa() -> None:
    soa = record_bytes(Record(N("consul"), 0, SOA(N("ns.consul"), N("hostmaster.consul"), 1, 3600, 600, 86400, 0)))
    ns = record_bytes(Record(N("consul"), 0, NS(N("node-1.node.dc1.consul"))))
    reply = parse_message(encode_reply(parse_question(QUERY), max_bytes=512, rcode=3, authority=[soa, ns], edns=Opt()))
    assert counts(reply) == (0, 2, 0, False)
    assert reply.edns == Opt()
