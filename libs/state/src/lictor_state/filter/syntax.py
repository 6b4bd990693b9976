"""The grammar of filters (go-bexpr 0.1.2): text to a tree, by recursive descent over tokens.

    or    := and { "or" and }          and   := not { "and" not }
    not   := "not" not | primary       primary := "(" or ")" | match
    match := selector ("==" | "!=") value | selector ["not"] ("contains" | "matches") value
           | selector "is" ["not"] "empty" | value ["not"] "in" selector

Keywords are no reserved words: `not` and the operators may stand where a value may (`x == not`, `not in Tags`), so a
`not` that cannot be read as the operator is tried as a value. What a selector means is not known here.
"""

from enum import Enum

import msgspec

from lictor_state.filter.errors import FilterError, syntax_error
from lictor_state.filter.tokens import Kind, Token, tokens

CHARS_MAX = 32_768
"""A filter travels in a query string; longer ones are no filter that a client writes."""

DEPTH_MAX = 64
"""Nested parentheses and repeated `not`: the parser and the compiler call themselves once for each."""

MATCHES_MAX = 1024
"""Comparisons in one filter: each costs about a tenth of a microsecond for each row."""


class Operator(Enum):
    """How a selector is compared; the value is what Consul's messages call it."""

    EQUAL = "Equal"
    NOT_EQUAL = "Not Equal"
    IN = "In"
    NOT_IN = "Not In"
    EMPTY = "Is Empty"
    NOT_EMPTY = "Is Not Empty"
    MATCHES = "Matches"
    NOT_MATCHES = "Not Matches"


class Match(msgspec.Struct, frozen=True):
    """One comparison; `value` is None for the operators that take none."""

    selector: tuple[str, ...]
    operator: Operator
    value: str | None
    offset: int
    value_offset: int = 0


class Not(msgspec.Struct, frozen=True):
    """What must not hold."""

    of: "Expression"


class And(msgspec.Struct, frozen=True):
    """What must all hold."""

    parts: "tuple[Expression, ...]"


class Or(msgspec.Struct, frozen=True):
    """What must hold in part."""

    parts: "tuple[Expression, ...]"


Expression = Match | Not | And | Or

_SIGNS = {"==": Operator.EQUAL, "!=": Operator.NOT_EQUAL}
_WORDS = {
    ("contains",): Operator.IN,
    ("not", "contains"): Operator.NOT_IN,
    ("matches",): Operator.MATCHES,
    ("not", "matches"): Operator.NOT_MATCHES,
}
_VALUE_FIRST = {("in",): Operator.IN, ("not", "in"): Operator.NOT_IN}
_WITHOUT_VALUE = {("is", "empty"): Operator.EMPTY, ("is", "not", "empty"): Operator.NOT_EMPTY}
_VALUES = frozenset({Kind.SELECTOR, Kind.NUMBER, Kind.STRING})


def parse(text: str) -> Expression:
    """The tree of a filter; raises `FilterError`."""
    if len(text) > CHARS_MAX:
        raise syntax_error(text, CHARS_MAX, f"the expression is longer than {CHARS_MAX} characters")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._at = 0
        self._matches = 0

    def whole(self) -> Expression:
        found = self._or(0)
        if self._now.kind is not Kind.END:
            raise self._error('no match found, expected: "and", "or" or the end of the expression')
        return found

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _next(self, ahead: int = 1) -> Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def _error(self, reason: str) -> FilterError:
        return syntax_error(self._text, self._now.offset, reason)

    def _or(self, depth: int) -> Expression:
        parts = [self._and(depth)]
        while self._joined_by("or"):
            parts.append(self._and(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self, depth: int) -> Expression:
        parts = [self._not(depth)]
        while self._joined_by("and"):
            parts.append(self._not(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _joined_by(self, word: str) -> bool:
        if not (self._now.is_word(word) and self._now.spaced and self._next().spaced):
            return False
        self._at += 1
        return True

    def _not(self, depth: int) -> Expression:
        if depth > DEPTH_MAX:
            raise self._error(f"nested deeper than {DEPTH_MAX}")
        if not (self._now.is_word("not") and self._next().spaced):
            return self._primary(depth)
        start = self._at
        self._at += 1
        try:
            return Not(self._not(depth + 1))
        except FilterError as inner:
            self._at = start  # `not in Tags`: the word is a value
            try:
                return self._match()
            except FilterError:
                raise inner from None

    def _primary(self, depth: int) -> Expression:
        if not self._is_sign("("):
            return self._match()
        self._at += 1
        found = self._or(depth + 1)
        if not self._is_sign(")"):
            raise self._error('rule "grouping": Unmatched parentheses')
        self._at += 1
        return found

    def _is_sign(self, sign: str) -> bool:
        return self._now.kind is Kind.SIGN and self._now.value == sign

    def _match(self) -> Match:
        self._matches += 1
        if self._matches > MATCHES_MAX:
            raise self._error(f"more than {MATCHES_MAX} comparisons")
        left = self._now
        if left.kind not in _VALUES:
            raise self._error('no match found, expected: "(", "not", a selector or a value')
        self._at += 1
        if left.kind is Kind.SELECTOR:
            sign = _SIGNS.get(self._now.value) if self._now.kind is Kind.SIGN else None
            operator = sign or self._word_operator(_WORDS)
            if operator:
                return self._with_value(left, operator, spaced=not sign)
            operator = self._word_operator(_WITHOUT_VALUE)
            if operator:
                return Match(left.path, operator, None, left.offset)
        operator = self._word_operator(_VALUE_FIRST)
        if operator is None:
            expected = "an operator" if left.kind is Kind.SELECTOR else '"in" or "not in"'
            raise self._error(f"no match found, expected: {expected}")
        right = self._now
        if not right.spaced:
            raise self._error("no match found, expected: a blank")
        if right.kind is not Kind.SELECTOR:
            raise self._error('rule "match": Invalid selector')
        self._at += 1
        return Match(right.path, operator, left.value, right.offset, left.offset)

    def _word_operator(self, known: dict[tuple[str, ...], Operator]) -> Operator | None:
        """The operator whose words come next, each after a blank; they are passed when they are found."""
        for words, operator in known.items():
            ahead = [self._next(index) for index in range(len(words))]
            if all(token.is_word(word) and token.spaced for token, word in zip(ahead, words, strict=True)):
                self._at += len(words)
                return operator
        return None

    def _with_value(self, selector: Token, operator: Operator, *, spaced: bool) -> Match:
        if not spaced:
            self._at += 1
        value = self._now
        if value.kind not in _VALUES or (spaced and not value.spaced):
            raise self._error("no match found, expected: a value")
        self._at += 1
        return Match(selector.path, operator, value.value, selector.offset, value.offset)
