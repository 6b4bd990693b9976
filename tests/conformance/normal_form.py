"""An answer as it is compared: status, the headers that count, and a body without what must differ between two clusters.

Named and taken out: indexes, times, hashes, ids (each replaced by a word, so that one that is missing or zero still shows),
our servers' own nodes, and the server's own service on Consul's node. Nothing else is left out here; what the two
versions tell differently is listed in `differences`.
"""

import json
import re

from tests.conformance.real_consul import NODE

HEADERS = ("content-type", "allow", "content-encoding", "location", "x-consul-index", "x-consul-knownleader",
    "x-consul-lastcontact", "x-consul-effective-consistency", "x-consul-contenthash", "x-consul-reason", "x-cache", "age",
    "x-consul-default-acl-policy", "x-consul-query-backend", "x-content-type-options", "content-security-policy", "retry-after")  # fmt: skip
CLASSES = {
    "x-consul-index": r"[1-9][0-9]*",
    "x-consul-lastcontact": r"[0-9]+",
    "x-consul-contenthash": r"[0-9a-f]{1,16}",
    "age": r"[0-9]+",
}
VOLATILE = {
    "CreateIndex": "index", "ModifyIndex": "index", "LTime": "number", "CreatedAt": "time", "UpdatedAt": "time", "ContentHash": "hash",
    "Hash": "hash", "LastContact": "number", "LastIndex": "index", "LastTerm": "index", "StableSince": "time", "Index": "index",
}  # fmt: skip
"""Fields whose value belongs to one cluster: shown as the word, or as they are when empty or zero."""

ZERO_TIME = "0001-01-01T00:00:00Z"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
GONE = object()


class Normal:
    """How one side's answers are made comparable."""

    def __init__(self, side, node_ids):
        self._side = side
        self._node_id = node_ids[NODE]

    def of(self, answer, kept, *, unordered, only_shape):
        """{"status", "headers", "body"} of an answer."""
        return {
            "status": answer.status_code,
            "headers": {name: self._header(name, answer.headers[name]) for name in HEADERS if name in answer.headers},
            "body": self._body(answer, kept, unordered=unordered, only_shape=only_shape),
        }

    @staticmethod
    def _header(name, value):
        return f"<{CLASSES[name]}>" if name in CLASSES and re.fullmatch(CLASSES[name], value) else value

    def _body(self, answer, kept, *, unordered, only_shape):
        text = answer.text
        for name, value in kept.items():
            text = text.replace(value, f"<{name}>")
        text = text.replace(self._node_id, "<node id>")
        if not answer.headers.get("content-type", "").startswith("application/json"):
            return UUID.sub("<id>", text)
        value = json.loads(text) if text else None
        if only_shape:
            return shape(value)
        return ordered(self._value(value)) if unordered else self._value(value)

    def _value(self, value, key=""):
        if isinstance(value, dict):
            shown = {name: self._value(one, name) for name, one in value.items()}
            return {name: one for name, one in shown.items() if one is not GONE and not self._of_server(value[name])}
        if isinstance(value, list):
            return [self._value(one) for one in value if not self._of_server(one)]
        if key in VOLATILE and value not in (0, "", None, ZERO_TIME):
            return f"<{VOLATILE[key]}>"
        return UUID.sub("<id>", value) if isinstance(value, str) else value

    def _of_server(self, value):
        """Ours: the nodes of the stores. Theirs: the service that says that this node is a server."""
        if not isinstance(value, dict):
            return False
        node = value.get("Node")
        name = node.get("Node", "") if isinstance(node, dict) else node or value.get("Name")
        if isinstance(name, str) and name.startswith("server-"):
            return True
        return self._side == "consul" and (value.get("ServiceName") == "consul" or value.get("Service") == "consul")


def ordered(value):
    """Lists in one order, wherever they stand."""
    if isinstance(value, dict):
        return {name: ordered(one) for name, one in value.items()}
    return sorted(map(ordered, value), key=json.dumps) if isinstance(value, list) else value


def shape(value):
    """Names and types only; a list by its first element."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def found_differences(theirs, ours, path=""):
    """Every place where two normal forms differ, as (path, theirs, ours); `MISSING` where one has nothing."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for name in [*theirs, *(name for name in ours if name not in theirs)]:
            found += found_differences(theirs.get(name, MISSING), ours.get(name, MISSING), f"{path}.{name}".lstrip("."))
        return found
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = zip(theirs, ours, strict=True)
        return [one for left, right in pairs for one in found_differences(left, right, f"{path}[]")]
    same = type(theirs) is type(ours) and theirs == ours
    return [] if same else [(path, theirs, ours)]


class _Missing:
    def __repr__(self):
        return "nothing"


MISSING = _Missing()
