"""The parameters that many endpoints share, in groups (Consul's HTTP API, common parameters)."""

from lictor_catalog.openapi.endpoint import Kind, Parameter


def _shared(name: str, about: str, kind: Kind = "string", *, repeated: bool = False) -> Parameter:
    return Parameter(name, about, kind, repeated=repeated, shared=True)


PRETTY = (_shared("pretty", "Indent the JSON.", "flag"),)
DATACENTER = (_shared("dc", "The datacenter; another than the one there is is refused, and ignored by the agent."),)
COMMON = PRETTY + DATACENTER
"""Every endpoint takes these; the document adds them."""

BLOCKING = (
    _shared("index", "Wait until the answer's index is above this one.", "integer"),
    _shared("wait", "How long to wait at most, as `30s` or `5m`; 5 minutes by default, 10 at most."),
    _shared("watch", "`sse`: an event for each change (Server-Sent Events) in place of one answer."),
)
CONSISTENCY = (
    _shared("stale", "Answer from this process's view as it is, without the leader.", "flag"),
    _shared("consistent", "Have the leader confirm with a majority that it still leads.", "flag"),
    _shared("max_stale", "With `stale`: how old the view may be, as `10s`."),
)
CACHED = (_shared("cached", "Answer from the view, as old as `Cache-Control` allows.", "flag"),)
FILTER = (_shared("filter", "A filter expression: the members of the list that are kept."),)
NEAR = (_shared("near", "Order by distance from this node; `_agent` is the node that is asked."),)
NODE_META = (_shared("node-meta", "`key:value` that the node must have; all of them.", repeated=True),)
MERGED = (_shared("merge-central-config", "Merge the central configuration into proxies.", "flag"),)
TAG = (_shared("tag", "A tag that the instance must have; all of them.", repeated=True),)
PASSING = (_shared("passing", "Only instances with all checks passing.", "flag"),)
CAS = (_shared("cas", "Write only if the thing's `ModifyIndex` is this one; 0: only if it is not there.", "integer"),)
PEM = (_shared("pem", "`true`: answer the certificates as PEM text.", "boolean"),)
SEGMENT = (_shared("segment", "The network segment; the only one is the empty one."),)
NOTE = (Parameter("note", "What the check says of itself, its `Output`."),)
MAINTENANCE = (
    Parameter("enable", "`true` begins maintenance, `false` ends it.", "boolean"),
    Parameter("reason", "Why, for people."),
)
FORMAT = (_shared("format", "`text`: only the status as a word; `prometheus` at metrics."),)
READ = BLOCKING + CONSISTENCY
"""What every read of the replicated state takes."""

SHARED = {
    one.name: one
    for group in (
        COMMON, READ, CACHED, FILTER, NEAR, NODE_META, MERGED, TAG, PASSING, CAS, PEM, SEGMENT, FORMAT,
    )
    for one in group
}  # fmt: skip
"""By name: what the document's components hold."""

IN_PATH = {
    "accessor": "The accessor id of a token.",
    "address": "The address of a member, with or without its port.",
    "gateway": "The name of a gateway's service.",
    "id": "The id, as it was given or answered.",
    "key": "The key, which may have slashes.",
    "kind": "The kind, as Consul names it.",
    "name": "The name.",
    "node": "The name of a node.",
    "service": "The name of a service.",
    "state": "`passing`, `warning`, `critical`, or `any`.",
}
