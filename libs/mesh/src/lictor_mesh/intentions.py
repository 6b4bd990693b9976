"""Intentions: who may call whom, read from `service-intentions` config entries and ordered by precedence.

The rules are Consul's: the first entry that matches, by descending precedence (9 both names exact, 8 any source, 6 any
destination, 5 both any), decides; where none does, the default does. An entry either has an action or an ordered list
of permissions on HTTP requests, of which the first that matches decides, and otherwise the default again.

What this build cannot enforce is never passed over: a source that demands a JWT or carries something unknown is
denied, and the reason is kept in `Intention.problem`. Sources of peers are left out, because no peer's identity is
trusted here and so none of them can connect at all. How decisions become Envoy's rules is `rbac`'s work.
"""

from collections.abc import Iterable
from typing import Any, Literal, cast

import msgspec

from lictor_state.rows import ConfigEntryRow

KIND = "service-intentions"
WILDCARD = "*"

Action = Literal["allow", "deny"]
PathKind = Literal["", "exact", "prefix", "regex"]
HeaderKind = Literal["present", "exact", "prefix", "suffix", "contains", "regex"]

_SOURCE_FIELDS = frozenset(
    {
        "Name",
        "Action",
        "Permissions",
        "Precedence",
        "Type",
        "Description",
        "Namespace",
        "Partition",
        "Peer",
        "SamenessGroup",
        "LegacyID",
        "LegacyMeta",
        "LegacyCreateTime",
        "LegacyUpdateTime",
    },
)
_PATHS: tuple[tuple[str, PathKind], ...] = (("PathExact", "exact"), ("PathPrefix", "prefix"), ("PathRegex", "regex"))
_HEADERS: tuple[tuple[str, HeaderKind], ...] = (
    ("Exact", "exact"),
    ("Prefix", "prefix"),
    ("Suffix", "suffix"),
    ("Contains", "contains"),
    ("Regex", "regex"),
)


class HeaderMatch(msgspec.Struct, frozen=True):
    """A condition on one request header; `value` is empty for `present`."""

    name: str
    kind: HeaderKind
    value: str = ""
    invert: bool = False
    ignore_case: bool = False


class HttpMatch(msgspec.Struct, frozen=True):
    """A condition on a request: path, all headers, any of the methods. An empty part holds always."""

    path_kind: PathKind = ""
    path: str = ""
    headers: tuple[HeaderMatch, ...] = ()
    methods: tuple[str, ...] = ()


class Permission(msgspec.Struct, frozen=True):
    """What happens to requests that match."""

    action: Action
    match: HttpMatch


class Intention(msgspec.Struct, frozen=True):
    """One source of one entry. `action` is None exactly when `permissions` decide."""

    source: str
    destination: str
    precedence: int
    action: Action | None
    permissions: tuple[Permission, ...] = ()
    problem: str = ""


class Decision(msgspec.Struct, frozen=True):
    """The answer for a whole connection; `intention` is None when the default decided."""

    allowed: bool
    intention: Intention | None = None


class _UnsupportedError(Exception):
    """Something in an entry that this build cannot enforce."""


def precedence(source: str, destination: str) -> int:
    """Consul's precedence within one namespace: the destination decides the band, the source the place in it."""
    if destination == WILDCARD:
        return 5 if source == WILDCARD else 6
    return 8 if source == WILDCARD else 9


def intentions_for(destination: str, entries: Iterable[ConfigEntryRow | None]) -> tuple[Intention, ...]:
    """The intentions that apply to `destination`, highest precedence first.

    `entries` are the `service-intentions` entries of that name and of `*`; None and entries of others are passed over.
    """
    found: list[Intention] = []
    for entry in entries:
        if entry is not None and entry.kind == KIND and entry.name.lower() in {destination.lower(), WILDCARD}:
            found += _read_entry(entry)
    return tuple(sorted(found, key=lambda one: (-one.precedence, one.source, one.destination)))


def decide(intentions: Iterable[Intention], source: str, *, default_allow: bool) -> Decision:
    """Whether `source` may open a connection, `intentions` being those of the destination in order of precedence.

    Intentions with permissions count as deny: this is the question that knows no request.
    """
    for intention in intentions:
        if intention.source in {source, WILDCARD}:
            return Decision(intention.action == "allow", intention)
    return Decision(default_allow)


def _read_entry(entry: ConfigEntryRow) -> list[Intention]:
    found = []
    entry_jwt = bool(entry.body.get("JWT"))
    for source in cast("list[dict[str, Any]]", entry.body.get("Sources") or []):
        if source.get("Peer") or source.get("SamenessGroup"):
            continue
        name = str(source.get("Name", ""))
        base = Intention(name, entry.name, precedence(name, entry.name), "deny")
        try:
            found.append(_read_source(base, source, entry_jwt=entry_jwt))
        except _UnsupportedError as error:
            problem = f"intention {name} -> {entry.name}: {error}; denied"
            found.append(msgspec.structs.replace(base, problem=problem))
    return found


def _read_source(base: Intention, source: dict[str, Any], *, entry_jwt: bool) -> Intention:
    unknown = sorted(field for field, value in source.items() if value and field not in _SOURCE_FIELDS)
    if unknown:
        raise _UnsupportedError(f"{unknown[0]} is not supported")
    action = source.get("Action") or ""
    permissions = source.get("Permissions") or []
    if permissions and not action:
        read = tuple(_read_permission(permission) for permission in permissions)
        if entry_jwt:
            raise _UnsupportedError("JWT is not supported")
        return msgspec.structs.replace(base, action=None, permissions=read)
    if action == "deny" and not permissions:
        return base
    if action != "allow" or permissions:
        raise _UnsupportedError("exactly one of Action (allow or deny) and Permissions is needed")
    if entry_jwt:
        raise _UnsupportedError("JWT is not supported")
    return msgspec.structs.replace(base, action="allow")


def _read_permission(permission: dict[str, Any]) -> Permission:
    if permission.get("JWT"):
        raise _UnsupportedError("JWT is not supported")
    action = permission.get("Action")
    if action not in {"allow", "deny"}:
        raise _UnsupportedError("a permission's Action must be allow or deny")
    http = permission.get("HTTP") or {}
    paths = [(kind, str(http[field])) for field, kind in _PATHS if http.get(field)]
    if len(paths) > 1:
        raise _UnsupportedError("a permission has at most one of PathExact, PathPrefix and PathRegex")
    headers = tuple(_read_header(header) for header in http.get("Header") or [])
    methods = tuple(sorted(str(method).upper() for method in http.get("Methods") or []))
    if not (paths or headers or methods):
        raise _UnsupportedError("a permission's HTTP must not be empty")
    path_kind, path = paths[0] if paths else ("", "")
    return Permission(cast("Action", action), HttpMatch(path_kind, path, headers, methods))


def _read_header(header: dict[str, Any]) -> HeaderMatch:
    kinds: list[tuple[HeaderKind, str]] = [(kind, str(header[field])) for field, kind in _HEADERS if header.get(field)]
    if header.get("Present"):
        kinds.append(("present", ""))
    if len(kinds) != 1 or not header.get("Name"):
        raise _UnsupportedError("a header needs a Name and exactly one condition")
    kind, value = kinds[0]
    if header.get("IgnoreCase") and kind in {"present", "regex"}:
        raise _UnsupportedError("a header's IgnoreCase goes with Exact, Prefix, Suffix and Contains only")
    return HeaderMatch(
        name=str(header["Name"]).lower(),
        kind=kind,
        value=value,
        invert=bool(header.get("Invert")),
        ignore_case=bool(header.get("IgnoreCase")),
    )
