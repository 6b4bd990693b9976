"""RE2 patterns: against Python's own engine where both mean the same, and where they differ by table."""

import random
import re
import time

import pytest

from lictor_state.regexp import Regexp
from lictor_state.regexp_syntax import DEPTH_MAX, RegexpError

FINDS = [
    ("", "", True),
    ("b", "abc", True),
    ("^b", "abc", False),
    ("c$", "abc", True),
    ("c$", "abc\n", False),
    ("(?m)c$", "abc\n", True),
    ("(?m)^d", "abc\nd", True),
    ("a.c", "a\nc", False),
    ("(?s)a.c", "a\nc", True),
    ("(?i)WEB", "web", True),
    ("(?i:W)eb", "wEB", False),
    ("(?i)[a-f]+$", "FACE", True),
    ("(?i)[^a]", "A", False),
    (r"(?i)\W", "k", False),
    ("(?i)k", "\u212a", True),
    ("(?i)ß", "SS", False),
    (r"\d", "٣", False),
    (r"\w", "é", False),
    (r"\s", "\v", False),
    (r"[[:space:]]", "\v", True),
    (r"[[:^alpha:]]", "abc1", True),
    (r"\pL+$", "éa", True),
    (r"\p{Lu}", "ab", False),
    (r"\P{L}", "ab1", True),
    (r"\p{^L}", "ab", False),
    (r"\x41\x{1F600}", "A\U0001f600", True),
    (r"\101", "A", True),
    (r"\Q.*\E+", "a.***", True),
    (r"\Q.*", ".x", False),
    (r"\bweb\b", "a web b", True),
    (r"\bweb\b", "webs", False),
    (r"\Beb", "web", True),
    (r"\Aab\z", "ab", True),
    ("[]a]", "]", True),
    ("[^]a]", "]", False),
    ("[a-]", "-", True),
    (r"[\d.]+$", "10.1", True),
    ("x{,3}", "x{,3}", True),
    ("^(a|b){2,3}$", "aba", True),
    ("^(a|b){2,3}$", "abab", False),
    ("a{2}?", "aa", True),
    ("(?P<name>a)(?<other>b)", "ab", True),
    ("(?U)a+", "aa", True),
    ("(?i)a(?-i)b", "AB", False),
    ("()*", "", True),
    ("(a*)*b", "aaab", True),
]


@pytest.mark.parametrize(("pattern", "text", "finds"), FINDS)
def test_what_a_pattern_finds(pattern: str, text: str, finds: bool) -> None:
    assert Regexp(pattern).search(text) is finds


REFUSED = {
    "(": "missing closing ): `(`", "a)": "unexpected ): `a)`", "[a": "missing closing ]: `[a`", "*a": "missing argument to repetition operator: `*`",
    "a**": "invalid nested repetition operator: `**`", "a++": "invalid nested repetition operator: `++`", "a{2001}": "invalid repeat count: `{2001}`",
    "a{3,2}": "invalid repeat count: `{3,2}`", "(?=a)": "invalid or unsupported Perl syntax: `(?=`", "(?<=a)": "invalid named capture: `(?<=a)`",
    "(?!a)": "invalid or unsupported Perl syntax: `(?!`", "(?>a)": "invalid or unsupported Perl syntax: `(?>`", "(?P=a)": "invalid or unsupported Perl syntax: `(?P`",
    "(?#a)": "invalid or unsupported Perl syntax: `(?#`", r"(a)\1": r"invalid escape sequence: `\1`", r"\Z": r"invalid escape sequence: `\Z`",
    r"\C": r"invalid escape sequence: `\C`", "\\": "trailing backslash at end of expression: ``", "[b-a]": "invalid character class range: `b-a`",
    "[[:foo:]]": "invalid character class range: `[:foo:]`", r"\p{Greek}": r"invalid character class range: `\p{Greek}`", r"\x{110000}": r"invalid escape sequence: `\x{110000}`",
    "(a{100}){100}": "expression too large", "((){1000}){1000}": "expression too large", "(" * (DEPTH_MAX + 1) + ")" * (DEPTH_MAX + 1): "nests too deeply",
}  # fmt: skip


@pytest.mark.parametrize("pattern", list(REFUSED))
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(RegexpError) as raised:
        Regexp(pattern)
    assert REFUSED[pattern] in str(raised.value)


def test_random_patterns_find_what_pythons_engine_finds() -> None:
    dice = random.Random(1)
    for _ in range(1500):
        pattern = random_pattern(dice, 4)
        finds = Regexp(pattern).search
        other = re.compile(pattern.replace("$", r"\Z"), re.ASCII)
        for _ in range(6):
            text = "".join(dice.choice("abcB1 \n") for _ in range(dice.randrange(1, 8)))
            assert finds(text) is bool(other.search(text)), (pattern, text)


def random_pattern(dice: random.Random, depth: int) -> str:
    kind = dice.random()
    if not depth or kind < 0.4:
        return dice.choice(
            ["a", "b", "c", ".", r"\d", "[ab]", "[^a]", "^", "$", r"\b", r"\B", r"\w", "(?i:B)", "[a-c1]"]
        )
    one, other = random_pattern(dice, depth - 1), random_pattern(dice, depth - 1)
    if kind < 0.6:
        return one + other
    if kind < 0.75:
        return f"(?:{one}|{other})"
    return f"(?:{one}){dice.choice(['*', '+', '?', '{2}', '{1,2}', '*?', '{0}', '{1,}'])}"


def test_any_text_is_a_pattern_or_refused() -> None:
    dice = random.Random(2)
    for _ in range(5000):
        pattern = "".join(dice.choice(r"ab\()[]{}*+?|^$.-:,1019PpQEx<>=!iszi_") for _ in range(dice.randrange(12)))
        try:
            Regexp(pattern).search("ab1\n(")
        except RegexpError:
            continue


def test_a_pattern_that_ruins_a_backtracking_engine_takes_time_by_the_length_of_the_text() -> None:
    finds = Regexp("^(a+)+$").search
    began = time.process_time()
    assert not finds("a" * 100_000 + "b")
    assert time.process_time() - began < 5


def test_what_is_kept_of_a_pattern_is_bounded() -> None:
    finds = Regexp("(a|b)*a(a|b){12}c").search
    dice = random.Random(3)
    text = "".join(dice.choice("ab") for _ in range(20_000))
    assert not finds(text)
    assert finds(text + "a" + "b" * 12 + "c")
