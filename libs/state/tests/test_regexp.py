"""Go's regular expressions: what they find, what is refused, and how long they take."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_state.regexp import Regexp
from lictor_state.regexp_syntax import RegexpError


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("", ["", "a"], []),
        ("web", ["web", "my-web-1"], ["we", "WEB"]),
        ("^web$", ["web"], ["web1", "a web", "web\n"]),
        ("^$", [""], ["a"]),
        ("a|b|", ["", "c"], []),
        ("^(a|bc)+$", ["a", "abc", "bcbca"], ["", "ab", "c"]),
        ("^a?b*c+$", ["c", "abbc", "bcc"], ["ab", "", "aac"]),
        ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]),
        ("^a{2}b{0,1}$", ["aa", "aab"], ["a", "aabb"]),
        ("^(?:ab){2,}$", ["abab", "ababab"], ["ab"]),
        ("^a{,2}$", ["a{,2}"], ["a", "aa"]),
        ("^x{$", ["x{"], ["x"]),
        ("^[a-c-]x[]]$", ["ax]", "-x]"], ["dx]"]),
        ("^[^a-c]$", ["d", "\n"], ["a"]),
        ("^[[:alpha:][:digit:]_]+$", ["aZ9_"], ["-"]),
        ("^[[:^digit:]]$", ["a"], ["1"]),
        (r"^\d\D\w\W\s\S$", ["1ab- x"], ["aab- x"]),
        (r"^[\d\-\]]+$", ["1-]"], ["a"]),
        (r"^[\D]$", ["a"], ["1"]),
        (r"\bweb\b", ["a web b", "web"], ["webs", "aweb"]),
        (r"o\B", ["oo"], ["o", "o o"]),
        (r"\Aa\z", ["a"], ["ab", "a\n"]),
        ("(?i)WeB", ["web", "WEB"], ["wxb"]),
        ("^(?i:a)b$", ["Ab", "ab"], ["aB"]),
        ("(?i)^[a-c]$", ["B"], ["D"]),
        ("^.$", ["a", "é"], ["\n", "ab"]),
        ("(?s)^.$", ["\n"], []),
        ("(?m)^b$", ["a\nb\nc"], ["ab"]),
        ("^(?P<x>a)(?<y>b)$", ["ab"], []),
        (r"^\Qa.b\E+$", ["a.b"], ["axb"]),
        (r"^\x41\x{1F600}\101\n$", ["A\U0001f600A\n"], []),
        (r"^\pL\p{Nd}\PL\p{^Lu}$", ["a1-b"], ["11-b", "a1-B"]),
        (r"^[\p{Lu}0]+$", ["A0"], ["a"]),
        ("^a.*?b$", ["ab", "axxb"], ["a"]),
        (r"\.", ["."], ["a"]),
    ],
)
def test_what_is_found(pattern: str, found: Any, missed: Any) -> None:
    expression = Regexp(pattern)
    for _ in range(2):  # the second time from what is remembered
        assert [text for text in found if not expression.search(text)] == []
        assert [text for text in missed if expression.search(text)] == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(", "missing closing ): `(`"),
        ("a(b", "missing closing ): `a(b`"),
        ("a)", "unexpected ): `a)`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("[a", "missing closing ]: `[a`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        (r"\y", r"invalid escape sequence: `\y`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
        ("(?<=a)", "invalid named capture: `(?<=a)`"),
        (r"\p{Nope}", r"invalid character class range: `\p{Nope}`"),
        (r"\x{110000}", r"invalid escape sequence: `\x{110000}`"),
    ],
)
def test_what_is_refused(pattern: str, text: str) -> None:
    with pytest.raises(RegexpError) as refused:
        Regexp(pattern)
    assert str(refused.value) == f"error parsing regexp: {text}"


@pytest.mark.parametrize("pattern", ["(a{1000}){1000}", "a" * 3000, "(" * 300 + ")" * 300])
def test_what_is_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(RegexpError):
        Regexp(pattern)


def test_an_expression_that_ruins_other_matchers_takes_a_step_for_each_character() -> None:
    expression = Regexp("^(a+)+$")
    text = "a" * 5000 + "b"
    assert not expression.search(text)
    assert len(expression._steps) < 10
    assert not Regexp("(x*)*(x*)*y").search("x" * 5000)


atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "(?:ab)", r"\w", "c"])
repeated = st.one_of(
    st.sampled_from([r"\b", "^", "$"]),
    st.tuples(atoms, st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}"])).map("".join),
)
patterns = st.recursive(
    st.lists(repeated, max_size=4).map("".join),
    lambda inner: st.tuples(inner, inner, st.sampled_from(["", "?", "{0,2}"])).map(
        lambda one: f"(?:{one[0]}|{one[1]}){one[2]}"
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(patterns, st.text("abc ", max_size=8))
def test_against_pythons_own_where_both_mean_the_same(pattern: str, text: str) -> None:
    theirs = pattern.replace("$", r"\Z")  # Go's `$` is the end alone, Python's is also before a last newline
    assert Regexp(pattern).search(text) is (re.compile(theirs, re.ASCII).search(text) is not None), pattern
