"""A filter's tree to one function of an object (go-bexpr 0.1.2, validation and evaluation).

Everything that can be wrong is found here, without any row: a selector that is not there, an operator that its type
does not take, a value that is not of its type, a pattern that is none. What comes out cannot fail.

A selector that passes through a list holds if it holds for any element, so an empty list gives false. A map without
the key gives false for `==`, `in` and `is not empty`, and true for all else: for `matches` too, a quirk that is kept.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lictor_state.filter.errors import FilterError, meaning_error, quoted
from lictor_state.filter.fields import FieldType, FilterKind, Get, ListOf, MapOf, Record, Scalar, operators
from lictor_state.filter.syntax import And, Expression, Match, Not, Operator, parse
from lictor_state.regexp import compile_regexp
from lictor_state.regexp_syntax import RegexpError

FILTERS_KEPT_MAX = 256
"""Compiled filters: clients repeat a few; with the longest texts some 20 MiB."""

Test = Callable[[Any], bool]

_FALSE_WITHOUT_KEY = frozenset({Operator.EQUAL, Operator.IN, Operator.NOT_EMPTY})
_NEGATED = {
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.NOT_IN: Operator.IN,
    Operator.NOT_EMPTY: Operator.EMPTY,
    Operator.NOT_MATCHES: Operator.MATCHES,
}
_GO_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
)
_GO_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_GO_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@lru_cache(FILTERS_KEPT_MAX)
def compile_filter(text: str, kind: FilterKind) -> Test:
    """The test that a filter makes of objects of a kind.

    Raises:
        FilterError: the text is no filter, or none of these objects; it names the place.
    """
    return _Compiler(text, kind).test(parse(text))


class _Compiler:
    def __init__(self, text: str, kind: FilterKind) -> None:
        self._text = text
        self._kind = kind

    def test(self, of: Expression) -> Test:
        if isinstance(of, Match):
            return self._selected(of, 0, self._kind.fields)
        if isinstance(of, Not):
            inner = self.test(of.of)
            return lambda row: not inner(row)
        return _joined([self.test(part) for part in of.parts], every=isinstance(of, And))

    def _selected(self, match: Match, depth: int, of: FieldType) -> Test:
        """The test of a value of type `of`, to which the selector's first `depth` parts have led."""
        if depth == len(match.selector):
            return self._compared(match, of)
        part = match.selector[depth]
        if isinstance(of, Record):
            field = of.fields.get(part)
            if field is None:
                raise self._unknown(match, depth)
            return _read(field.get, self._selected(match, depth + 1, field.type))
        if isinstance(of, MapOf):
            return _at_key(
                part, self._selected(match, depth + 1, of.of), missing=match.operator not in _FALSE_WITHOUT_KEY
            )
        if isinstance(of, ListOf) and isinstance(of.of, Record):
            return _any(self._selected(match, depth, of.of))
        raise self._unknown(match, depth)

    def _unknown(self, match: Match, depth: int) -> FilterError:
        selector = ".".join(match.selector[: depth + 1])
        return meaning_error(self._text, match.offset, f'Selector "{selector}" is not valid')

    def _compared(self, match: Match, of: FieldType) -> Test:
        selector, operator = ".".join(match.selector), match.operator
        if operator not in operators(of):
            reason = f'Invalid match operator "{operator.value}" for selector "{selector}"'
            raise meaning_error(self._text, match.offset, reason)
        plain = _NEGATED.get(operator)
        test = self._plain(match, plain or operator, of)
        return test if plain is None else lambda value: not test(value)

    def _plain(self, match: Match, operator: Operator, of: FieldType) -> Test:
        if operator is Operator.EMPTY:
            return lambda value: not value
        assert match.value is not None
        if operator is Operator.MATCHES:
            try:
                return compile_regexp(match.value).search
            except RegexpError as error:
                reason = f"Failed to compile regular expression {quoted(match.value)}: {error}"
                raise meaning_error(self._text, match.value_offset, reason) from None
        if operator is Operator.IN:
            wanted = match.value
            if isinstance(of, ListOf) and isinstance(of.of, Scalar):
                wanted = self._value(match, of.of)
            return lambda value: value is not None and wanted in value
        assert isinstance(of, Scalar)
        wanted_value = self._value(match, of)
        return lambda value: bool(value == wanted_value)

    def _value(self, match: Match, of: Scalar) -> Any:
        assert match.value is not None
        try:
            return _CONVERTED[of](match.value)
        except ValueError as error:
            selector = ".".join(match.selector)
            reason = (
                f'Failed to coerce value {quoted(match.value)} for selector "{selector}": '
                f"{of.value}: parsing {quoted(match.value)}: {error}"
            )
            raise meaning_error(self._text, match.value_offset, reason) from None


def _whole(value: str) -> int:
    """Go's `ParseInt` with base 0: decimal, hexadecimal, octal or binary by prefix, in 64 bits."""
    if not _GO_INTEGER.fullmatch(value):
        raise ValueError("invalid syntax")
    digits = value.lstrip("+-").replace("_", "")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    size = int(digits, 8 if octal else 0) if len(digits) <= 80 else 1 << 64
    number = -size if value.startswith("-") else size
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("value out of range")
    return number


def _real(value: str) -> float:
    if not value.isascii() or "_" in value or value != value.strip():
        raise ValueError("invalid syntax")
    try:
        return float.fromhex(value) if value.lstrip("+-").lower().startswith("0x") else float(value)
    except (ValueError, OverflowError):
        raise ValueError("invalid syntax") from None


def _truth(value: str) -> bool:
    if value in _GO_TRUE:
        return True
    if value in _GO_FALSE:
        return False
    raise ValueError("invalid syntax")


_CONVERTED: dict[Scalar, Callable[[str], Any]] = {
    Scalar.TEXT: str,
    Scalar.WHOLE: _whole,
    Scalar.REAL: _real,
    Scalar.TRUTH: _truth,
}


def _joined(parts: list[Test], *, every: bool) -> Test:
    first, second = parts[0], parts[1]
    if len(parts) == 2:
        if every:
            return lambda row: first(row) and second(row)
        return lambda row: first(row) or second(row)

    def joined(row: Any) -> bool:
        for part in parts:  # (a loop takes half the time of all() over a generator)
            if part(row) is not every:
                return not every
        return every

    return joined


def _read(get: Get, inner: Test) -> Test:
    return lambda row: inner(get(row))


def _at_key(key: str, inner: Test, *, missing: bool) -> Test:
    return lambda found: inner(found[key]) if found and key in found else missing


def _any(inner: Test) -> Test:
    return lambda found: any(map(inner, found))
