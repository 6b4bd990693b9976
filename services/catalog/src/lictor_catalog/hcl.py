"""HCL 1, as Consul's configuration files use it: attributes, blocks with labels, lists, objects and plain values.

Follows the grammar of HCL 1 (hashicorp/hcl, README and its specification of the syntax): `key = value`, `key { … }`,
`key "label" { … }`, comments `#`, `//` and `/* */`, strings with escapes, heredocs `<<END` and `<<-END`, numbers
(decimal, hexadecimal, octal, exponents), `true` and `false`. A key that stands several times has a list of its values.
`${…}` is kept as it is written: nothing is evaluated, there are no functions and no expressions. Pure: text in, values
out; every error names line and column.
"""

import re
from bisect import bisect_left
from typing import Any, NamedTuple

NESTING_MAX = 64
"""Deeper values are refused: nobody writes them, and each level costs stack."""

_SPACE = re.compile(r"[ \t\r]+")
_NAME = re.compile(r"[^\W\d][\w.-]*")
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_NUMBER_END = re.compile(r"[\w.]")
_HEREDOC = re.compile(r"<<(-?)([^\W\d][\w.-]*|\d[\w]*)[ \t]*\r?\n")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
_CODED = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})")
_PUNCTUATION = "{}[]=,"


class HclError(ValueError):
    """The text is not HCL; `line` and `column` count from 1."""

    def __init__(self, line: int, column: int, rule: str) -> None:
        super().__init__(f"line {line}, column {column}: {rule}")
        self.line = line
        self.column = column
        self.rule = rule


