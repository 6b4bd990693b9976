"""Decoding JSON bodies the way Consul's decoder does.

Field names match case-insensitively and by their aliases; unknown ones are refused (`json: unknown field "x"`),
except in the few objects that Consul decodes leniently; `null` leaves a field at its default; types are strict. A
shape is a table from accepted name to canonical name and value decoder, so each body reads as the documentation's
table. What a value means is judged by whoever asked for it.

The same shapes read configuration files: an object that is a `hcl.Block` comes from one. There every name may also be
written in snake_case, a block may stand for a list of one and a list of one for a block, and nothing is lenient.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lictor_catalog import durations
from lictor_catalog.errors import BodyError
from lictor_catalog.hcl import Block

Decode = Callable[[Any, str], Any]
"""Takes a JSON value and its path (for errors); gives the decoded value."""

DecodeObject = Callable[[Any, str], dict[str, Any]]
"""The same for an object: a `Shape`, or a function around one."""

_Field = tuple[str, Decode, type | None]
"""A field's canonical name, its decoder, and the type of the values that it takes as they are, if there is one."""

_ENTERPRISE = {
    "namespace": "Namespaces are a Consul Enterprise feature",
    "partition": "Partitions are a Consul Enterprise feature",
}
_WORD = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")
_TRAILING = re.compile(r"JSON is malformed: trailing characters \(byte (\d+)\)")
NESTING_MAX = 64
"""Deeper opaque values (proxy configuration) are refused: nobody writes them, and they cost stack."""


class WrongTypeError(BodyError):
    """A value is of another type than its field; `where` is the field's path, empty for the whole."""

    def __init__(self, given: str, where: str, wanted: str) -> None:
        named = f"Go struct field {where}" if where else "Go value"
        super().__init__(f"json: cannot unmarshal {given} into {named} of type {wanted}")
        self.given = given
        self.where = where
        self.wanted = wanted


class UnknownKeyError(BodyError):
    """A configuration file has a key that its object does not have; `line` is 0 where it is not known."""

    def __init__(self, key: str, where: str, line: int) -> None:
        super().__init__(f'unknown key "{key}"' + (f" in {where}" if where else ""))
        self.line = line


def snake(name: str) -> str:
    """A canonical name as configuration files write it: `DeregisterCriticalServiceAfter` with underscores."""
    return _WORD.sub("_", name).lower()


class Shape:
    """The fields of one object: canonical name → decoder, with aliases beside them.

    `in_files` names further aliases that hold in configuration files only.
    """

    def __init__(
        self,
        fields: Mapping[str, Decode],
        aliases: Mapping[str, str] | None = None,
        *,
        lenient: bool = False,
        in_files: Mapping[str, str] | None = None,
    ) -> None:
        self._in_files = {snake(name): (name, decode) for name, decode in fields.items()}
        for alias, name in (in_files or {}).items():
            self._in_files[alias] = (name, fields[name])
        known = {name.lower(): (name, decode) for name, decode in fields.items()}
        for alias, name in (aliases or {}).items():
            known[alias.lower()] = (name, fields[name])
        known |= {name: known[name.lower()] for name in fields}  # as nearly everybody writes them: found at once
        self._fields = {given: (name, decode, _TAKEN_AS_IT_IS.get(decode)) for given, (name, decode) in known.items()}
        self.fields = dict(fields)
        self.lenient = lenient

    def named(self, where: str) -> "Around":
        """This shape, whose errors name `where` in place of the path that leads to it."""
        return Around(self, lambda value, _path: self(value, where))

    def __call__(self, value: Any, path: str) -> dict[str, Any]:
        """Decode an object into canonical names; fields that are absent or null are absent."""
        if not isinstance(value, dict):
            given_value, value = value, _only_block(value)
            if value is None:
                raise _wrong_type(given_value, path, "object")
        decoded: dict[str, Any] = {}
        fields = self._fields
        for given, inner in value.items():
            known = fields.get(given) or fields.get(given.lower()) or self._unusual(given, value, path)
            if known is None:
                continue
            name, decode, plain_type = known
            if type(inner) is plain_type:  # without a call and the path that only an error tells: half of the time
                decoded[name] = inner
            elif inner is not None:
                decoded[name] = decode(inner, f"{path}.{name}")
        return decoded

    def _unusual(self, given: str, value: dict[str, Any], path: str) -> "_Field | None":
        """A field by what only files may call it; None for one that is passed over."""
        if isinstance(value, Block):
            found = self._in_files.get(given.lower())
            if found is None:
                raise UnknownKeyError(given, path.lstrip("."), value.lines.get(given, 0))
            return *found, None
        if self.lenient:
            return None
        feature = _ENTERPRISE.get(given.lower())
        detail = f" - {feature}" if feature else ""
        raise BodyError(f'json: unknown field "{given}"{detail}')


