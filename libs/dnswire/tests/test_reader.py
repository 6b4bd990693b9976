"""Compression pointers and bounds: what RFC 1035, section 4.1.4 allows, and everything that it does not."""

import pytest

from lictor_dnswire import FormatError, Name
from lictor_dnswire.reader import Reader
from lictor_dnswire.writer import POINTER_REACH, Writer

HEADER = bytes(12)


def read(body: bytes, at: int = 0) -> tuple[Name, int]:
    reader = Reader(HEADER + body, 12 + at)
    return reader.name("name"), reader.offset - 12


def test_a_pointer_leads_to_an_earlier_name_and_reading_goes_on_behind_it() -> None:
    assert read(b"\x01a\x01b\0\x01c\xc0\x0e!", 5) == (Name((b"c", b"b")), 9)


def test_a_pointer_may_lead_to_a_name_that_ends_in_a_pointer() -> None:
    assert read(b"\x01a\0\x01b\xc0\x0c\x01c\xc0\x0f", 7) == (Name((b"c", b"b", b"a")), 11)


@pytest.mark.parametrize(
    ("body", "at", "rule"),
    [
        (b"\xc0\x0c", 0, "must lead back"),  # to itself
        (b"\x01a\xc0\x0c", 0, "must lead back"),  # to the name it ends: a loop
        (b"\xc0\x0e\xc0\x0c", 0, "must lead back"),  # two pointers at each other
        (b"\xc0\x0e\x01a\0", 0, "must lead back"),  # forward
        (b"\x01a\0\xc0\x00", 3, "must lead back"),  # into the header
        (b"\x01a\0\xff\xff", 3, "must lead back"),  # out of the message
        (b"\xc0", 0, "two bytes"),
        (b"\x40a", 0, "label type"),
        (b"\x80a", 0, "label type"),
        (b"\x05ab", 0, "past its end"),
        (b"\x01a", 0, "past its end"),
        (b"", 0, "past its end"),
        (
            b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\x3e" + b"d" * 62 + b"\0",
            0,
            "at most 255",
        ),
    ],
)
def test_a_name_that_breaks_a_rule_is_refused(body: bytes, at: int, rule: str) -> None:
    with pytest.raises(FormatError, match=rule):
        read(body, at)


def test_a_name_grown_too_long_by_pointers_is_refused() -> None:
    body = b"\x3f" + b"a" * 63 + b"\0"
    last = 0
    for _ in range(3):
        target = 12 + last
        last = len(body)
        body += b"\x3f" + b"b" * 63 + (0xC000 | target).to_bytes(2, "big") + b"\0"
    with pytest.raises(FormatError, match="at most 255"):
        read(body, last)


def test_a_long_chain_of_bare_pointers_is_refused() -> None:
    body = b"\x01a\0" + b"\xc0\x0c"
    for place in range(3, 3 + 2 * 200, 2):
        body += (0xC000 | (12 + place)).to_bytes(2, "big")
    assert read(body, 3)[0] == Name((b"a",))
    with pytest.raises(FormatError, match="pointers"):
        read(body, len(body) - 2)


def test_a_name_inside_record_data_must_not_run_out_of_it_but_may_point_out_of_it() -> None:
    data = HEADER + b"\x01a\0" + b"\x01b\xc0\x0c" + b"\x01c\0"
    inner = Reader(data, 15, 19)
    assert inner.name("name") == Name((b"b", b"a"))
    assert inner.remaining() == 0
    with pytest.raises(FormatError, match="past its end"):
        Reader(data, 15, 16).name("name")


def test_numbers_and_strings_stop_at_the_end() -> None:
    reader = Reader(b"\x01\x02\x03\x04\x05\x06\x07\x02ab")
    assert (reader.u8("x"), reader.u16("x"), reader.u32("x"), reader.string("x")) == (1, 0x0203, 0x04050607, b"ab")
    for read_more in (reader.u8, reader.u16, reader.u32, reader.string):
        with pytest.raises(FormatError, match="are left"):
            read_more("x")


def test_a_suffix_of_another_spelling_is_not_pointed_at() -> None:
    writer = Writer()
    writer.raw(HEADER)
    writer.name(Name.from_text("web.Consul"))
    mark = len(writer.data)
    writer.name(Name.from_text("db.consul"))
    assert bytes(writer.data[mark:]) == b"\x02db\x06consul\0"
    mark = len(writer.data)
    writer.name(Name.from_text("api.Consul"))
    assert bytes(writer.data[mark:]) == b"\x03api\xc0\x10"


def test_a_name_beyond_the_reach_of_pointers_is_not_pointed_at() -> None:
    writer = Writer()
    writer.raw(bytes(POINTER_REACH + 1))
    for _ in range(2):
        mark = len(writer.data)
        writer.name(Name.from_text("a.b"))
        assert bytes(writer.data[mark:]) == b"\x01a\x01b\0"


def test_what_was_cut_off_is_not_pointed_at() -> None:
    writer = Writer()
    writer.raw(HEADER)
    writer.name(Name.from_text("a.b"))
    writer.cut(12)
    writer.name(Name.from_text("a.b"))
    assert bytes(writer.data[12:]) == b"\x01a\x01b\0"