class Block(dict[str, Any]):
    """An object: the line on which it begins and those of its keys' first places (0 where that is not known)."""

    def __init__(self, line: int = 0) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def put(self, key: str, value: Any, line: int) -> None:
        """Add a value; a key that is there already becomes a list of its values."""
        self.lines.setdefault(key, line)
        if key not in self:
            self[key] = value
            return
        before = self[key]
        self[key] = [*_as_list(before), *_as_list(value)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class _Token(NamedTuple):
    """`kind` is a character of punctuation, or one of: name, string, number, line, end."""

    kind: str
    value: Any
    at: int


def parse(text: str) -> Block:
    """The top-level object of a file; raises `HclError`."""
    return _Parser(text).file()


class _Lexer:
    """Text to tokens; the end of a line is a token of its own."""

    def __init__(self, text: str) -> None:
        self._text = text.removeprefix("\ufeff")
        self._ends = [match.start() for match in re.finditer("\n", self._text)]
        self._at = 0

    def fail(self, at: int, rule: str) -> HclError:
        """An error at an offset of the text."""
        return HclError(self.line(at), at - (self._text.rfind("\n", 0, at) + 1) + 1, rule)

    def line(self, at: int) -> int:
        """The line of an offset."""
        return bisect_left(self._ends, at) + 1

    def next(self) -> _Token:
        """The next token; at the end, `end` again and again."""
        self._skip()
        text, at = self._text, self._at
        if at >= len(text):
            return _Token("end", None, at)
        char = text[at]
        if char == "\n":
            return self._took("line", None, at, at + 1)
        if char in _PUNCTUATION:
            return self._took(char, None, at, at + 1)
        if char == '"':
            return self._string(at)
        if char == "<":
            return self._heredoc(at)
        name = _NAME.match(text, at)
        if name:
            return self._took("name", name[0], at, name.end())
        number = _NUMBER.match(text, at)
        if number and not _NUMBER_END.match(text, number.end()):
            return self._took("number", self._number(number[0], at), at, number.end())
        raise self.fail(at, f"unexpected {char!r}")

    def _took(self, kind: str, value: Any, at: int, end: int) -> _Token:
        self._at = end
        return _Token(kind, value, at)

    def _skip(self) -> None:
        """Move past blanks and comments, not past the end of a line."""
        text = self._text
        while True:
            space = _SPACE.match(text, self._at)
            if space:
                self._at = space.end()
            if text.startswith(("#", "//"), self._at):
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            elif text.startswith("/*", self._at):
                end = text.find("*/", self._at + 2)
                if end < 0:
                    raise self.fail(self._at, "this comment does not end")
                self._at = end + 2
            elif not space:
                return

    def _number(self, given: str, at: int) -> int | float:
        digits = given.lstrip("-")
        if len(given) > 64:
            raise self.fail(at, "this number is too long")
        if digits[:2] in {"0x", "0X"}:
            value: int | float = int(digits, 16)
        elif not digits.isdigit():
            value = float(digits)
        elif len(digits) > 1 and digits[0] == "0":
            if not set(digits) <= set("01234567"):
                raise self.fail(at, "a number that begins with 0 is octal")
            value = int(digits, 8)
        else:
            value = int(digits)
        if value == float("inf"):
            raise self.fail(at, "this number is too large")
        return -value if given.startswith("-") else value

    def _string(self, start: int) -> _Token:
        text, at = self._text, start + 1
        parts: list[str] = []
        depth = 0  # of `${ … }`: quotes inside it do not end the string
        while at < len(text):
            char = text[at]
            if char == "\n" and not depth:
                break
            if char == '"' and not depth:
                return self._took("string", "".join(parts), start, at + 1)
            if char == "\\" and not depth:
                piece, at = self._escape(at)
                parts.append(piece)
                continue
            if text.startswith("${", at):
                depth += 1
                parts.append("${")
                at += 2
                continue
            if depth and char in "{}":
                depth += 1 if char == "{" else -1
            parts.append(char)
            at += 1
        raise self.fail(start, "this string does not end")

    def _escape(self, at: int) -> tuple[str, int]:
        char = self._text[at + 1 : at + 2]
        if char in _SIMPLE:
            return _SIMPLE[char], at + 2
        coded = _CODED.match(self._text, at + 1)
        if coded is None:
            raise self.fail(at, "unknown escape in a string")
        octal = coded[4]
        point = int(octal, 8) if octal else int(coded[1] or coded[2] or coded[3], 16)
        if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF or (octal and point > 0xFF):
            raise self.fail(at, "this escape is no character")
        return chr(point), coded.end()

    def _heredoc(self, start: int) -> _Token:
        begin = _HEREDOC.match(self._text, start)
        if begin is None:
            raise self.fail(start, "a heredoc is <<NAME at the end of a line")
        lines: list[str] = []
        at = begin.end()
        while at < len(self._text):
            end = self._text.find("\n", at)
            end = len(self._text) if end < 0 else end
            line = self._text[at:end]
            if line.strip() == begin[2]:
                indent = line[: len(line) - len(line.lstrip())]
                return self._took("string", _unindented(lines, indent if begin[1] else ""), start, end)
            lines.append(line.removesuffix("\r"))
            at = end + 1
        raise self.fail(start, f"the heredoc {begin[2]} does not end")


def _unindented(lines: list[str], indent: str) -> str:
    """`<<-` takes the indentation of its end away, if every line has it."""
    if indent and all(line.startswith(indent) for line in lines):
        lines = [line[len(indent) :] for line in lines]
    return "".join(f"{line}\n" for line in lines)


class _Parser:
    """Tokens to values, by recursive descent with one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self._lexer = _Lexer(text)
        self._token = self._lexer.next()

    def file(self) -> Block:
        """Everything up to the end of the text; the whole may stand in braces, as JSON does."""
        self._skip("line")
        if self._token.kind == "{":
            whole = self._block(1)
            self._skip("line")
            if self._token.kind != "end":
                raise self._unexpected("the end of the file")
            return whole
        return self._items("end", 0)

    def _advance(self) -> _Token:
        token, self._token = self._token, self._lexer.next()
        return token

    def _skip(self, *kinds: str) -> None:
        while self._token.kind in kinds:
            self._advance()

    def _unexpected(self, wanted: str) -> HclError:
        token = self._token
        shown = {"end": "the end of the file", "line": "the end of the line"}.get(token.kind, token.value or token.kind)
        return self._lexer.fail(token.at, f"{wanted} is expected here, not {str(shown)[:40]}")

    def _items(self, end: str, depth: int) -> Block:
        """Attributes and blocks up to `end`, which is taken."""
        if depth > NESTING_MAX:
            raise self._lexer.fail(self._token.at, f"nested more than {NESTING_MAX} deep")
        block = Block(1)
        while True:
            self._skip("line", ",")
            if self._token.kind == end:
                self._advance()
                return block
            if self._token.kind not in {"name", "string"}:
                raise self._unexpected("a key")
            self._item(block, depth)

    def _item(self, block: Block, depth: int) -> None:
        key = self._advance()
        line = self._lexer.line(key.at)
        if self._token.kind == "=":
            self._advance()
            self._skip("line")
            block.put(key.value, self._value(depth), line)
            return
        labels: list[_Token] = []
        while self._token.kind in {"name", "string"}:
            labels.append(self._advance())
            if len(labels) > NESTING_MAX:
                raise self._lexer.fail(key.at, "too many labels")
        if self._token.kind != "{":
            raise self._unexpected("= or {")
        value = self._block(depth + 1)
        for label in reversed(labels):
            outer = Block(self._lexer.line(label.at))
            outer.put(label.value, value, self._lexer.line(label.at))
            value = outer
        block.put(key.value, value, line)

    def _block(self, depth: int) -> Block:
        line = self._lexer.line(self._advance().at)
        block = self._items("}", depth)
        block.line = line
        return block

    def _value(self, depth: int) -> Any:
        token = self._token
        if token.kind in {"string", "number"}:
            return self._advance().value
        if token.kind == "name" and token.value in {"true", "false"}:
            return self._advance().value == "true"
        if token.kind == "{":
            return self._block(depth + 1)
        if token.kind == "[":
            return self._list(depth + 1)
        raise self._unexpected("a value")

    def _list(self, depth: int) -> list[Any]:
        if depth > NESTING_MAX:
            raise self._lexer.fail(self._token.at, f"nested more than {NESTING_MAX} deep")
        self._advance()
        values: list[Any] = []
        while True:
            self._skip("line")
            if self._token.kind == "]":
                self._advance()
                return values
            values.append(self._value(depth))
            self._skip("line")
            if self._token.kind == ",":
                self._advance()
            elif self._token.kind != "]":
                raise self._unexpected(", or ]")
