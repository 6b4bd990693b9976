"""Names: limits, escapes, case; dnspython is the oracle for text and wire forms."""

import dns.exception
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_dnswire import NAME_BYTES_MAX, ROOT, EncodeError, Name, NameTextError

LABEL = st.binary(min_size=1, max_size=63)
NAMES = st.lists(LABEL, max_size=8).map(tuple).filter(lambda ls: sum(map(len, ls)) + len(ls) < NAME_BYTES_MAX).map(Name)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("web.service.consul.", (b"web", b"service", b"consul")),
        ("web.service.consul", (b"web", b"service", b"consul")),
        (".", ()),
        ("", ()),
        (r"a\.b.c", (b"a.b", b"c")),
        (r"a\046b.c", (b"a.b", b"c")),
        (r"\\.c", (b"\\", b"c")),
        (r"\255.x", (b"\xff", b"x")),
        (r"a\ b.", (b"a b",)),
    ],
)
def test_text_is_read_as_master_files_write_it(text: str, labels: tuple[bytes, ...]) -> None:
    assert Name.from_text(text).labels == labels


@pytest.mark.parametrize(
    "text",
    [
        "a..b",
        ".a",
        "..",
        "a" * 64,
        ".".join(["a" * 63] * 4),
        "\\",
        "a\\25",
        r"a\256",
        r"a\2x5",
        "\u00fc.de",
        r"a\.b..c",
    ],
)
def test_text_that_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(NameTextError):
        Name.from_text(text)


def test_the_longest_label_and_the_longest_name_are_accepted() -> None:
    text = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    name = Name.from_text(text)
    assert name.wire_bytes() == NAME_BYTES_MAX
    assert name.to_wire() == dns.name.from_text(text).to_wire()
    with pytest.raises(NameTextError):
        Name.from_text(text + "d")


@pytest.mark.parametrize("labels", [(b"",), (b"x" * 64,), (b"x" * 63,) * 4])
def test_labels_that_fit_no_wire_are_refused_when_written(labels: tuple[bytes, ...]) -> None:
    with pytest.raises(EncodeError):
        Name(labels).to_wire()


@given(NAMES)
def test_text_and_wire_agree_with_dnspython_and_return(name: Name) -> None:
    theirs = dns.name.Name([*name.labels, b""])
    assert name.to_wire() == theirs.to_wire()
    assert dns.name.from_text(name.to_text()) == theirs
    assert Name.from_text(name.to_text()).labels == name.labels
    assert Name.from_text(theirs.to_text()).labels == name.labels


@given(st.text(max_size=40))
def test_any_text_gives_a_name_or_a_name_text_error(text: str) -> None:
    try:
        name = Name.from_text(text)
    except NameTextError:
        return
    assert Name.from_text(name.to_text()).labels == name.labels


@given(NAMES, NAMES)
def test_equality_and_subdomains_agree_with_dnspython(one: Name, other: Name) -> None:
    mine, theirs = dns.name.Name([*one.labels, b""]), dns.name.Name([*other.labels, b""])
    assert (one == other) == (mine == theirs)
    assert one.is_subdomain_of(other) == mine.is_subdomain(theirs)
    joined = [*one.labels, *other.labels]
    if Name(tuple(joined)).wire_bytes() <= NAME_BYTES_MAX:
        assert Name(tuple(joined)).is_subdomain_of(other)


def test_names_compare_without_case_and_keep_their_spelling() -> None:
    name = Name.from_text("WeB.Consul")
    assert name == Name.from_text("web.consul")
    assert hash(name) == hash(Name.from_text("WEB.CONSUL"))
    assert str(name) == "WeB.Consul."
    assert name.lower().labels == (b"web", b"consul")
    assert name != "web.consul."
    assert str(ROOT) == "."
