"""Requests to the intentions API: names in the query, bodies of writes as commands, rows as Consul's JSON.

Covers `connect/intentions` by names (`exact`, `match`, `check`) and the legacy form by id. Follows Consul's wording;
note that missing parameters are answered 500 there. Precedence, uniqueness and storage are the state's business.
"""

import re
from typing import Any, Literal

from lictor_catalog.body_decoding import ListOf, MapOf, Shape, body_object, flag, integer, opaque, text
from lictor_catalog.errors import ApiError, BodyError
from lictor_catalog.request import Params
from lictor_state.commands import IntentionDelete, IntentionUpsert

_HEADER = Shape(
    {
        "Name": text,
        "Present": flag,
        "Exact": text,
        "Prefix": text,
        "Suffix": text,
        "Contains": text,
        "Regex": text,
        "Invert": flag,
        "IgnoreCase": flag,
    },
    {"ignore_case": "IgnoreCase"},
)
_PERMISSION = Shape(
    {
        "Action": text,
        "HTTP": Shape(
            {
                "PathExact": text,
                "PathPrefix": text,
                "PathRegex": text,
                "Header": ListOf(_HEADER),
                "Methods": ListOf(text),
            },
            {"path_exact": "PathExact", "path_prefix": "PathPrefix", "path_regex": "PathRegex"},
        ),
    }
)
BODY = Shape(
    {
        "ID": text,
        "Description": text,
        "SourceNS": text,
        "SourceName": text,
        "SourcePartition": text,
        "SourcePeer": text,
        "DestinationNS": text,
        "DestinationName": text,
        "DestinationPartition": text,
        "SourceType": text,
        "Action": text,
        "Permissions": ListOf(_PERMISSION),
        "JWT": opaque,
        "DefaultAddr": text,
        "DefaultPort": integer,
        "Meta": MapOf(text),
        "Precedence": integer,
        "CreatedAt": text,
        "UpdatedAt": text,
        "Hash": text,
        "CreateIndex": integer,
        "ModifyIndex": integer,
    }
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DECODE_PREFIX = "Request decode failed: "


def required(params: Params, name: str) -> str:
    """A parameter that must be there; Consul answers 500 when it is not."""
    value = params.first(name)
    if not value:
        raise ApiError(500, f"required query parameter '{name}' not set")
    return value


def service_name(given: str) -> str:
    """`name`, `default/name` or `default/default/name`; raises `ApiError` for other namespaces and partitions."""
    parts = given.split("/")
    if given.startswith("peer:"):
        raise ApiError(400, "cluster peering is not supported by this version")
    if len(parts) > 3 or not all(parts):
        raise ApiError(400, f"input can contain at most two '/': {given}")
    if any(part != "default" for part in parts[:-1]):
        raise ApiError(400, "Namespaces are a Consul Enterprise feature")
    return parts[-1]


def exact_names(params: Params) -> tuple[str, str]:
    """Source and destination of an `exact` request."""
    return service_name(required(params, "source")), service_name(required(params, "destination"))


def match_names(params: Params) -> tuple[Literal["source", "destination"], tuple[str, ...]]:
    """By which side, and for which names, a `match` asks."""
    by = required(params, "by")
    if by not in {"source", "destination"}:
        raise ApiError(500, "'by' parameter must be one of 'source' or 'destination'")
    required(params, "name")
    return ("source" if by == "source" else "destination"), params.all("name")


def legacy_id(given: str) -> str:
    """An intention's id; raises `ApiError` when it is no UUID."""
    if not _UUID.fullmatch(given):
        rule = "UUID must be 36 characters" if len(given) != 36 else "invalid UUID"
        raise ApiError(400, f"failed intention lookup: index error: {rule}")
    return given.lower()


def upsert_exact(params: Params, raw: bytes, now: str) -> IntentionUpsert:
    """The command of `PUT exact`."""
    source, destination = exact_names(params)
    given = _decoded(raw)
    if given.get("Meta"):
        raise ApiError(500, "Meta must not be specified")
    return _upsert(given, source, destination, legacy="", create=False, now=now)


def upsert_legacy(raw: bytes, intention_id: str, now: str, *, create: bool) -> IntentionUpsert:
    """The command of the legacy `POST` (with a fresh id) or `PUT` by id."""
    try:
        given = _decoded(raw)
    except BodyError as error:
        if not create:
            raise
        raise ApiError(500, f"Failed to decode request body: {error.reason}") from None
    if create and given.get("ID"):
        raise ApiError(500, "ID must be empty when creating a new intention")
    if given.get("Permissions"):
        raise ApiError(500, "Permissions cannot be set on an intention created with the legacy API")
    source, destination = (given.get(name, "") for name in ("SourceName", "DestinationName"))
    wrong = [
        f"{name} must be set" for name, value in (("SourceName", source), ("DestinationName", destination)) if not value
    ]
    if create and given.get("Action") not in {"allow", "deny"}:
        wrong.append("Action must be set to 'allow' or 'deny'")
    if wrong:
        listed = "".join(f"\t* {one}\n" for one in wrong)
        raise ApiError(500, f"{len(wrong)} error{'s' * (len(wrong) > 1)} occurred:\n{listed}\n")
    return _upsert(given, source, destination, legacy=intention_id, create=create, now=now)


def delete_exact(params: Params) -> IntentionDelete:
    """The command of `DELETE exact`."""
    source, destination = exact_names(params)
    return IntentionDelete(source, destination)


def _decoded(raw: bytes) -> dict[str, Any]:
    given = body_object(raw, BODY, _DECODE_PREFIX)
    if given.get("SourcePeer"):
        raise ApiError(400, "cluster peering is not supported by this version")
    if given.get("JWT"):
        raise ApiError(400, "JWT requirements of intentions are not supported by this version")
    for name in ("SourceNS", "DestinationNS", "SourcePartition", "DestinationPartition"):
        if given.get(name) not in {None, "", "default"}:
            raise ApiError(400, f'Invalid {name} "{given[name]}": Namespaces are a Consul Enterprise feature')
    return given


def _upsert(
    given: dict[str, Any], source: str, destination: str, *, legacy: str, create: bool, now: str
) -> IntentionUpsert:
    return IntentionUpsert(
        source=source,
        destination=destination,
        action=given.get("Action", ""),
        permissions=given.get("Permissions", ()),
        description=given.get("Description", ""),
        source_type=given.get("SourceType") or "consul",
        legacy_id=legacy,
        legacy_create=create,
        legacy_meta=given.get("Meta", {}),
        now=now,
    )
