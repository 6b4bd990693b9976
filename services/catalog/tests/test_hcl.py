"""HCL 1 as configuration files use it: what texts mean, where they are wrong, and that no text does harm."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_catalog import hcl
from lictor_catalog.body_decoding import plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("# only a comment\n// and another\n/* and\nmore */\n", {}),
        ('a = "x"', {"a": "x"}),
        ('"a b" = 1', {"a b": 1}),
        (
            "a = -5 b = 0x1F c = 010 d = 1.5 e = 2e3 f = -0.5e-1",
            {"a": -5, "b": 31, "c": 8, "d": 1.5, "e": 2e3, "f": -0.05},
        ),
        ("a = true\nb = false", {"a": True, "b": False}),
        ("a = [1, 2,\n 3,]\nb = []", {"a": [1, 2, 3], "b": []}),
        ("a = [[1], {b = 2}]", {"a": [[1], {"b": 2}]}),
        ("a { b = 1, c = 2 }", {"a": {"b": 1, "c": 2}}),
        ("a = { b = 1\n c = 2 }", {"a": {"b": 1, "c": 2}}),
        ('a "x" "y" { b = 1 }', {"a": {"x": {"y": {"b": 1}}}}),
        ("a { b = 1 }\na { b = 2 }", {"a": [{"b": 1}, {"b": 2}]}),
        ("a = [{ b = 1 }]\na { b = 2 }", {"a": [{"b": 1}, {"b": 2}]}),
        ('service { name="a" port=5 tags=["x"] }', {"service": {"name": "a", "port": 5, "tags": ["x"]}}),
        ('{ "a" = 1 }', {"a": 1}),
        (r'a = "q\"\\\n\t\x41\u00e9\U0001F600\101"', {"a": 'q"\\\n\tAé😀A'}),
        ('a = "${f("x")} {y}"', {"a": '${f("x")} {y}'}),
        ("a = <<END\nline 1\n  line 2\nEND\nb = 1", {"a": "line 1\n  line 2\n", "b": 1}),
        ("a = <<-END\n    x\n      y\n    END\n", {"a": "x\n  y\n"}),
        ("a = <<-END\n  x\n y\n    END\n", {"a": "  x\n y\n"}),
        ("a = <<E\r\nx\r\nE\r\n", {"a": "x\n"}),
        ("\ufeffa = 1", {"a": 1}),
        ("a.b-c_d = 1", {"a.b-c_d": 1}),
    ],
)
def test_a_text_means(text: Any, value: Any) -> None:
    assert plain(hcl.parse(text)) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "rule"),
    [
        ("a = 1\nb", 2, 2, "= or { is expected here, not the end of the file"),
        ("a = \n}", 2, 1, "a value is expected here, not }"),
        ("a = word", 1, 5, "a value is expected here, not word"),
        ('a = "x\n', 1, 5, "this string does not end"),
        ('a = "\\q"', 1, 6, "unknown escape"),
        ('a = "\\ud800"', 1, 6, "no character"),
        ("a = <<END\nx\n", 1, 5, "the heredoc END does not end"),
        ("a = <<\n", 1, 5, "a heredoc is <<NAME"),
        ("/* x", 1, 1, "this comment does not end"),
        ("a {\n b = 1\n", 3, 1, "a key is expected here, not the end of the file"),
        ("a = [1 2]", 1, 8, ", or ] is expected here, not 2"),
        ("a = 09", 1, 5, "octal"),
        ("a = 1x", 1, 5, "unexpected '1'"),
        ("a = 1e999", 1, 5, "too large"),
        ("}", 1, 1, "a key is expected here"),
        ("{ a = 1 } b = 2", 1, 11, "the end of the file is expected"),
        ("a = $", 1, 5, "unexpected '$'"),
        ("a " + "{ b " * 80, 1, None, "nested more than 64 deep"),
        ("a = " + "[" * 80, 1, None, "nested more than 64 deep"),
        ("a = " + "9" * 80, 1, 5, "too long"),
    ],
)
def test_a_wrong_text_names_its_place(text: Any, line: Any, column: Any, rule: Any) -> None:
    with pytest.raises(hcl.HclError) as raised:
        hcl.parse(text)
    error = raised.value
    assert (error.line, rule in error.rule) == (line, True), error
    assert column in {None, error.column}


def test_blocks_know_their_lines() -> None:
    file = hcl.parse("# c\nservice {\n  name = 1\n\n  port = 2\n}\nservice {\n}\n")
    first, second = file["service"]
    assert (first.line, first.lines, second.line) == (2, {"name": 3, "port": 5}, 7)
    assert file.lines == {"service": 2}


keys = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True).filter(lambda key: key not in {"true", "false"})
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(strings, st.integers(-(10**18), 10**18), st.booleans(), st.floats(-1e6, 1e6).filter(bool))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=12,
)


def written(value: Any) -> str:
    """A value as HCL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return (
            '"' + "".join(f"\\U{ord(char):08x}" if char in '"\\$\n' or ord(char) < 32 else char for char in value) + '"'
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{\n" + "".join(f"{key} = {written(one)}\n" for key, one in value.items()) + "}"
    return repr(value)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(keys, values, max_size=4))
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    text = "".join(f"{key} = {written(one)}\n" for key, one in value.items())
    assert plain(hcl.parse(text)) == value


pieces = st.sampled_from(
    [
        "a",
        " ",
        "=",
        "{",
        "}",
        "[",
        "]",
        ",",
        '"',
        "\\",
        "\n",
        "#",
        "/*",
        "*/",
        "<<E\n",
        "E\n",
        "1",
        "-",
        ".",
        "${",
        "true",
        "0x",
    ]
)


@settings(max_examples=1000, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(pieces, max_size=40).map("".join)))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    error: hcl.HclError | None = None
    try:
        hcl.parse(text)
    except hcl.HclError as raised:
        error = raised
    assert error is None or (1 <= error.line <= text.count("\n") + 1 and error.column >= 1)
