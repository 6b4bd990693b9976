"""The stored form of a `service-intentions` entry: computed precedence, order, and Consul's validation.

Precedence, with destination and source each a name or `*`: 9 name/name, 8 name/`*`, 6 `*`/name, 5 `*`/`*` (the other
values belong to namespaces). Sources are stored with the highest first. An entry is either wholly legacy (every
source has a LegacyID and came through the id-based API) or wholly current. Nothing here decides about a connection.
"""

from collections.abc import Sequence
from typing import Any

from lictor_state.errors import Refused

INTENTIONS = "service-intentions"
WILDCARD = "*"
DESCRIPTION_MAX = 512  # Consul's bound on metadata values
META_PAIRS_MAX = 64
META_KEY_MAX = 128

Source = dict[str, Any]
_ACTIONS = ("allow", "deny")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"})
_LEGACY_FIELDS = ("LegacyID", "LegacyCreateTime", "LegacyUpdateTime")


def precedence(destination: str, source: str) -> int:
    """Which intention wins: the larger number."""
    return (6 if destination == WILDCARD else 9) - (1 if source == WILDCARD else 0)


def is_legacy(sources: Sequence[Source]) -> bool:
    """Whether every source came through the id-based API; an empty list may still become so."""
    return all(source.get("LegacyID") for source in sources)


def checked_entry(name: str, body: dict[str, Any], old: dict[str, Any] | None) -> dict[str, Any]:
    """The entry as it is stored when it was written through the config API.

    Legacy ids and times may be sent back as they were read, never changed; the write clears them, and from then on
    the id-based API refuses the entry.
    """
    former = {_name_of(source): source for source in (old or {}).get("Sources") or ()}
    sources = []
    for at, sent in enumerate(body.get("Sources") or ()):
        source = dict(sent)
        before = former.get(_name_of(source))
        if source.get("LegacyID") and before is not None and source["LegacyID"] != before.get("LegacyID"):
            how = "to a different value" if before.get("LegacyID") else ""
            raise Refused(f"Sources[{at}].LegacyID: cannot set this field {how}".rstrip())
        for field in _LEGACY_FIELDS:
            source.pop(field, None)
        sources.append(source)
    return stored_entry(name, {**body, "Sources": sources}, legacy=False)


def stored_entry(name: str, body: dict[str, Any], *, legacy: bool) -> dict[str, Any]:
    """The entry with precedence and order, after validation."""
    sources = []
    for sent in body.get("Sources") or ():
        source = dict(sent)
        source["Type"] = source.get("Type") or "consul"
        source["Precedence"] = precedence(name, source.get("Name", ""))
        if source.get("Permissions"):
            source["Permissions"] = [_upper_methods(permission) for permission in source["Permissions"]]
        if legacy:
            source.setdefault("LegacyMeta", {})
        else:
            for field in _LEGACY_FIELDS:
                source.pop(field, None)
        sources.append(source)
    sources.sort(key=lambda source: -source["Precedence"])
    _judge_wildcard(name, "")
    if legacy and body.get("Meta"):
        raise Refused("Meta must be omitted for legacy intention writes")
    if not sources:
        raise Refused("At least one source is required")
    seen: set[tuple[str, str, str]] = set()
    for at, source in enumerate(sources):
        _judge_source(at, source, to_all=name == WILDCARD, legacy=legacy)
        identity = _name_of(source)
        if identity in seen:
            raise Refused(f"Sources[{at}] defines {_words(identity)} more than once")
        seen.add(identity)
    return {**body, "Sources": sources}


def _upper_methods(permission: dict[str, Any]) -> dict[str, Any]:
    http = permission.get("HTTP")
    if not http or not http.get("Methods"):
        return permission
    return {**permission, "HTTP": {**http, "Methods": [method.upper() for method in http["Methods"]]}}


def _name_of(source: Source) -> tuple[str, str, str]:
    return source.get("Name", ""), source.get("Peer") or "", source.get("SamenessGroup") or ""


def _words(identity: tuple[str, str, str]) -> str:
    name, peer, group = identity
    if peer:
        return f'peer("{peer}") "{name}"'
    return f'sameness-group("{group}") "{name}"' if group else f'"{name}"'


