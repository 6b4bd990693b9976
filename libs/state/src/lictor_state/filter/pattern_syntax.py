r"""Regular expressions as Go's RE2 writes them: text to a tree.

Follows RE2's syntax page in Perl mode. Whether a match is greedy makes no difference here, for it is only asked whether
there is one; so lazy signs and the flag `U` are read and mean nothing. What RE2 refuses is refused in its words: above
all backreferences and looking around. Refused although RE2 has them: classes of scripts (`\p{Greek}`); classes of
general categories (`\pL`, `\p{Lu}`) are there.
"""

import re
import unicodedata
from collections.abc import Callable

import msgspec

DEPTH_MAX = 50
"""Nested groups: the parser and the compiler call themselves once for each."""

REPEATS_MAX = 1000
"""RE2's own limit of `{n,m}`."""

Holds = Callable[[str], bool]
"""Whether one character is in a set."""


class PatternError(ValueError):
    """A pattern that is none, in RE2's words."""


class Char(msgspec.Struct, frozen=True):
    """One character out of a set."""

    holds: Holds


class Edge(msgspec.Struct, frozen=True):
    r"""A place between characters: `\A`, `\z`, `^` or `$` of a line, `\b`, `\B`."""

    sign: str


class Chain(msgspec.Struct, frozen=True):
    """One after the other; empty matches everywhere."""

    parts: "tuple[Node, ...]"


class Choice(msgspec.Struct, frozen=True):
    """One of several."""

    parts: "tuple[Node, ...]"


class Repeat(msgspec.Struct, frozen=True):
    """Again and again; `most` None for without end."""

    of: "Node"
    least: int
    most: int | None


Node = Char | Edge | Chain | Choice | Repeat

_WORD = re.compile(r"\w", re.ASCII)
_COUNTS = re.compile(r"\{(\d{1,9})(?:(,)(\d{1,9})?)?\}")
_FLAGS = re.compile(r"\(\?([imsU]*)(-[imsU]+)?([:)])")
_NAMED = re.compile(r"\(\?P?<[A-Za-z0-9_]+>")
_HEX = re.compile(r"\\x(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2}))")
_OCTAL = re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})")
_CATEGORY = re.compile(r"\\([pP])(?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))")
_POSIX = re.compile(r"\[:(\^?)([a-z]+):\]")
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CATEGORIES = frozenset(
    {
        "C",
        "Cc",
        "Cf",
        "Co",
        "Cs",
        "L",
        "Ll",
        "Lm",
        "Lo",
        "Lt",
        "Lu",
        "M",
        "Mc",
        "Me",
        "Mn",
        "N",
        "Nd",
        "Nl",
        "No",
        "P",
        "Pc",
        "Pd",
        "Pe",
        "Pf",
        "Pi",
        "Po",
        "Ps",
        "S",
        "Sc",
        "Sk",
        "Sm",
        "So",
        "Z",
        "Zl",
        "Zp",
        "Zs",
    }
)
_SPACES = frozenset("\t\n\f\r ")


def _in_text(of: str) -> Holds:
    return frozenset(of).__contains__


_DIGITS, _UPPER, _LOWER = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_PERL: dict[str, Holds] = {
    "d": _in_text(_DIGITS),
    "s": _SPACES.__contains__,
    "w": _in_text(_DIGITS + _UPPER + _LOWER + "_"),
}
_POSIX_SETS: dict[str, Holds] = {
    "alnum": _in_text(_DIGITS + _UPPER + _LOWER),
    "alpha": _in_text(_UPPER + _LOWER),
    "ascii": str.isascii,
    "blank": _in_text("\t "),
    "cntrl": lambda char: char < " " or char == "\x7f",
    "digit": _in_text(_DIGITS),
    "graph": lambda char: "!" <= char <= "~",
    "lower": _in_text(_LOWER),
    "print": lambda char: " " <= char <= "~",
    "punct": _in_text(_PUNCTUATION),
    "space": _in_text("\t\n\v\f\r "),
    "upper": _in_text(_UPPER),
    "word": _in_text(_DIGITS + _UPPER + _LOWER + "_"),
    "xdigit": _in_text(_DIGITS + "abcdefABCDEF"),
}


def negated(holds: Holds) -> Holds:
    """The other characters."""
    return lambda char: not holds(char)


def _folded(holds: Holds) -> Holds:
    """The set without regard to case."""

    def found(char: str) -> bool:
        if holds(char):
            return True
        other = char.swapcase()  # (a letter without a single counterpart, as the German sharp s, has none)
        return (len(other) == 1 and holds(other)) or any(map(holds, _ALSO.get(char, "")))

    return found


