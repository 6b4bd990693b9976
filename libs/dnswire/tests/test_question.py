"""The fast way in: against dnspython, and each reason to refuse (RFC 9619, RFC 6891)."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_dnswire import EdnsOption, FormatError, Name, Opt, Question, Rcode, RRType, parse_question

LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=3)


@given(LABELS, st.integers(0, 65535), st.sampled_from([RRType.A, RRType.SRV, RRType.ANY, 65280]), st.booleans())
def test_a_query_of_dnspython_is_read(labels: list[bytes], message_id: int, qtype: int, rd: bool) -> None:
    name = dns.name.Name([*labels, b""])
    query = dns.message.make_query(
        name, dns.rdatatype.RdataType.make(qtype), id=message_id, flags=dns.flags.RD if rd else 0
    )
    question = parse_question(query.to_wire())
    assert question == Question(
        message_id, 0x0100 if rd else 0, name.to_wire() or b"", tuple(label.lower() for label in labels), qtype, 1
    )
    assert question.name().labels == tuple(labels)
    assert question.recursion_desired == rd
    assert question.udp_bytes == 512


@pytest.mark.parametrize("do", [False, True])
@pytest.mark.parametrize(("payload", "udp_bytes"), [(0, 512), (511, 512), (512, 512), (1232, 1232), (65535, 65535)])
def test_the_payload_size_of_edns_is_read(payload: int, udp_bytes: int, do: bool) -> None:
    query = dns.message.make_query("x.consul", "A", use_edns=0, payload=payload, want_dnssec=do)
    question = parse_question(query.to_wire())
    assert question.edns == Opt(payload, dnssec_ok=do)
    assert question.udp_bytes == udp_bytes


def test_edns_options_and_a_higher_version_are_read() -> None:
    query = dns.message.make_query(
        "x.consul", "A", use_edns=0, options=[dns.edns.GenericOption(dns.edns.OptionType.make(65001), b"abc")]
    )
    edns = parse_question(query.to_wire()).edns
    assert edns is not None
    assert edns.options == (EdnsOption(65001, b"abc"),)
    query.use_edns(1)
    edns = parse_question(query.to_wire()).edns
    assert edns is not None
    assert edns.version == 1


def test_other_records_of_a_query_are_stepped_over() -> None:
    query = dns.message.from_text(
        "id 1\nopcode QUERY\nedns 0\npayload 900\n;QUESTION\nconsul. IN IXFR\n"
        ';AUTHORITY\nconsul. 0 IN SOA ns.consul. h.consul. 1 2 3 4 5\n;ADDITIONAL\nconsul. 0 IN TXT "x"\n'
    )
    question = parse_question(query.to_wire())
    assert (question.qtype, question.udp_bytes) == (RRType.IXFR, 900)


def test_the_spelling_is_kept_for_the_reply() -> None:
    query = dns.message.make_query("WeB.sErvice.consul", "A").to_wire()
    question = parse_question(query)
    assert question.raw_name == b"\x03WeB\x07sErvice\x06consul\0"
    assert question.labels == (b"web", b"service", b"consul")
    assert question.section() == query[12:]
    assert question.name() == Name.from_text("web.service.consul")


def query(*, flags: int = 0, counts: bytes = b"\0\x01\0\0\0\0\0\0", body: bytes = b"\x01x\0\0\x01\0\x01") -> bytes:
    return b"\0\x09" + flags.to_bytes(2, "big") + counts + body


LONGEST = b"".join(b"\x3f" + b"a" * 63 for _ in range(3)) + b"\x3d" + b"a" * 61 + b"\0"


def test_the_longest_name_is_read_and_one_byte_more_is_refused() -> None:
    assert len(LONGEST) == 255
    assert parse_question(query(body=LONGEST + b"\0\x01\0\x01")).raw_name == LONGEST
    with pytest.raises(FormatError, match="at most 255"):
        parse_question(query(body=LONGEST[:-63] + b"\x3e" + b"a" * 62 + b"\0" + b"\0\x01\0\x01"))


@pytest.mark.parametrize(
    ("data", "rule", "rcode"),
    [
        (query(flags=0x2800), "opcode", Rcode.NOTIMP),
        (query(flags=0x1000, body=b""), "opcode", Rcode.NOTIMP),
        (query(counts=bytes(8), body=b""), "one question, not 0", Rcode.FORMERR),
        (query(counts=b"\0\x02\0\0\0\0\0\0"), "one question, not 2", Rcode.FORMERR),
        (query(body=b"\x40x\0\0\x01\0\x01"), "plain labels", Rcode.FORMERR),
        (query(body=b"\x01x\xc0\x0c\0\x01\0\x01"), "plain labels", Rcode.FORMERR),
        (query(body=b"\x01x\0\0\x01\0"), "type and class", Rcode.FORMERR),
        (query(body=b"\x09x\0"), "past its end", Rcode.FORMERR),
        (query(body=b"\x01x\0\0\x01\0\x01" + bytes(65536)), "at most 65535", Rcode.FORMERR),
    ],
)
def test_what_is_not_a_question_is_refused_with_the_code_that_suits(data: bytes, rule: str, rcode: int) -> None:
    with pytest.raises(FormatError, match=rule) as caught:
        parse_question(data)
    assert (caught.value.message_id, caught.value.rcode) == (9, rcode)


def test_a_response_is_refused_without_a_header_so_that_no_loop_can_start() -> None:
    with pytest.raises(FormatError, match="QR") as caught:
        parse_question(query(flags=0x8000))
    assert caught.value.header is None