def _judge_wildcard(name: str, where: str) -> None:
    if name != WILDCARD and WILDCARD in name:
        raise Refused(f"{where}Name: wildcard character '*' cannot be used with partial values")


def _judge_source(at: int, source: Source, *, to_all: bool, legacy: bool) -> None:
    where = f"Sources[{at}]"
    if not source.get("Name"):
        raise Refused(f"{where}.Name is required")
    _judge_wildcard(source["Name"], f"{where}.")
    if len((source.get("Description") or "").encode()) > DESCRIPTION_MAX:
        raise Refused(f"{where}.Description exceeds maximum length {DESCRIPTION_MAX}")
    if legacy:
        _judge_legacy(where, source)
    elif source.get("LegacyMeta"):
        raise Refused(f"{where}.LegacyMeta must be omitted")
    permissions = source.get("Permissions") or ()
    action = source.get("Action") or ""
    if (legacy or not permissions) and action not in _ACTIONS:
        raise Refused(f"{where}.Action must be set to 'allow' or 'deny'")
    if permissions and action:
        raise Refused(f"{where}.Action must be omitted if Permissions are specified")
    if permissions and to_all:
        raise Refused(f"{where}.Permissions cannot be specified on intentions with wildcarded destinations")
    if source["Type"] != "consul":
        raise Refused(f"{where}.Type must be set to 'consul'")
    for number, permission in enumerate(permissions):
        _judge_permission(f"{where}.Permissions[{number}]", permission)


def _judge_legacy(where: str, source: Source) -> None:
    for field in ("Peer", "SamenessGroup"):
        if source.get(field):
            raise Refused(f"{where}.{field} cannot be set by legacy intentions")
    meta = source["LegacyMeta"]
    if len(meta) > META_PAIRS_MAX:
        raise Refused(f"{where}.Meta exceeds maximum element count {META_PAIRS_MAX}")
    for key, value in meta.items():
        if len(key.encode()) > META_KEY_MAX:
            raise Refused(f'{where}.Meta key "{key}" exceeds maximum length {META_KEY_MAX}')
        if len(value.encode()) > DESCRIPTION_MAX:
            raise Refused(f'{where}.Meta value for key "{key}" exceeds maximum length {DESCRIPTION_MAX}')
    for field in ("LegacyCreateTime", "LegacyUpdateTime", "LegacyID"):
        if not source.get(field):
            raise Refused(f"{where}.{field} must be set")


def _judge_permission(where: str, permission: dict[str, Any]) -> None:
    if permission.get("Action") not in _ACTIONS:
        raise Refused(f"{where}.Action must be set to 'allow' or 'deny'")
    http = permission.get("HTTP")
    if http is None:
        raise Refused(f"{where}.HTTP is required")
    parts = 0
    for field in ("PathExact", "PathPrefix", "PathRegex"):
        path = http.get(field)
        if not path:
            continue
        parts += 1
        if field != "PathRegex" and not path.startswith("/"):
            raise Refused(f"{where}.HTTP.{field} doesn't start with '/': \"{path}\"")
    if parts > 1:
        raise Refused(f"{where}.HTTP should only contain at most one of PathExact, PathPrefix, or PathRegex")
    for at, header in enumerate(http.get("Header") or ()):
        if not header.get("Name"):
            raise Refused(f"{where}.HTTP.Header[{at}] missing required Name field")
        forms = sum(bool(header.get(form)) for form in ("Present", "Exact", "Prefix", "Suffix", "Contains", "Regex"))
        if forms != 1:
            raise Refused(
                f"{where}.HTTP.Header[{at}] should only contain one of Present, Exact, Prefix, Suffix, Contains, "
                "or Regex"
            )
        parts += 1
    methods = http.get("Methods") or ()
    for at, method in enumerate(methods):
        if method not in _METHODS:
            raise Refused(f'{where}.HTTP.Methods contains an invalid method "{method}"')
        if method in methods[:at]:
            raise Refused(f'{where}.HTTP.Methods contains "{method}" more than once')
    if not parts and not methods:
        raise Refused(f"{where}.HTTP should not be empty")