def _signed(holds: Holds, flags: "_Flags", *, is_negated: bool) -> Holds:
    found = _folded(holds) if flags.fold else holds
    return negated(found) if is_negated else found


_ALSO = {"k": "\u212a", "K": "\u212a", "s": "\u017f", "S": "\u017f", "\u212a": "kK", "\u017f": "sS"}
"""Letters beyond ASCII that fold to one of ASCII (Unicode's simple folding)."""


class _Flags(msgspec.Struct, frozen=True):
    fold: bool = False
    lines: bool = False
    dot_all: bool = False

    def changed(self, on: str, off: str) -> "_Flags":
        def of(letter: str, before: bool) -> bool:
            return (before or letter in on) and letter not in off

        return _Flags(of("i", self.fold), of("m", self.lines), of("s", self.dot_all))


def parse_pattern(text: str) -> Node:
    """The tree of a pattern; raises `PatternError`."""
    parser = _Parser(text)
    found = parser.choice(_Flags(), 0)
    if parser.at < len(text):
        raise PatternError(f"unexpected ): `{text}`")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def choice(self, flags: _Flags, depth: int) -> Node:
        """Chains between bars, up to a closing parenthesis or the end; flags set inside hold up to there."""
        if depth > DEPTH_MAX:
            raise PatternError(f"expression nests too deeply: `{self.text}`")
        choices: list[Node] = []
        chain: list[Node] = []
        while True:
            char = self._peek()
            if char in {"", ")", "|"}:
                choices.append(chain[0] if len(chain) == 1 else Chain(tuple(chain)))
                chain = []
                if char != "|":
                    return choices[0] if len(choices) == 1 else Choice(tuple(choices))
                self.at += 1
                continue
            switch = _FLAGS.match(self.text, self.at)
            if switch and switch[3] == ")":
                self.at = switch.end()
                flags = flags.changed(switch[1], switch[2] or "")
                continue
            quoted = self._quoted(flags)
            if quoted is not None:
                chain.extend(quoted[:-1])
                if quoted:
                    chain.append(self._repeated(quoted[-1]))
                continue
            chain.append(self._repeated(self._one(flags, depth)))

    def _quoted(self, flags: _Flags) -> list[Node] | None:
        r"""What stands between `\Q` and `\E`, or the end."""
        if not self.text.startswith("\\Q", self.at):
            return None
        start = self.at + 2
        end = self.text.find("\\E", start)
        literal = self.text[start:] if end < 0 else self.text[start:end]
        self.at = len(self.text) if end < 0 else end + 2
        return [self._literal(char, flags) for char in literal]

    def _literal(self, char: str, flags: _Flags) -> Node:
        holds: Holds = char.__eq__
        return Char(_folded(holds) if flags.fold else holds)

    def _one(self, flags: _Flags, depth: int) -> Node:
        char = self._peek()
        if char == "(":
            return self._group(flags, depth)
        if char == "[":
            return Char(self._set(flags))
        if char == "\\":
            return self._escaped(flags)
        if char in "*+?" or _COUNTS.match(self.text, self.at):
            raise PatternError(f"missing argument to repetition operator: `{char}`")
        self.at += 1
        if char == "^":
            return Edge("^" if flags.lines else "A")
        if char == "$":
            return Edge("$" if flags.lines else "z")
        if char == ".":
            return Char((lambda _char: True) if flags.dot_all else "\n".__ne__)
        return self._literal(char, flags)

    def _group(self, flags: _Flags, depth: int) -> Node:
        start = self.at
        switch = _FLAGS.match(self.text, start)
        named = _NAMED.match(self.text, start)
        if switch:
            flags = flags.changed(switch[1], switch[2] or "")
            self.at = switch.end()
        elif named:
            self.at = named.end()
        elif self.text.startswith("(?", start):
            raise PatternError(f"invalid or unsupported Perl syntax: `{self.text[start : start + 3]}`")
        else:
            self.at += 1
        found = self.choice(flags, depth + 1)
        if self._peek() != ")":
            raise PatternError(f"missing closing ): `{self.text}`")
        self.at += 1
        return found

    def _repeated(self, node: Node) -> Node:
        """The node with the repetition that follows it; a second one right behind it is refused."""
        start = self.at
        repeated = False
        while True:
            char = self._peek()
            counts = _COUNTS.match(self.text, self.at) if char == "{" else None
            if not counts and char not in {"*", "+", "?"}:
                return node
            end = counts.end() if counts else self.at + 1
            end += self.text.startswith("?", end)
            if repeated:
                raise PatternError(f"invalid nested repetition operator: `{self.text[start:end]}`")
            if counts:
                least = int(counts[1])
                most = int(counts[3]) if counts[3] else None if counts[2] else least
                if max(least, most or 0) > REPEATS_MAX or (most is not None and most < least):
                    raise PatternError(f"invalid repeat count: `{counts[0]}`")
            else:
                least, most = int(char == "+"), 1 if char == "?" else None
            node, repeated, self.at = Repeat(node, least, most), True, end

    def _escaped(self, flags: _Flags) -> Node:
        following = self.text[self.at + 1 : self.at + 2]
        if following in {"A", "z", "b", "B"} and following:
            self.at += 2
            return Edge(following)
        if following == "C":
            raise PatternError("invalid escape sequence: `\\C`")
        holds = self._class_escape(flags)
        if holds is not None:
            return Char(holds)
        return self._literal(self._escaped_char(), flags)

    def _class_escape(self, flags: _Flags) -> Holds | None:
        """A backslash that stands for a set, or nothing. A set is folded before it is negated."""
        following = self.text[self.at + 1 : self.at + 2]
        known = _PERL.get(following.lower()) if following else None
        if known is not None:
            self.at += 2
            return _signed(known, flags, is_negated=following.isupper())
        if following not in {"p", "P"}:
            return None
        found = _CATEGORY.match(self.text, self.at)
        name = (found[3] or found[4]) if found else ""
        if not found or (name not in _CATEGORIES and name != "Any"):
            shown = found[0] if found else self.text[self.at : self.at + 3]
            raise PatternError(f"invalid character class range: `{shown}`")
        self.at = found.end()
        holds: Holds = (
            (lambda _char: True) if name == "Any" else lambda char: unicodedata.category(char).startswith(name)
        )
        return _signed(holds, flags, is_negated=(found[1] == "P") != (found[2] == "^"))

    def _escaped_char(self) -> str:
        """A backslash that stands for one character."""
        text = self.text
        if self.at + 1 >= len(text):
            raise PatternError("trailing backslash at end of expression: ``")
        number = _HEX.match(text, self.at) or _OCTAL.match(text, self.at)
        if number:
            is_hex = text[self.at + 1] == "x"
            digits = (number[1] or number[2]) if is_hex else number[1]
            code = int(digits[:9], 16 if is_hex else 8)
            if code <= 0x10FFFF:
                self.at = number.end()
                return chr(code)
        char = text[self.at + 1]
        if char in _CONTROLS or (char.isascii() and not _WORD.match(char)) or char == "_":
            self.at += 2
            return _CONTROLS.get(char, char)
        raise PatternError(f"invalid escape sequence: `\\{char}`")

    def _set(self, flags: _Flags) -> Holds:
        """`[...]`, with ranges, classes and escapes."""
        start = self.at
        self.at += 1
        is_negated = self._peek() == "^"
        self.at += is_negated
        parts: list[Holds] = []
        singles: list[str] = []
        ranges: list[tuple[str, str]] = []
        first = True
        while first or self._peek() != "]":
            if self.at >= len(self.text):
                raise PatternError(f"missing closing ]: `{self.text[start:]}`")
            first = False
            posix = _POSIX.match(self.text, self.at)
            if posix:
                if posix[2] not in _POSIX_SETS:
                    raise PatternError(f"invalid character class range: `{posix[0]}`")
                self.at = posix.end()
                parts.append(_signed(_POSIX_SETS[posix[2]], flags, is_negated=bool(posix[1])))
                continue
            known = self._class_escape(flags) if self._peek() == "\\" else None
            if known is not None:
                parts.append(known)
                continue
            self._range(ranges, singles)
        self.at += 1
        single, between = frozenset(singles), tuple(ranges)
        parts.append(
            _signed(
                lambda char: char in single or any(low <= char <= high for low, high in between),
                flags,
                is_negated=False,
            )
        )
        held = tuple(parts)
        found: Holds = held[0] if len(held) == 1 else lambda char: any(part(char) for part in held)
        return negated(found) if is_negated else found

    def _range(self, ranges: list[tuple[str, str]], singles: list[str]) -> None:
        start = self.at
        low = self._set_char()
        if self._peek() != "-" or self.text[self.at + 1 : self.at + 2] in {"]", ""}:
            singles.append(low)
            return
        self.at += 1
        high = self._set_char()
        if high < low:
            raise PatternError(f"invalid character class range: `{self.text[start : self.at]}`")
        ranges.append((low, high))

    def _set_char(self) -> str:
        if self._peek() == "\\":
            return self._escaped_char()
        char = self._peek()
        self.at += 1
        return char
