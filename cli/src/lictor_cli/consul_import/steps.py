"""What must be written so that Lictor holds what a Consul holds: both sides compared, pure.

A step is one request. What is equal already is counted and not written, so a second import changes nothing. Some things
are left out on purpose and named with the reason: a Consul server's own registration, and what only gossip may say of
a node (`serfHealth`, and the row of a node that is alive in Lictor). Nodes come without their ids, so that a node's own
gossip can take the row over when it starts.
"""

import base64
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from lictor_cli.consul_import.contents import CONFIG_KINDS, Contents, Json, Node
from lictor_cli.consul_import.key_paths import path_of

FAMILIES = ("nodes", "services", "checks", "keys", "config entries", "intentions", "prepared queries")
"""In the order in which they are written: each may need those before it."""

SERF_HEALTH = "serfHealth"
CONSUL = "consul"
SERVER_REASON = "a Consul server's own registration; Lictor's servers have theirs"
SERF_REASON = "only a node's gossip may say whether it is alive"
GOSSIP_REASON = "a node of this name is alive in Lictor and keeps its own row"
SESSION_REASON = "it belongs to a session, and sessions are not copied"

_SERVICE_FIELDS = (
    "Kind", "ID", "Service", "Tags", "Address", "TaggedAddresses", "Meta", "Port", "SocketPath", "Weights",
    "EnableTagOverride", "Proxy", "Connect", "Locality",
)  # fmt: skip
_CHECK_FIELDS = ("CheckID", "Name", "Status", "Notes", "Output", "ServiceID", "Definition")
_INTENTION_FIELDS = ("Action", "Permissions", "Description", "SourceType", "JWT")
_INDEXES = frozenset({"CreateIndex", "ModifyIndex", "Hash"})
_OF_SOURCES = frozenset({"LegacyID", "LegacyMeta", "LegacyCreateTime", "LegacyUpdateTime", "Precedence", "Type"})
_FREE = frozenset({"Config", "Arguments", "Meta"})
"""What operators write into these is theirs."""

_TENANCY = frozenset({"Namespace", "Partition", "DestinationNamespace", "DestinationPartition"})
_RUN_BY_LICTOR = ("HTTP", "TCP")


class Step(msgspec.Struct, frozen=True):
    """One request; `body` is JSON, or bytes as they are."""

    family: str
    name: str
    method: str
    path: str
    body: Any = None


class Left(msgspec.Struct, frozen=True):
    """Something that is not copied, on purpose."""

    family: str
    name: str
    reason: str


class Steps(msgspec.Struct):
    """What is to be done, what is there already (by family), and what is left out."""

    steps: list[Step] = []
    unchanged: Counter[str] = msgspec.field(default_factory=Counter)
    left: list[Left] = []


def compare(source: Contents, target: Contents) -> Steps:
    """What makes the target hold what the source holds; nothing is ever deleted there."""
    steps = Steps([], Counter(), [])
    for name, node in source.nodes.items():
        _node(steps, name, node, target.nodes.get(name) or Node({}))
    for key, row in source.keys.items():
        there = target.keys.get(key)
        same = there is not None and (row["Value"] or "", row["Flags"]) == (there["Value"] or "", there["Flags"])
        _add(steps, _key(key, row), same=same)
    for kind in CONFIG_KINDS:
        for (of_kind, name), row in source.entries.items():
            if of_kind == kind:
                body, there = entry_body(row), target.entries.get((kind, name))
                same = there is not None and plain(entry_body(there)) == plain(body)
                _add(steps, Step("config entries", f"{kind}/{name}", "PUT", "/v1/config", body), same=same)
    for (caller, called), row in source.intentions.items():
        if ("service-intentions", called) not in source.entries:  # else the entry has brought it
            _intention(steps, caller, called, row, target.intentions.get((caller, called)))
    for query in source.queries:
        _query(steps, query, target.queries)
    steps.steps.sort(key=lambda step: FAMILIES.index(step.family))
    return steps


def _add(steps: Steps, step: Step, *, same: bool) -> None:
    if same:
        steps.unchanged[step.family] += 1
    else:
        steps.steps.append(step)


def _key(key: str, row: Json) -> Step:
    """One write; a key that no path leads to is written by a transaction."""
    path = path_of(key)
    if path is None:
        operation = {"Verb": "set", "Key": key, "Value": row["Value"], "Flags": row["Flags"]}
        return Step("keys", key, "PUT", "/v1/txn", [{"KV": operation}])
    return Step("keys", key, "PUT", f"{path}?flags={row['Flags']}", base64.b64decode(row["Value"] or ""))


