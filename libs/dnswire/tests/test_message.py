"""Whole messages: round trips, dnspython as the oracle in both directions, and bytes from anyone."""

from collections.abc import Callable
from typing import Any, TypeVar

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_dnswire import (
    AAAA,
    CNAME,
    MESSAGE_BYTES_MAX,
    NAME_BYTES_MAX,
    NS,
    PTR,
    SOA,
    SRV,
    TTL_MAX,
    TXT,
    A,
    EdnsOption,
    EncodeError,
    FormatError,
    Header,
    Message,
    Name,
    Opaque,
    Opt,
    QuestionEntry,
    Rcode,
    Record,
    RRType,
    parse_message,
    parse_question,
)

N = Name.from_text
T = TypeVar("T")


def made(cls: Callable[..., T], *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    return st.tuples(*parts).map(lambda values: cls(*values))


U8 = st.integers(0, 255)
U16 = st.integers(0, 65535)
U32 = st.integers(0, 2**32 - 1)
# few distinct labels, so that names share suffixes and compression has work
_COMMON = st.sampled_from([b"web", b"Web", b"service", b"dc1", b"consul", b"Consul", b"\x00\xff.", b"x" * 63])
NAMES = (
    st.lists(_COMMON | st.binary(min_size=1, max_size=12), max_size=5)
    .map(tuple)
    .filter(lambda ls: sum(map(len, ls)) + len(ls) < NAME_BYTES_MAX)
    .map(Name)
)
RDATA = st.one_of(
    made(A, st.binary(min_size=4, max_size=4)),
    made(AAAA, st.binary(min_size=16, max_size=16)),
    made(SRV, U16, U16, U16, NAMES),
    made(TXT, st.lists(st.binary(max_size=40), min_size=1, max_size=4).map(tuple)),
    made(SOA, NAMES, NAMES, U32, U32, U32, U32, U32),
    made(NS, NAMES),
    made(PTR, NAMES),
    made(CNAME, NAMES),
    made(Opaque, st.integers(65280, 65534), st.binary(max_size=30)),
)
RECORDS = made(Record, NAMES, st.integers(0, TTL_MAX), RDATA)
SECTIONS = st.lists(RECORDS, max_size=5).map(tuple)
OPTS = made(
    Opt,
    U16,
    st.just(0),
    U8,
    st.booleans(),
    st.lists(made(EdnsOption, st.integers(65001, 65534), st.binary(max_size=10)), max_size=3).map(tuple),
)
HEADERS = made(
    Header,
    U16,
    st.booleans(),
    st.just(0),
    st.booleans(),
    st.just(value=False),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 15),
)
MESSAGES = made(
    Message,
    HEADERS,
    st.lists(made(QuestionEntry, NAMES, U16.filter(lambda t: t not in {41, 250})), max_size=1).map(tuple),
    SECTIONS,
    SECTIONS,
    SECTIONS,
    st.none() | OPTS,
)


def theirs_of(message: Message) -> dns.message.Message:
    return dns.message.from_wire(message.encode(), one_rr_per_rrset=True, ignore_trailing=False)


@settings(max_examples=80, deadline=None)
@given(MESSAGES, st.booleans())
def test_what_is_encoded_is_read_back_unchanged(message: Message, compress: bool) -> None:
    assert parse_message(message.encode(compress=compress)) == message