def body_object(raw: bytes, shape: DecodeObject, prefix: str = "Request decode failed: ") -> dict[str, Any]:
    """Decode a whole body; raises `BodyError` (400) with `prefix` before the reason."""
    try:
        return shape(parse(raw), "")
    except BodyError as error:
        raise BodyError(error.reason, prefix) from None
    except RecursionError:
        raise BodyError("json: exceeded max depth", prefix) from None


def parse(raw: bytes) -> Any:
    """A whole body as Go's decoder reads it, null as an empty object; raises `BodyError`."""
    if not raw.strip():
        raise BodyError("EOF")
    try:
        value = msgspec.json.decode(raw)
    except UnicodeDecodeError:  # as Go: what is no UTF-8 becomes the replacement character
        return parse(raw.decode(errors="replace").encode())
    except RecursionError as error:
        raise BodyError(f"invalid JSON: {error}") from None
    except msgspec.DecodeError as error:
        reason = str(error)
        trailing = _TRAILING.fullmatch(reason)
        if trailing:  # Go's decoder reads one value and looks no further
            return parse(raw[: int(trailing[1]) - 1])
        if reason == "Input data was truncated":
            raise BodyError("unexpected EOF") from None
        raise BodyError(f"invalid JSON: {reason}") from None
    return {} if value is None else value


def text(value: Any, path: str) -> str:
    """A string."""
    if isinstance(value, str):
        return value
    raise _wrong_type(value, path, "string")


def integer(value: Any, path: str) -> int:
    """A whole number of 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63:
        return value
    raise _wrong_type(value, path, "int")


def unsigned(value: Any, path: str) -> int:
    """A whole number from zero up, of 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64:
        return value
    raise _wrong_type(value, path, "uint64")


def flag(value: Any, path: str) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    raise _wrong_type(value, path, "bool")


def duration(value: Any, path: str) -> int:
    """Nanoseconds, from a Go duration string or a bare number of nanoseconds."""
    if isinstance(value, str):
        if value == "":
            return 0
        try:
            return durations.parse(value)
        except durations.DurationError as error:
            raise BodyError(str(error)) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    raise _wrong_type(value, path, "time.Duration")


def opaque(value: Any, path: str) -> Any:
    """Any JSON value, kept as it is."""
    _check_depth(value, path, NESTING_MAX)
    return value


def opaque_object(value: Any, path: str) -> dict[str, Any]:
    """Any JSON object, kept as it is."""
    if not isinstance(value, dict):
        block = _only_block(value)
        if block is None:
            raise _wrong_type(value, path, "map[string]interface {}")
        value = block
    _check_depth(value, path, NESTING_MAX)
    shown: dict[str, Any] = plain(value) if isinstance(value, Block) else value
    return shown


def plain(value: Any) -> Any:
    """A value without its places in a file."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


_TAKEN_AS_IT_IS: dict[Decode, type] = {text: str, flag: bool}
"""Decoders that give back every value of a type."""


class Around:
    """A decoder of one's own for what another one describes; `of` is that one."""

    def __init__(self, of: Decode, decode: Decode) -> None:
        self.of = of
        self._decode = decode

    def __call__(self, value: Any, path: str) -> Any:
        """Decode."""
        return self._decode(value, path)


class Later:
    """A decoder that is named before it is made: a shape may hold itself."""

    def __init__(self, of: Callable[[], Decode]) -> None:
        self._of = of

    @property
    def of(self) -> Decode:
        """The decoder."""
        return self._of()

    def __call__(self, value: Any, path: str) -> Any:
        """Decode."""
        return self._of()(value, path)


class ListOf:
    """A list of one kind of value."""

    def __init__(self, of: Decode) -> None:
        self.of = of

    def __call__(self, value: Any, path: str) -> tuple[Any, ...]:
        """Decode the elements; those that are null are left out."""
        if isinstance(value, Block):
            value = [value]
        if not isinstance(value, list):
            raise _wrong_type(value, path, "list")
        return tuple(self.of(one, path) for one in value if one is not None)


class MapOf:
    """An object with free keys and one kind of value."""

    def __init__(self, of: Decode) -> None:
        self.of = of

    def __call__(self, value: Any, path: str) -> dict[str, Any]:
        """Decode the values; those that are null are left out."""
        if not isinstance(value, dict):
            given, value = value, _only_block(value)
            if value is None:
                raise _wrong_type(given, path, "map")
        return {key: self.of(one, f"{path}.{key}") for key, one in value.items() if one is not None}


def _check_depth(value: Any, path: str, left: int) -> None:
    if left == 0:
        raise BodyError(f"json: {path.lstrip('.')} is nested more than {NESTING_MAX} deep")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_depth(inner, path, left - 1)


def _only_block(value: Any) -> dict[str, Any] | None:
    """The one block of a list that a configuration file has for an object."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Block) else None


def _wrong_type(value: Any, path: str, wanted: str) -> WrongTypeError:
    kinds = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    given = kinds.get(type(value), "null")
    return WrongTypeError(given, path, wanted)