def _node(steps: Steps, name: str, node: Node, there: Node) -> None:
    services = {one: row for one, row in node.services.items() if row["Service"] != CONSUL}
    server = len(services) < len(node.services)
    checks = {one: row for one, row in node.checks.items() if one != SERF_HEALTH and row.get("ServiceName") != CONSUL}
    if server:
        steps.left.append(Left("services", f"{name}/{CONSUL}", SERVER_REASON))
        if not services and not checks:
            steps.left.append(Left("nodes", name, SERVER_REASON))
            return
    if SERF_HEALTH in node.checks:
        steps.left.append(Left("checks", f"{name}/{SERF_HEALTH}", SERF_REASON))
    if SERF_HEALTH in there.checks:
        steps.left.append(Left("nodes", name, GOSSIP_REASON))
    else:
        row = {
            "Node": name,
            "Address": node.row["Address"],
            "TaggedAddresses": node.row.get("TaggedAddresses") or {},
            "NodeMeta": node.row.get("Meta") or {},
        }
        same = bool(there.row) and plain(row) == plain({**there.row, "NodeMeta": there.row.get("Meta")}, tuple(row))
        _add(steps, Step("nodes", name, "PUT", "/v1/catalog/register", row), same=same)
    held = {"Node": name, "SkipNodeUpdate": True}
    for service_id, row in services.items():
        body = {field: row[field] for field in _SERVICE_FIELDS if field in row}
        same = _same_service(row, there.services.get(service_id))
        step = Step("services", f"{name}/{service_id}", "PUT", "/v1/catalog/register", {**held, "Service": body})
        _add(steps, step, same=same)
    for check_id, row in checks.items():
        body = {field: row[field] for field in _CHECK_FIELDS if field in row}
        same = _same_check(row, there.checks.get(check_id))
        step = Step("checks", f"{name}/{check_id}", "PUT", "/v1/catalog/register", {**held, "Check": body})
        _add(steps, step, same=same)


def _same_service(row: Json, there: Json | None) -> bool:
    def known(service: Json) -> Any:
        tagged = {key: one for key, one in (service.get("TaggedAddresses") or {}).items() if key != "consul-virtual"}
        return plain({**service, "TaggedAddresses": tagged}, _SERVICE_FIELDS)

    return there is not None and known(row) == known(there)


def _same_check(row: Json, there: Json | None) -> bool:
    """A check that Lictor runs has the status that it finds itself; what it said is never compared."""
    if there is None:
        return False
    run = any((row.get("Definition") or {}).get(kind) for kind in _RUN_BY_LICTOR)
    fields = tuple(one for one in _CHECK_FIELDS if one != "Output" and not (run and one == "Status"))
    return bool(plain(row, fields) == plain(there, fields))


def entry_body(row: Json) -> Json:
    """A config entry as it is written: without indexes, ids of the former intentions API, and default namespaces."""
    dropped = _OF_SOURCES if row["Kind"] == "service-intentions" else frozenset[str]()
    kept = {key: one for key, one in row.items() if key not in _INDEXES}
    return dict(_without(kept, dropped))


def _without(value: Any, dropped: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: one if key in _FREE else _without(one, dropped)
            for key, one in value.items()
            if key not in dropped and not (key in _TENANCY and one in {"", "default"})
        }
    return [_without(one, dropped) for one in value] if isinstance(value, list) else value


def _intention(steps: Steps, caller: str, called: str, row: Json, there: Json | None) -> None:
    body = {field: row[field] for field in _INTENTION_FIELDS if row.get(field)}
    path = f"/v1/connect/intentions/exact?source={quote(caller, safe='')}&destination={quote(called, safe='')}"
    same = there is not None and plain(there, _INTENTION_FIELDS) == plain(body)
    _add(steps, Step("intentions", f"{caller} → {called}", "PUT", path, body), same=same)


def _query(steps: Steps, row: Json, there: list[Json]) -> None:
    name = row.get("Name") or row["ID"]
    if row.get("Session"):
        steps.left.append(Left("prepared queries", name, SESSION_REASON))
        return
    body = _query_body(row)
    if any(plain(_query_body(one)) == plain(body) for one in there):
        steps.unchanged["prepared queries"] += 1
        return
    named = next((one for one in there if row.get("Name") and one.get("Name") == row["Name"]), None)
    method, path = ("PUT", f"/v1/query/{named['ID']}") if named else ("POST", "/v1/query")
    steps.steps.append(Step("prepared queries", name, method, path, body))


def _query_body(row: Json) -> Json:
    return {key: _without(one, frozenset()) for key, one in row.items() if key not in _INDEXES | {"ID"}}


def plain(value: Any, fields: tuple[str, ...] = ()) -> Any:
    """A value without what is zero or empty, so that versions which write that differently are equal."""
    if isinstance(value, dict):
        return dict(_filled((key, one) for key, one in value.items() if not fields or key in fields))
    return [plain(one) for one in value] if isinstance(value, list) else value


def _filled(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for key, one in pairs:
        kept = plain(one)
        if kept not in ("", 0, None, [], {}):
            yield key, kept
