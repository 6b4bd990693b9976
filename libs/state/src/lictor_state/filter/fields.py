"""What can be selected from the objects of one endpoint: a tree of names with types and how each is read.

go-bexpr finds this by reflection over Consul's structs. Here each endpoint's table is written down (`kinds`), and its
getters read our rows, so that a filter judges rows without making JSON of them first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any, Union

from lictor_state.filter.syntax import Operator

Get = Callable[[Any], Any]


class Scalar(Enum):
    """Types whose values are compared; the value is Go's parser that a message names."""

    TEXT = ""
    WHOLE = "strconv.ParseInt"
    REAL = "strconv.ParseFloat"
    TRUTH = "strconv.ParseBool"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; what is selected below it holds if it holds for any element."""

    of: "Scalar | Record"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map from text; the part of a selector after it is a key."""

    of: "Scalar | Record"


@dataclass(frozen=True, slots=True)
class Field:
    """One name: how it is read from the object, and its type."""

    get: Get
    type: "FieldType"


@dataclass(frozen=True, slots=True)
class Record:
    """An object with named fields."""

    fields: Mapping[str, Field]


FieldType = Union[Scalar, ListOf, MapOf, "Record"]


@dataclass(frozen=True, slots=True, eq=False)
class FilterKind:
    """The objects of one kind of list; equal only to itself, so that compiled filters can be kept by it."""

    name: str
    fields: Record


def text(get: str | Get) -> Field:
    """A text; `get` is an attribute's path or a function, as everywhere below."""
    return Field(_getter(get), Scalar.TEXT)


def whole(get: str | Get) -> Field:
    """A whole number."""
    return Field(_getter(get), Scalar.WHOLE)


def real(get: str | Get) -> Field:
    """A number with a fraction."""
    return Field(_getter(get), Scalar.REAL)


def truth(get: str | Get) -> Field:
    """True or false."""
    return Field(_getter(get), Scalar.TRUTH)


def record(get: str | Get, fields: Mapping[str, Field]) -> Field:
    """An object."""
    return Field(_getter(get), Record(fields))


def many(get: str | Get, of: Scalar | Mapping[str, Field] = Scalar.TEXT) -> Field:
    """A list of values, or of objects with these fields."""
    return Field(_getter(get), ListOf(of if isinstance(of, Scalar) else Record(of)))


def by_name(get: str | Get, of: Scalar | Mapping[str, Field] = Scalar.TEXT) -> Field:
    """A map from text to values, or to objects with these fields."""
    return Field(_getter(get), MapOf(of if isinstance(of, Scalar) else Record(of)))


def itself(row: Any) -> Any:
    """The getter of a field whose parts are read from the object that it is in."""
    return row


def _getter(get: str | Get) -> Get:
    return attrgetter(get) if isinstance(get, str) else get


_EQUALITY = frozenset({Operator.EQUAL, Operator.NOT_EQUAL})
_MEMBERSHIP = frozenset({Operator.IN, Operator.NOT_IN})
_EMPTINESS = frozenset({Operator.EMPTY, Operator.NOT_EMPTY})
_PATTERNS = frozenset({Operator.MATCHES, Operator.NOT_MATCHES})


def operators(of: FieldType) -> frozenset[Operator]:
    """The operators that a type takes."""
    if of is Scalar.TEXT:
        return _EQUALITY | _MEMBERSHIP | _EMPTINESS | _PATTERNS
    if isinstance(of, Scalar):
        return _EQUALITY
    if isinstance(of, MapOf) or (isinstance(of, ListOf) and isinstance(of.of, Scalar)):
        return _MEMBERSHIP | _EMPTINESS
    return _EMPTINESS if isinstance(of, ListOf) else frozenset()