@settings(max_examples=80, deadline=None)
@given(MESSAGES)
def test_dnspython_reads_the_same_message_and_we_read_what_it_writes_of_it(message: Message) -> None:
    theirs = theirs_of(message)
    header = message.header
    assert theirs.id == header.message_id
    assert theirs.rcode() == header.rcode
    for field, flag in (
        (header.response, dns.flags.QR),
        (header.authoritative, dns.flags.AA),
        (header.recursion_desired, dns.flags.RD),
        (header.recursion_available, dns.flags.RA),
        (header.authentic_data, dns.flags.AD),
        (header.checking_disabled, dns.flags.CD),
    ):
        assert bool(theirs.flags & flag) == field
    for mine, section in (
        (message.answers, theirs.answer),
        (message.authorities, theirs.authority),
        (message.additionals, theirs.additional),
    ):
        assert [record.name.to_wire() for record in mine] == [rrset.name.to_wire() for rrset in section]
        assert [(record.rtype, record.ttl) for record in mine] == [(rrset.rdtype, rrset.ttl) for rrset in section]
        for record, rrset in zip(mine, section, strict=True):
            alone = Message(answers=(record,)).encode(compress=False)
            data = alone[12 + record.name.wire_bytes() + 10 :]
            (item,) = rrset
            assert item.to_wire() == data
    assert (theirs.edns >= 0) == (message.edns is not None)
    # their compression ignores case and their EDNS padding is ours, so compare what is read, with names by value
    again = parse_message(theirs.to_wire(max_size=MESSAGE_BYTES_MAX))
    assert again.answers == message.answers
    assert again.authorities == message.authorities
    assert again.additionals == message.additionals
    assert again.edns == message.edns
    assert again.questions == message.questions
    assert again.header == header


@pytest.mark.parametrize("rcode", [0, 3, 15, Rcode.BADVERS, 23, 4095])
def test_extended_response_codes_travel_in_header_and_opt(rcode: int) -> None:
    message = Message(Header(1, response=True, rcode=rcode), edns=Opt())
    theirs = dns.message.from_wire(message.encode())
    assert theirs.rcode() == rcode
    assert parse_message(message.encode()).header.rcode == rcode


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (Message(Header(65536)), "message_id"),
        (Message(Header(opcode=16)), "opcode"),
        (Message(Header(rcode=4096), edns=Opt()), "rcode"),
        (Message(Header(rcode=16)), "rcode: 16 needs an OPT"),
        (Message(questions=(QuestionEntry(N("x"), 65536),)), "qtype"),
        (Message(questions=(QuestionEntry(N("x"), 1, -1),)), "qclass"),
        (Message(answers=(Record(N("x"), TTL_MAX + 1, A(bytes(4))),)), "ttl"),
        (Message(answers=(Record(N("x"), -1, A(bytes(4))),)), "ttl"),
    ],
)
def test_fields_that_do_not_fit_are_named(message: Message, field: str) -> None:
    with pytest.raises(EncodeError, match=field):
        message.encode()


@pytest.mark.parametrize("max_bytes", [0, 511, 65536])
def test_a_limit_outside_what_dns_allows_is_refused(max_bytes: int) -> None:
    with pytest.raises(EncodeError, match="max_bytes"):
        Message().encode(max_bytes)


OPT_RECORD = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
QUESTION = b"\x01x\0\0\x01\0\x01"


def wire(counts: tuple[int, int, int, int], body: bytes, flags: int = 0x0100) -> bytes:
    return b"\xab\xcd" + flags.to_bytes(2, "big") + b"".join(n.to_bytes(2, "big") for n in counts) + body


MALFORMED = [
    (wire((1, 0, 0, 0), b""), "past its end"),
    (wire((1, 0, 0, 0), b"\x01x\0\0\x01\0"), "question"),
    (wire((1, 0, 0, 0), QUESTION + b"!"), "bytes are left"),
    (wire((1, 1, 0, 0), QUESTION), "past its end"),
    (wire((1, 0, 0, 2), QUESTION + OPT_RECORD * 2), "OPT: at most one"),
    (wire((1, 1, 0, 0), QUESTION + OPT_RECORD), "OPT: belongs in the additional"),
    (wire((1, 0, 1, 0), QUESTION + OPT_RECORD), "OPT: belongs in the additional"),
    (wire((1, 0, 0, 1), QUESTION + b"\x01x" + OPT_RECORD), "OPT: its owner is the root"),
    (wire((1, 0, 0, 1), QUESTION + OPT_RECORD[:-1] + b"\x03\0\x01\0"), "OPT option length"),
    (wire((1, 0, 0, 1), QUESTION + OPT_RECORD[:-1] + b"\x05\0\x01\0\x02a"), "OPT option"),
    (wire((1, 0, 0, 1), QUESTION + OPT_RECORD[:-1]), "additional data length|record data length"),
    (wire((1, 0, 0, 1), QUESTION + OPT_RECORD[:-1] + b"\x01"), "data"),
    (wire((1, 0, 0, 0), b"\xc0\x0c\0\x01\0\x01"), "must lead back|plain labels"),
]


