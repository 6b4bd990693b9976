"""Decoding config entries: tables of fields, weak typing, snake_case beside CamelCase, zero values left out.

Follows Consul's general rules for config entries (HTTP API, `/config`): keys match in any case and in snake_case; a
number or flag may be a string and the other way round; a single value may stand for a list of one; every unknown key
of a body is named in one error. A decoded body is canonical: CamelCase, without what is zero, but with the inner
objects that Consul always shows (`always`). What values mean together is judged elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lictor_catalog import durations
from lictor_catalog.body_decoding import NESTING_MAX, snake
from lictor_catalog.request import boolean

_HINTS = {
    "namespace": "namespaces are a consul enterprise feature",
    "partition": "partitions are a consul enterprise feature",
}


class Faults:
    """What is wrong with one body: unknown keys and values that cannot be converted, all of them."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.values: list[str] = []

    def value(self, rule: str) -> None:
        """Note a value that cannot be taken."""
        self.values.append(rule)

    def text(self) -> str:
        """All faults as Consul words them, empty when there are none: values first, they end the decoding there."""
        if self.values:
            return f"{len(self.values)} error(s) decoding:\n\n" + "\n".join(f"* {one}" for one in self.values)
        if not self.unknown:
            return ""
        count = f"{len(self.unknown)} error{'s' if len(self.unknown) > 1 else ''} occurred:\n"
        return count + "".join(f"\t* {one}\n" for one in self.unknown) + "\n"


Read = Callable[[Any, str, Faults], Any]
"""Takes a JSON value, its path and the faults; gives the canonical value, anything after a fault."""


class Obj:
    """An object: canonical name → how its value is read. With `always`, it is shown even when it is empty."""

    def __init__(
        self,
        fields: Mapping[str, Read],
        *,
        always: bool = False,
        kept: Mapping[str, Any] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """`kept` names fields that are shown even when they are zero, with their zero."""
        self.fields = dict(fields)
        self.always = always
        self.kept = dict(kept or {})
        self._names = {name.lower(): name for name in fields} | {snake(name): name for name in fields}
        self._names |= aliases or {}

    def __call__(self, value: Any, path: str, faults: Faults) -> dict[str, Any]:
        """The canonical object."""
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
            value = value[0]
        if not isinstance(value, dict):
            faults.value(f"'{path}' expected a map, got '{_go_kind(value)}'")
            return {}
        given: dict[str, Any] = {}
        for key, inner in value.items():
            name = self._names.get(key.lower())
            where = f"{path}.{name or key}" if path else (name or key)
            if name is None:
                hint = _HINTS.get(key.lower())
                faults.unknown.append(f'invalid config key "{where}"' + (f", {hint}" if hint else ""))
            elif inner is not None:
                given[name] = self.fields[name](inner, where, faults)
        made: dict[str, Any] = {}
        for name, read in self.fields.items():
            if isinstance(read, Obj):
                if name in given or read.always:
                    made[name] = given[name] if name in given else read({}, "", Faults())
            elif given.get(name):
                made[name] = given[name]
            elif name in self.kept:
                made[name] = given.get(name, self.kept[name])
        return made


def _only(value: Any) -> Any:
    """The one element of a list, where none is due."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def text(value: Any, path: str, faults: Faults) -> str:
    """A string; numbers and flags become one, and a list of one is its element, as for every scalar."""
    value = _only(value)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | float):
        return str(int(value)) if value == int(value) else repr(value)
    faults.value(f"'{path}' expected type 'string', got unconvertible type '{_go_type(value)}'")
    return ""


def integer(value: Any, path: str, faults: Faults) -> int:
    """A whole number; texts are parsed, fractions cut."""
    value = _only(value)
    if value is None:
        return 0
    if isinstance(value, bool | int | float):
        return int(value)
    if isinstance(value, str):
        try:
            return int(value, 0) if value else 0
        except ValueError:
            faults.value(f"cannot parse '{path}' as int: strconv.ParseInt: parsing \"{value}\": invalid syntax")
            return 0
    faults.value(f"'{path}' expected type 'int', got unconvertible type '{_go_type(value)}'")
    return 0


def number(value: Any, path: str, faults: Faults) -> int | float:
    """A number; whole ones stay whole, as Go writes them."""
    value = _only(value)
    if value is None:
        return 0
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, str):
        try:
            value = float(value or 0)
        except ValueError:
            faults.value(f"cannot parse '{path}' as float: strconv.ParseFloat: parsing \"{value}\": invalid syntax")
            return 0
    if isinstance(value, float) and value - value == 0:  # neither infinite nor NaN
        return int(value) if value == int(value) else value
    faults.value(f"'{path}' expected type 'float', got unconvertible type '{_go_type(value)}'")
    return 0


def flag(value: Any, path: str, faults: Faults) -> bool:
    """True or false; Go's words for them, and numbers."""
    value = _only(value)
    if value is None:
        return False
    if isinstance(value, bool | int | float):
        return bool(value)
    if isinstance(value, str):
        judged = boolean(value) if value else False
        if judged is None:
            faults.value(f"cannot parse '{path}' as bool: strconv.ParseBool: parsing \"{value}\": invalid syntax")
        return bool(judged)
    faults.value(f"'{path}' expected type 'bool', got unconvertible type '{_go_type(value)}'")
    return False


def nanoseconds(value: Any, path: str, faults: Faults) -> int:
    """A duration that is shown as a number."""
    value = _only(value)
    if isinstance(value, str):
        try:
            return durations.parse(value) if value else 0
        except durations.DurationError as error:
            faults.value(f"error decoding '{path}': {error}")
            return 0
    return integer(value, path, faults)


def duration(value: Any, path: str, faults: Faults) -> str:
    """A duration that is shown as Go writes it; nothing for zero."""
    return durations.render_given(nanoseconds(value, path, faults))


def opaque(value: Any, path: str, faults: Faults) -> dict[str, Any]:
    """An object of any content."""
    if isinstance(value, dict):
        if _deep(value, NESTING_MAX):
            faults.value(f"'{path}' is nested more than {NESTING_MAX} deep")
        return value
    faults.value(f"'{path}' expected a map, got '{_go_kind(value)}'")
    return {}


class ListOf:
    """A list of one kind of value; a single value stands for a list of one."""

    def __init__(self, of: Read) -> None:
        self.of = of

    def __call__(self, value: Any, path: str, faults: Faults) -> list[Any]:
        """The canonical list."""
        if value == {} and not isinstance(self.of, Obj):
            return []
        values: Iterable[Any] = value if isinstance(value, list) else [value]
        return [self.of({} if one is None else one, f"{path}[{at}]", faults) for at, one in enumerate(values)]


class MapOf:
    """An object with free keys and one kind of value."""

    def __init__(self, of: Read) -> None:
        self.of = of

    def __call__(self, value: Any, path: str, faults: Faults) -> dict[str, Any]:
        """The canonical object."""
        if value == []:
            return {}
        if not isinstance(value, dict):
            faults.value(f"'{path}' expected a map, got '{_go_kind(value)}'")
            return {}
        return {key: self.of(one, f"{path}[{key}]", faults) for key, one in value.items() if one is not None}


def _deep(value: Any, left: int) -> bool:
    if left == 0:
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_deep(one, left - 1) for one in inner)


def _go_kind(value: Any) -> str:
    return {bool: "bool", int: "float64", float: "float64", str: "string", list: "slice"}.get(type(value), "map")


def _go_type(value: Any) -> str:
    if isinstance(value, list):
        return "[]interface {}"
    return "map[string]interface {}" if isinstance(value, dict) else _go_kind(value)
