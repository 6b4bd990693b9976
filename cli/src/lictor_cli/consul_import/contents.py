"""What a Consul or a Lictor holds, read through its HTTP API: the catalog, keys, config entries, intentions, queries.

Both sides are read the same way, so that they can be compared. A family that a side does not have (an older Consul
without `service-intentions`, a Lictor without prepared queries) is read as empty. Reading is bounded: one request per
node, one per tree of keys at the top.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import msgspec

from lictor_cli.consul_import.key_paths import path_of
from lictor_cli.http_api import Api, ApiError

AT_ONCE_MAX = 16
"""Requests in flight at one side: enough to hide the way there and back, few enough not to crowd out its clients."""

CONFIG_KINDS = (
    "proxy-defaults",
    "mesh",
    "service-defaults",
    "service-resolver",
    "service-splitter",
    "service-router",
    "service-intentions",
    "jwt-provider",
    "exported-services",
    "ingress-gateway",
    "terminating-gateway",
    "inline-certificate",
    "file-system-certificate",
    "api-gateway",
    "http-route",
    "tcp-route",
)
"""In the order in which they are written: what others build on comes first."""

_UNKNOWN_KIND = "invalid config entry kind"
_NOT_AN_ENDPOINT = 404

Json = dict[str, Any]


class Node(msgspec.Struct):
    """A node with its services by id and its checks by id, as the API shows them."""

    row: Json
    services: dict[str, Json] = {}
    checks: dict[str, Json] = {}


class Contents(msgspec.Struct):
    """Everything that is copied; keys of the store with flags and base64 value."""

    nodes: dict[str, Node] = {}
    keys: dict[str, Json] = {}
    entries: dict[tuple[str, str], Json] = {}
    intentions: dict[tuple[str, str], Json] = {}
    queries: list[Json] = []


def read(api: Api, progress: Callable[[str], None]) -> Contents:
    """Read one side; raises `ApiError`. `progress` is told what is read."""
    progress("nodes")
    nodes = _nodes(api)
    progress("keys")
    keys = _keys(api)
    progress("config entries")
    entries = _entries(api)
    progress("intentions")
    listed = api.get("/v1/connect/intentions") or []
    intentions = {(one["SourceName"], one["DestinationName"]): one for one in listed if not one.get("SourcePeer")}
    progress("prepared queries")
    return Contents(nodes, keys, entries, intentions, _optional(api, "/v1/query") or [])


def at_once(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """`work` on every item, some at once, results in order; the first exception is raised."""
    with ThreadPoolExecutor(AT_ONCE_MAX) as pool:
        return list(pool.map(work, items))


def _nodes(api: Api) -> dict[str, Node]:
    nodes = {row["Node"]: Node(row, {}, {}) for row in api.get("/v1/catalog/nodes") or []}
    found = at_once(lambda name: api.get(f"/v1/catalog/node/{quote(name, safe='')}"), nodes)
    for name, answer in zip(nodes, found, strict=True):
        nodes[name].services = dict(answer["Services"] or {}) if answer else {}
    for check in api.get("/v1/health/state/any") or []:
        if check["Node"] in nodes:
            nodes[check["Node"]].checks[check["CheckID"]] = check
    return nodes


def _keys(api: Api) -> dict[str, Json]:
    """Every key: the trees at the top one by one, so that no answer holds the whole store."""
    tops = _optional(api, "/v1/kv/?keys&separator=/") or []
    known = [(top, path_of(top)) for top in tops]
    if any(path is None for _, path in known):  # no path leads there, so it is read with all others
        return {one["Key"]: one for one in api.get("/v1/kv/?recurse")}
    paths = [f"{path}{'?recurse' if top.endswith('/') else ''}" for top, path in known]
    found = at_once(lambda path: _optional(api, path) or [], paths)
    return {one["Key"]: one for rows in found for one in rows}


def _entries(api: Api) -> dict[tuple[str, str], Json]:
    entries: dict[tuple[str, str], Json] = {}
    for kind in CONFIG_KINDS:
        try:
            rows = _optional(api, f"/v1/config/{kind}") or []
        except ApiError as error:
            if _UNKNOWN_KIND not in error.text:
                raise
            rows = []
        entries |= {(kind, row.get("Name") or "mesh"): row for row in rows}
    return entries


def _optional(api: Api, path: str) -> Any:
    """An answer, None where there is nothing or no such endpoint."""
    try:
        return api.get(path)
    except ApiError as error:
        if error.status == _NOT_AN_ENDPOINT:
            return None
        raise