@pytest.mark.parametrize(("data", "rule"), MALFORMED)
def test_malformed_messages_are_refused_with_the_header_that_the_answer_needs(data: bytes, rule: str) -> None:
    for parse in (parse_message, parse_question):
        with pytest.raises(FormatError, match=rule) as caught:
            parse(data)
        assert caught.value.message_id == 0xABCD
        assert caught.value.header == Header(0xABCD, recursion_desired=True)
        assert caught.value.rcode == Rcode.FORMERR


@pytest.mark.parametrize(("data", "rule"), MALFORMED)
def test_a_malformed_response_must_not_be_answered(data: bytes, rule: str) -> None:
    with pytest.raises(FormatError, match=rule) as caught:
        parse_message(data[:2] + b"\x81" + data[3:])
    assert caught.value.message_id is None


@pytest.mark.parametrize("size", range(12))
def test_less_than_a_header_must_not_be_answered(size: int) -> None:
    for parse in (parse_message, parse_question):
        with pytest.raises(FormatError, match="header: 12 bytes") as caught:
            parse(bytes(size))
        assert caught.value.message_id is None


def accepted(parse: Callable[[bytes], T], data: bytes) -> T | None:
    try:
        return parse(data)
    except FormatError:
        return None


def judge(data: bytes) -> None:
    """Both parsers either read the bytes or refuse them by rule, and the fast one refuses no good query."""
    message = accepted(parse_message, data)
    question = accepted(parse_question, data)
    if message is not None and not message.header.response and message.header.opcode == 0:
        assert (question is None) == (len(message.questions) != 1)
    if question is None:
        return
    if message is not None:
        (entry,) = message.questions
        assert (question.name().labels, question.qtype, question.qclass) == (
            entry.name.labels,
            entry.qtype,
            entry.qclass,
        )
        assert question.labels == entry.name.lower().labels
        assert question.edns == message.edns
        assert parse_message(message.encode()).questions == message.questions


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes_are_read_or_refused_by_rule(data: bytes) -> None:
    judge(data)
    judge(wire((1, 0, 0, 1), data))


@settings(max_examples=150, deadline=None)
@given(MESSAGES, st.data())
def test_damaged_messages_are_read_or_refused_by_rule(message: Message, data: st.DataObject) -> None:
    packet = bytearray(message.encode())
    packet[2] &= 0x7F
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(packet) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                packet[at] = data.draw(U8)
            case 1:
                packet[at] |= 0xC0
            case 2:
                packet = packet[: max(1, at)]
            case _:
                packet[at:at] = data.draw(st.binary(max_size=4))
    judge(bytes(packet))


@settings(max_examples=120, deadline=None)
@given(MESSAGES, st.data())
def test_what_we_accept_dnspython_accepts(message: Message, data: st.DataObject) -> None:
    packet = bytearray(message.encode())
    packet[data.draw(st.integers(12, len(packet) - 1)) if len(packet) > 12 else 0] = data.draw(U8)
    try:
        mine = parse_message(bytes(packet))
    except FormatError:
        return
    known = {RRType.A, RRType.AAAA, RRType.SRV, RRType.TXT, RRType.SOA, RRType.NS, RRType.PTR, RRType.CNAME}
    records = (*mine.answers, *mine.authorities, *mine.additionals)
    options = mine.edns.options if mine.edns else ()
    if (
        any(record.rclass != 1 or record.rtype not in known for record in records)
        or any(option.code < 65001 for option in options)
        or any(entry.qclass != 1 or entry.qtype in {RRType.TSIG, RRType.OPT} for entry in mine.questions)
    ):
        return  # dnspython interprets types, classes and options that we pass through
    theirs = dns.message.from_wire(bytes(packet), one_rr_per_rrset=True)
    assert len(theirs.answer) + len(theirs.authority) + len(theirs.additional) == len(records)
