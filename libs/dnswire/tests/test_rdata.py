"""Record data: one table a type, each row checked against dnspython in both directions."""

import dns.edns
import dns.message
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from lictor_dnswire import (
    AAAA,
    CLIENT_SUBNET,
    CNAME,
    NS,
    PTR,
    SOA,
    SRV,
    TXT,
    A,
    ClientSubnet,
    EdnsOption,
    EncodeError,
    FormatError,
    Message,
    Name,
    Opaque,
    Opt,
    Rdata,
    Record,
    RRType,
    parse_message,
)

N = Name.from_text
OWNER = N("x.consul")
TABLE: list[tuple[Rdata, str]] = [
    (A.from_text("10.1.2.3"), "10.1.2.3"),
    (A.from_text("255.255.255.255"), "255.255.255.255"),
    (AAAA.from_text("2001:db8::1"), "2001:db8::1"),
    (AAAA.from_text("::"), "::"),
    (SRV(1, 10, 8080, N("node-1.node.dc1.consul")), "1 10 8080 node-1.node.dc1.consul."),
    (SRV(65535, 65535, 65535, N(".")), "65535 65535 65535 ."),
    (TXT.from_text("a=b"), '"a=b"'),
    (TXT((b"", b"two words", b"\x00\xff")), '"" "two words" "\\000\\255"'),
    (NS(N("ns.consul")), "ns.consul."),
    (PTR(N("node-1.node.dc1.consul")), "node-1.node.dc1.consul."),
    (CNAME(N("example.com")), "example.com."),
    (
        SOA(N("ns.consul"), N("hostmaster.consul"), 2**32 - 1, 3600, 600, 86400, 0),
        "ns.consul. hostmaster.consul. 4294967295 3600 600 86400 0",
    ),
    (Opaque(257, b"\x00\x05issueca"), '0 issue "ca"'),
]


@pytest.mark.parametrize(("rdata", "text"), TABLE)
def test_dnspython_reads_what_we_write(rdata: Rdata, text: str) -> None:
    wire = Message(answers=(Record(OWNER, 5, rdata),)).encode()
    (rrset,) = dns.message.from_wire(wire).answer
    assert (rrset.ttl, rrset.rdtype, rrset.name.to_text()) == (5, rdata.rtype, "x.consul.")
    expected = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdata.rtype), text)
    assert list(rrset) == [expected]


@pytest.mark.parametrize(("rdata", "text"), TABLE)
def test_we_read_what_dnspython_writes(rdata: Rdata, text: str) -> None:
    rtype = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdata.rtype))
    wire = dns.message.from_text(f";ANSWER\nx.consul. 5 IN {rtype} {text}").to_wire()
    assert parse_message(wire).answers == (Record(OWNER, 5, rdata),)


def raw_record(rtype: int, data: bytes, *, rclass: int = 1, length: int | None = None) -> bytes:
    head = b"\0\0\0\0\0\0\0\x01\0\0\0\0" + b"\x01x\0"
    size = len(data) if length is None else length
    return head + rtype.to_bytes(2, "big") + rclass.to_bytes(2, "big") + b"\0\0\0\0" + size.to_bytes(2, "big") + data


@pytest.mark.parametrize(
    ("rtype", "data", "rule"),
    [
        (RRType.A, b"\x01\x02\x03", "A address"),
        (RRType.A, b"\x01\x02\x03\x04\x05", "1 bytes too many"),
        (RRType.AAAA, bytes(15), "AAAA address"),
        (RRType.AAAA, bytes(17), "too many"),
        (RRType.SRV, bytes(6), "SRV target"),
        (RRType.SRV, bytes(5), "SRV port"),
        (RRType.SRV, bytes(8), "too many"),
        (RRType.TXT, b"", "TXT strings"),
        (RRType.TXT, b"\x02a", "TXT string"),
        (RRType.NS, b"", "NS nsdname"),
        (RRType.PTR, b"\x01a", "PTR target"),
        (RRType.CNAME, b"\0\0", "too many"),
        (RRType.SOA, bytes(21), "SOA minimum"),
        (RRType.SOA, bytes(23), "too many"),
    ],
)
def test_data_of_the_wrong_length_is_refused(rtype: int, data: bytes, rule: str) -> None:
    with pytest.raises(FormatError, match=rule):
        parse_message(raw_record(rtype, data))


def test_data_that_runs_out_of_the_message_is_refused() -> None:
    with pytest.raises(FormatError, match="5 bytes are due"):
        parse_message(raw_record(RRType.A, b"\x01\x02\x03\x04", length=5))


def test_internet_types_are_opaque_in_other_classes() -> None:
    (record,) = parse_message(raw_record(RRType.A, b"\x01\x02", rclass=3)).answers
    assert record.rdata == Opaque(RRType.A, b"\x01\x02")


