"""What groups match: Go's answers, and Python's own where the two languages agree."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_state.regexp_syntax import RegexpError
from lictor_state.submatches import compile_submatches


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^geo-(.*)-(.*)$", "geo-a-b-c", ("geo-a-b-c", "a-b", "c")),
        ("^geo-(.*?)-(.*)$", "geo-a-b-c", ("geo-a-b-c", "a", "b-c")),
        ("(?U)^geo-(.*)-(.*)$", "geo-a-b-c", ("geo-a-b-c", "a", "b-c")),
        ("^nomatch$", "geo", ()),
        ("", "geo", ("",)),
        ("(F)|(o)", "t-Foo", ("F", "F", "")),
        ("(?i)t-(f)", "T-Foo", ("T-F", "F")),
        ("(?P<x>a)(?:b)(c)", "abc", ("abc", "a", "c")),
        ("(a*)*b", "aab", ("aab", "aa")),
        ("(a|ab)(c|bcd)", "abcd", ("abcd", "a", "bcd")),
        ("x*", "aaa", ("",)),
        ("\\bb(.)", "ab bc", ("bc", "c")),
        ("\\Qa.b\\E(.*)", "a.bc", ("a.bc", "c")),
        ("(a){2}", "aaa", ("aa", "a")),
        ("ü(.)$", "süß", ("üß", "ß")),
    ],
)
def test_the_first_match_is_found_with_its_groups(pattern: str, text: str, found: Any) -> None:
    assert compile_submatches(pattern)(text) == found


@pytest.mark.parametrize("pattern", ["(", "a**", "(?=x)", "\\C", "(a{1000}){1000}"])
def test_what_re2_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(RegexpError):
        compile_submatches(pattern)


def test_a_pattern_that_makes_others_try_for_years_costs_by_the_length_of_the_text() -> None:
    assert compile_submatches("(a+)+$")("a" * 1000 + "b") == ()


atoms = st.sampled_from(["a", "b", "(a)", "(b)", "(a|b)", "[ab]", "(ab|a)", "(?:ba)"])
pieces = st.tuples(atoms, st.sampled_from(["", "", "*", "+", "?", "*?", "+?", "??"])).map("".join)
patterns = st.lists(st.lists(pieces, min_size=1, max_size=3).map("".join), min_size=1, max_size=2).map("|".join)


@settings(max_examples=300, deadline=None)
@given(patterns, st.text("ab", max_size=8))
def test_groups_are_those_of_pythons_own_matcher_where_the_languages_agree(pattern: str, text: str) -> None:
    theirs = re.search(pattern, text)
    expected = () if theirs is None else tuple(one or "" for one in (theirs[0], *theirs.groups()))
    assert compile_submatches(pattern)(text) == expected
