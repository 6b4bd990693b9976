r"""The syntax of Go's regular expressions (package `regexp/syntax`, which is RE2's) as a tree.

Everything that RE2 has is read: classes with ranges, Perl's and POSIX's names and Unicode categories, groups, flags,
repetitions, assertions. What it leaves out on purpose (back references, looking around) is refused as Go refuses it.
Running a tree is `regexp`'s work. Scripts (`\\p{Greek}`) are refused: Python's tables have categories only.
"""

import msgspec

PATTERN_MAX = 2048  # characters: what people write is a tenth of it
REPEAT_MAX = 1000  # Go's bound
DEPTH_MAX = 100  # groups within groups; Go allows 1000, but our stack is also the caller's

Ranges = tuple[tuple[str, str], ...]

DIGIT: Ranges = (("0", "9"),)
WORD: Ranges = (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z"))
SPACE: Ranges = (("\t", "\n"), ("\f", "\r"), (" ", " "))
LAST = "\U0010ffff"
_POSIX: dict[str, Ranges] = {
    "alnum": (("0", "9"), ("A", "Z"), ("a", "z")),
    "alpha": (("A", "Z"), ("a", "z")),
    "ascii": (("\0", "\x7f"),),
    "blank": (("\t", "\t"), (" ", " ")),
    "cntrl": (("\0", "\x1f"), ("\x7f", "\x7f")),
    "digit": DIGIT,
    "graph": (("!", "~"),),
    "lower": (("a", "z"),),
    "print": ((" ", "~"),),
    "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": (("\t", "\r"), (" ", " ")),
    "upper": (("A", "Z"),),
    "word": WORD,
    "xdigit": (("0", "9"), ("A", "F"), ("a", "f")),
}
_PERL: dict[str, Ranges] = {"d": DIGIT, "w": WORD, "s": SPACE}
_CONTROL = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ASSERTIONS = {"A": "begin", "z": "end", "b": "word", "B": "no-word"}
_CATEGORIES = frozenset(
    (
        *("L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "C", "Cc", "Cf", "Cs", "Co"),
        *("P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp"),
    )
)


class RegexpError(Exception):
    """An expression that Go would refuse, in Go's words."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"error parsing regexp: {what}: `{where}`")


class Chars(msgspec.Struct, frozen=True):
    """One character of a class. `categories` are Unicode's, each with whether the characters outside are meant."""

    ranges: Ranges
    categories: tuple[tuple[str, bool], ...] = ()
    negated: bool = False
    folded: bool = False


class Assertion(msgspec.Struct, frozen=True):
    """A place between characters: `begin`, `end`, `line-begin`, `line-end`, `word`, `no-word`."""

    kind: str


class Sequence(msgspec.Struct, frozen=True):
    """One after the other; empty: nothing at all."""

    parts: tuple["Node", ...]


class Choice(msgspec.Struct, frozen=True):
    """One of several."""

    options: tuple["Node", ...]


class Repeat(msgspec.Struct, frozen=True):
    """From `low` to `high` times, without end if that is None; `lazy`: rather fewer times than more."""

    part: "Node"
    low: int
    high: int | None
    lazy: bool = False


class Group(msgspec.Struct, frozen=True):
    """A part whose match is wanted; numbered from 1, by where it begins."""

    number: int
    part: "Node"


Node = Chars | Assertion | Sequence | Choice | Repeat | Group
ANY = Chars((("\0", LAST),))
ANY_BUT_NEWLINE = Chars((("\n", "\n"),), negated=True)


def parse(pattern: str) -> Node:
    """The tree of an expression. Raises `RegexpError`."""
    if len(pattern) > PATTERN_MAX:
        raise RegexpError("expression too large", pattern[:32] + "...")
    parser = _Parser(pattern)
    tree = parser.choice(0)
    if parser.at < len(pattern):
        raise RegexpError("unexpected )", pattern)
    return tree


class _Parser:
    """Where we are, and which flags hold here."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._flags: frozenset[str] = frozenset()
        self._groups = 0

    def _peek(self, ahead: str) -> bool:
        return self.text.startswith(ahead, self.at)

    def _take(self, ahead: str) -> bool:
        if not self._peek(ahead):
            return False
        self.at += len(ahead)
        return True

    def choice(self, depth: int) -> Node:
        """Up to a closing parenthesis or the end."""
        if depth > DEPTH_MAX:
            raise RegexpError("expression nests too deeply", self.text[:32])
        options = [self._sequence(depth)]
        while self._take("|"):
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            begun = self.at
            part = self._part(depth)
            if part is not None:
                parts.append(self._repeated(part, begun))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _part(self, depth: int) -> Node | None:
        """The next atom; None for what only sets flags."""
        letter = self.text[self.at]
        if letter == "(":
            return self._group(depth)
        if letter == "[":
            return self._class()
        if letter == "\\":
            return self._escape()
        self.at += 1
        if letter in "*+?":
            raise RegexpError("missing argument to repetition operator", letter)
        if letter == ".":
            return ANY if "s" in self._flags else ANY_BUT_NEWLINE
        if letter == "^":
            return Assertion("line-begin" if "m" in self._flags else "begin")
        if letter == "$":
            return Assertion("line-end" if "m" in self._flags else "end")
        return self._literal(letter)

    def _literal(self, letter: str) -> Chars:
        return Chars(((letter, letter),), folded="i" in self._flags)

    def _repeated(self, part: Node, begun: int) -> Node:
        """`part` with the repetition behind it."""
        before = ""
        while self.at < len(self.text):
            at = self.at
            bounds = self._bounds()
            if bounds is None:
                break
            lazy = self._take("?") is not ("U" in self._flags)
            mark = self.text[at : self.at]
            if before:
                raise RegexpError("invalid nested repetition operator", before + mark)
            before = mark
            low, high = bounds
            if low > REPEAT_MAX or (high is not None and (high > REPEAT_MAX or high < low)):
                raise RegexpError("invalid repeat count", mark)
            part = Repeat(part, low, high, lazy)
        assert self.at > begun
        return part

    def _bounds(self) -> tuple[int, int | None] | None:
        for mark, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(mark):
                return bounds
        end = self.text.find("}", self.at)
        if not self._peek("{") or end < 0:
            return None
        low, comma, high = self.text[self.at + 1 : end].partition(",")
        if not _is_number(low) or (high and not _is_number(high)):
            return None  # braces that are no repetition are characters
        self.at = end + 1
        if not comma:
            return int(low), int(low)
        return int(low), int(high) if high else None

    def _group(self, depth: int) -> Node | None:
        begun, flags, number = self.at, self._flags, 0
        self.at += 1
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                end = self.text.find(">", self.at)
                name = self.text[self.at : end] if end >= 0 else ""
                if not name or not all(letter.isascii() and (letter.isalnum() or letter == "_") for letter in name):
                    raise RegexpError("invalid named capture", self.text[begun:])
                self.at = end + 1
                number = self._numbered()
            elif not self._set_flags(begun):
                return None
        else:
            number = self._numbered()
        inner = self.choice(depth + 1)
        if not self._take(")"):
            raise RegexpError("missing closing )", self.text)
        self._flags = flags
        return Group(number, inner) if number else inner

    def _numbered(self) -> int:
        self._groups += 1
        return self._groups

    def _set_flags(self, begun: int) -> bool:
        """Flags of a group, up to its colon; without one they hold for what follows, and there is no group: False."""
        chosen, on = set(self._flags), True
        while self.at < len(self.text):
            letter = self.text[self.at]
            self.at += 1
            if letter in "imsU":
                (chosen.add if on else chosen.discard)(letter)
            elif letter == "-" and on:
                on = False
            elif letter in ":)":
                self._flags = frozenset(chosen)
                return letter == ":"
            else:
                raise RegexpError("invalid or unsupported Perl syntax", self.text[begun : self.at])
        raise RegexpError("missing closing )", self.text)

    def _escape(self) -> Node:
        letter = self.text[self.at + 1 : self.at + 2]
        if letter in _ASSERTIONS and letter:
            self.at += 2
            return Assertion(_ASSERTIONS[letter])
        if letter == "Q":
            end = self.text.find("\\E", self.at + 2)
            quoted = self.text[self.at + 2 : end if end >= 0 else None]
            self.at += 2 + len(quoted) + (2 if end >= 0 else 0)
            return Sequence(tuple(map(self._literal, quoted)))
        named = self._named()
        if named is not None:
            return named
        return self._literal(self._character())

    def _named(self) -> Chars | None:
        r"""`\\d`, `\\pL`, `\\p{Lu}` and their like; None if it is none of them."""
        begun = self.at
        letter = self.text[self.at + 1 : self.at + 2]
        if letter.lower() in _PERL and letter:
            self.at += 2
            return Chars(_PERL[letter.lower()], negated=letter.isupper())
        if not letter or letter not in "pP":
            return None
        self.at += 2
        if self._take("{"):
            end = self.text.find("}", self.at)
            name = self.text[self.at : end] if end >= 0 else ""
            self.at = end + 1
        else:
            name = self.text[self.at : self.at + 1]
            self.at += 1
        outside = letter == "P"
        if name.startswith("^"):
            name, outside = name[1:], not outside
        if name == "Any":
            return Chars(ANY.ranges, negated=outside)
        if name not in _CATEGORIES:
            raise RegexpError("invalid character class range", self.text[begun : self.at or None])
        return Chars((), ((name, outside),))

    def _character(self) -> str:
        """One escaped character."""
        begun = self.at
        self.at += 2
        letter = self.text[begun + 1 : begun + 2]
        if not letter:
            raise RegexpError("trailing backslash at end of expression", "")
        if letter in _CONTROL:
            return _CONTROL[letter]
        if letter == "x":
            return self._hexadecimal(begun)
        if letter in "01234567":
            digits = letter
            while len(digits) < 3 and self.text[self.at : self.at + 1] in tuple("01234567"):
                digits += self.text[self.at]
                self.at += 1
            if letter == "0" or len(digits) > 1:
                return chr(int(digits, 8))
        elif letter.isascii() and not letter.isalnum() and letter != "_":
            return letter
        raise RegexpError("invalid escape sequence", self.text[begun : begun + 2])

    def _hexadecimal(self, begun: int) -> str:
        if self._take("{"):
            end = self.text.find("}", self.at)
            digits = self.text[self.at : end] if end >= 0 else ""
            self.at = end + 1
        else:
            digits = self.text[self.at : self.at + 2]
            digits = digits if len(digits) == 2 else ""
            self.at += 2
        if not digits or any(one not in "0123456789abcdefABCDEF" for one in digits) or int(digits, 16) > ord(LAST):
            raise RegexpError("invalid escape sequence", self.text[begun : self.at])
        return chr(int(digits, 16))

    def _class(self) -> Chars:
        begun = self.at
        self.at += 1
        negated = self._take("^")
        ranges: list[tuple[str, str]] = []
        categories: list[tuple[str, bool]] = []
        first = True
        while first or not self._peek("]"):
            if self.at >= len(self.text):
                raise RegexpError("missing closing ]", self.text[begun:])
            first = False
            if self._peek("[:"):
                posix = self._posix()
                if posix is not None:
                    ranges += posix
                    continue
            if self._peek("\\"):
                named = self._named()
                if named is not None:
                    ranges += outside_of(named.ranges) if named.negated else named.ranges
                    categories += named.categories
                    continue
            ranges.append(self._range())
        self.at += 1
        return Chars(tuple(ranges), tuple(categories), negated, folded="i" in self._flags)

    def _posix(self) -> Ranges | None:
        end = self.text.find(":]", self.at + 2)
        if end < 0:
            return None
        name = self.text[self.at + 2 : end]
        ranges = _POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise RegexpError("invalid character class range", self.text[self.at : end + 2])
        self.at = end + 2
        return outside_of(ranges) if name.startswith("^") else ranges

    def _range(self) -> tuple[str, str]:
        begun = self.at
        low = high = self._one()
        if self._peek("-") and self.text[self.at + 1 : self.at + 2] not in {"]", ""}:
            self.at += 1
            high = self._one()
        if high < low:
            raise RegexpError("invalid character class range", self.text[begun : self.at])
        return low, high

    def _one(self) -> str:
        if self._peek("\\"):
            return self._character()
        letter = self.text[self.at : self.at + 1]
        if not letter:
            raise RegexpError("missing closing ]", self.text)
        self.at += 1
        return letter


def outside_of(ranges: Ranges) -> Ranges:
    """Every character that is in none of these ranges."""
    found: list[tuple[str, str]] = []
    low = 0
    for first, last in sorted(ranges):
        if low < ord(first):
            found.append((chr(low), chr(ord(first) - 1)))
        low = max(low, ord(last) + 1)
    if low <= ord(LAST):
        found.append((chr(low), LAST))
    return tuple(found)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))
