"""The words of a filter (go-bexpr 0.1.2, lexical part): selectors, numbers, strings, comparison signs, parentheses.

Whitespace is kept as a mark on the token that follows it: word operators need it on both sides, signs do not. A
selector with its dots and `["..."]` parts is one token, since nothing else may stand inside it.
"""

import re
from enum import Enum

import msgspec

from lictor_state.filter.errors import syntax_error


class Kind(Enum):
    """What a token is."""

    SELECTOR = "selector"
    NUMBER = "number"
    STRING = "string"
    SIGN = "sign"
    END = "end of the expression"


class Token(msgspec.Struct, frozen=True):
    """One token: `value` is what it means as text, `path` a selector's parts, `spaced` whether blanks stand before."""

    kind: Kind
    value: str
    offset: int
    spaced: bool
    path: tuple[str, ...] = ()

    def is_word(self, word: str) -> bool:
        """Whether this is the plain word; an index makes a path longer, so it is never one."""
        return self.path == (word,)


_BLANK = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_AFTER_NUMBER = re.compile(r"[ \t\r\n)]|\Z")
_SIGN = re.compile(r"==|!=|[()]")
_ESCAPE = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\])|x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-7]{3})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<bad>[\s\S]|\Z))"
)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}


def tokens(text: str) -> list[Token]:
    """All tokens of a filter, `END` last; raises `FilterError`."""
    found: list[Token] = []
    at = 0
    while True:
        start = _after_blanks(text, at)
        spaced = start > at
        if start == len(text):
            found.append(Token(Kind.END, "", start, spaced))
            return found
        token, at = _token(text, start, spaced=spaced)
        found.append(token)


def _after_blanks(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    assert match is not None
    return match.end()


def _token(text: str, start: int, *, spaced: bool) -> tuple[Token, int]:
    name = _NAME.match(text, start)
    if name:
        return _selector(text, start, spaced=spaced)
    sign = _SIGN.match(text, start)
    if sign:
        return Token(Kind.SIGN, sign[0], start, spaced), sign.end()
    if text[start] in '"`':
        value, end = _string(text, start)
        return Token(Kind.STRING, value, start, spaced), end
    number = _NUMBER.match(text, start)
    if number:
        if not _AFTER_NUMBER.match(text, number.end()):
            raise syntax_error(text, number.end(), 'rule "number": Invalid number literal')
        return Token(Kind.NUMBER, number[0], start, spaced), number.end()
    raise syntax_error(text, start, f"no match found, {text[start]!r} begins no selector, value or operator")


def _selector(text: str, start: int, *, spaced: bool) -> tuple[Token, int]:
    path: list[str] = []
    at = start
    while True:
        name = _NAME.match(text, at)
        assert name is not None
        path.append(name[0])
        at = name.end()
        while text.startswith("[", at):
            value, at = _index(text, at)
            path.append(value)
        if not (text.startswith(".", at) and _NAME.match(text, at + 1)):
            return Token(Kind.SELECTOR, ".".join(path), start, spaced, tuple(path)), at
        at += 1


def _index(text: str, start: int) -> tuple[str, int]:
    at = _after_blanks(text, start + 1)
    if not text.startswith(('"', "`"), at):
        raise syntax_error(text, at, 'rule "index": Invalid index')
    value, at = _string(text, at)
    at = _after_blanks(text, at)
    if not text.startswith("]", at):
        raise syntax_error(text, at, 'rule "index": Unclosed index expression')
    return value, at + 1


def _string(text: str, start: int) -> tuple[str, int]:
    """A quoted text and where it ends. A double-quoted one ends at the next quote, escaped or not."""
    end = text.find(text[start], start + 1)
    if end < 0:
        raise syntax_error(text, len(text), 'rule "string": Unterminated string literal')
    inner = text[start + 1 : end]
    if text[start] == "`":
        return inner.replace("\r", ""), end + 1
    if "\n" in inner:
        raise syntax_error(text, start, 'rule "string": invalid syntax')
    if "\\" not in inner:
        return inner, end + 1
    parts: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(inner):
        parts.append(inner[at : match.start()].encode())
        parts.append(_meant(match, text, start))
        at = match.end()
    parts.append(inner[at:].encode())
    return b"".join(parts).decode(errors="replace"), end + 1


def _meant(escape: re.Match[str], text: str, start: int) -> bytes:
    if escape["plain"]:
        return _PLAIN[escape["plain"]].encode()
    if escape["byte"]:
        return bytes([int(escape["byte"], 16)])
    if escape["octal"] and int(escape["octal"], 8) < 0o400:
        return bytes([int(escape["octal"], 8)])
    code = escape["short"] or escape["long"]
    if code and int(code, 16) <= 0x10FFFF and not 0xD800 <= int(code, 16) <= 0xDFFF:
        return chr(int(code, 16)).encode()
    raise syntax_error(text, start, 'rule "string": invalid syntax')
