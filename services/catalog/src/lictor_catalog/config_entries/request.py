"""Requests to `/v1/config`: bodies as commands, with Consul's refusals; rows as its JSON.

What cannot be decoded is 400, what breaks a rule 500, as Consul's RPC layer answers it. Rules that need other entries
(protocols along a chain, cycles) and the stored form of intentions are judged in apply.
"""

from typing import Any

from lictor_catalog.body_decoding import parse
from lictor_catalog.config_entries.fields import Faults
from lictor_catalog.config_entries.kinds import fields_of
from lictor_catalog.config_entries.rules import settled
from lictor_catalog.errors import ApiError, BodyError
from lictor_catalog.request import Params
from lictor_state.commands import ConfigEntryDelete, ConfigEntrySet
from lictor_state.rows import ConfigEntryRow

PREFIX = "Request decoding failed: "
NAMED = {"mesh": "mesh", "exported-services": "default"}
"""Kinds with one entry, whose name may be left out."""

_OWN = ("Kind", "Name", "Hash", "CreateIndex", "ModifyIndex")
_CAS_MAX = 1 << 64


def put(params: Params, raw: bytes) -> ConfigEntrySet:
    """The command of `PUT /v1/config`; raises `ApiError`."""
    given = _parsed(raw)
    kind = _kind(given)
    fields = fields_of(kind)
    if fields is None:
        raise BodyError(f"invalid config entry kind: {kind}", PREFIX)
    faults = Faults()
    body = fields(given, "", faults)
    fault = faults.text()
    if fault:
        raise BodyError(fault, PREFIX)
    name = body.get("Name") or NAMED.get(kind, "")
    for own in _OWN:
        body.pop(own, None)
    return ConfigEntrySet(kind, name, settled(kind, name, body), _cas(params))


def delete(rest: str, params: Params) -> ConfigEntryDelete:
    """The command of `DELETE /v1/config/:kind/:name`; raises `ApiError`."""
    kind, slash, name = rest.partition("/")
    if not kind or not slash:
        raise ApiError(404, "Must provide both a kind and name to delete")
    if fields_of(kind) is None:
        raise ApiError(400, f"invalid config entry kind: {kind}")
    return ConfigEntryDelete(kind, name, _cas(params))


def shown(row: ConfigEntryRow) -> dict[str, Any]:
    """A row as the API shows it."""
    named = {} if row.kind == "mesh" else {"Name": row.name}
    return {
        "Kind": row.kind,
        **named,
        **row.body,
        "CreateIndex": row.create_index,
        "ModifyIndex": row.modify_index,
    }


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        given = parse(raw)
    except BodyError as error:
        raise BodyError(error.reason, PREFIX) from None
    if not isinstance(given, dict):
        raise BodyError("'' expected a map", PREFIX)
    return given


def _kind(given: dict[str, Any]) -> str:
    for key in ("Kind", "kind"):
        if key in given:
            if not isinstance(given[key], str):
                raise BodyError("Kind value in payload is not a string", PREFIX)
            return str(given[key])
    raise BodyError("Payload does not contain a kind/Kind key at the top level", PREFIX)


def _cas(params: Params) -> int | None:
    text = params.first("cas")
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 20 and int(text) < _CAS_MAX:
        return int(text)
    raise ApiError(500, f'strconv.ParseUint: parsing "{text}": invalid syntax')