def test_a_ttl_with_the_top_bit_set_counts_as_zero() -> None:
    wire = bytearray(raw_record(RRType.A, b"\x01\x02\x03\x04"))
    wire[19] = 0x80
    assert parse_message(bytes(wire)).answers[0].ttl == 0


def test_a_compressed_srv_target_is_understood_and_ours_is_never_compressed() -> None:
    (record,) = parse_message(raw_record(RRType.SRV, bytes(6) + b"\xc0\x0c")).answers
    assert record.rdata == SRV(0, 0, 0, N("x"))
    wire = Message(answers=(Record(OWNER, 0, SRV(1, 1, 1, OWNER)),)).encode()
    assert wire.count(b"\x01x\x06consul\0") == 2


@pytest.mark.parametrize(
    ("rdata", "field"),
    [
        (A(b"\x01"), "A address"),
        (AAAA(b"\x01"), "AAAA address"),
        (SRV(-1, 0, 0, OWNER), "SRV priority"),
        (SRV(0, 65536, 0, OWNER), "SRV weight"),
        (SRV(0, 0, 65536, OWNER), "SRV port"),
        (TXT(()), "TXT strings"),
        (TXT((b"x" * 256,)), "TXT string"),
        (TXT((b"x" * 255,) * 257), "record data"),
        (SOA(OWNER, OWNER, 2**32, 0, 0, 0, 0), "SOA serial"),
        (Opaque(65536, b""), "record type"),
        (NS(Name((b"x" * 64,))), "name"),
    ],
)
def test_values_without_a_wire_form_are_refused_by_field(rdata: Rdata, field: str) -> None:
    with pytest.raises(EncodeError, match=field):
        Message(answers=(Record(OWNER, 0, rdata),)).encode()


def test_long_text_is_cut_into_strings() -> None:
    assert [len(s) for s in TXT.from_text("x" * 600).strings] == [255, 255, 90]
    assert TXT.from_text("").strings == (b"",)


def test_addresses_show_as_text() -> None:
    assert A.from_text("10.0.0.1").to_text() == "10.0.0.1"
    assert AAAA.from_text("2001:DB8:0::1").to_text() == "2001:db8::1"


@pytest.mark.parametrize(
    ("text", "bits"), [("10.1.2.0", 24), ("10.128.0.0", 9), ("0.0.0.0", 0), ("2001:db8::", 56), ("10.1.2.3", 32)]
)
def test_client_subnets_agree_with_dnspython(text: str, bits: int) -> None:
    theirs = dns.edns.ECSOption(text, bits)
    mine = ClientSubnet.from_option(EdnsOption(CLIENT_SUBNET, theirs.to_wire() or b""))
    assert (mine.source_bits, mine.scope_bits) == (bits, 0)
    packed = A(mine.packed()).to_text() if mine.family == 1 else AAAA(mine.packed()).to_text()
    assert packed == text
    assert mine.to_option(scope_bits=bits).data == dns.edns.ECSOption(text, bits, bits).to_wire()


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"\0\x03\x08\0\x0a", "family"),
        (b"\0\x01\x21\0\x0a\0\0\0\0", "at most 32"),
        (b"\0\x01\x08\x21\x0a", "at most 32"),
        (b"\0\x01\x18\0\x0a\0", "address"),
        (b"\0\x01\x08\0\x0a\0", "more bytes"),
        (b"\0\x01\x09\0\x0a\x01", "beyond the prefix"),
        (b"\0", "family"),
    ],
)
def test_a_malformed_client_subnet_is_refused(data: bytes, rule: str) -> None:
    with pytest.raises(FormatError, match=rule):
        ClientSubnet.from_option(EdnsOption(CLIENT_SUBNET, data))


def test_opt_fields_agree_with_dnspython() -> None:
    opt = Opt(4096, 0, 0, dnssec_ok=True, options=(EdnsOption(10, b"12345678"), EdnsOption(65001, b"")))
    theirs = dns.message.from_wire(Message(edns=opt).encode())
    assert (theirs.edns, theirs.payload, bool(theirs.ednsflags & 0x8000)) == (0, 4096, True)
    assert [option.otype for option in theirs.options] == [10, 65001]
    assert parse_message(theirs.to_wire()).edns == opt
    assert opt.option(65001) == EdnsOption(65001, b"")
    assert opt.option(8) is None


@pytest.mark.parametrize("options", [(), (EdnsOption(1, b""),)])
def test_opt_numbers_that_do_not_fit_are_refused(options: tuple[EdnsOption, ...]) -> None:
    for opt in (Opt(65536), Opt(extended_rcode=256), Opt(version=-1)):
        with pytest.raises(EncodeError, match="OPT"):
            Opt(opt.payload_bytes, opt.extended_rcode, opt.version, options=options).to_wire()
