"""What a client that watches a read is told: Server-Sent Events out of the states of its answer. Pure.

Follows the WHATWG's Server-Sent Events (`id`, `event`, `data`, comments). The events of one stream, in this order:

| event | when | data |
|---|---|---|
| `snapshot` | first, and after each `reset` | the answer, as the read itself gives it; `null` where there is nothing |
| `delta` | a list of instances or keys has changed | `{"Put": [members], "Delete": [names of members]}` |
| `value` | any other answer has changed | the answer |
| `reset` | the whole state was replaced by a restore | `{}` |

`id` is the index of the state (or the content's hash, for a read that blocks on one). A client that names an id hears
nothing of a state that it has, and a snapshot of any other: states in between are never sent, the newest one is all
that counts. What a delta says depends on the two states alone, so it is made once for all who go from one to the other.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import msgspec

from lictor_catalog import consul_json
from lictor_catalog.request import Params

DELTAS_MAX = 512
DELTA_BYTES_MAX = 16 * 1024 * 1024
"""Encoded deltas kept for others who make the same step; older ones only have to be made again."""

RETRY_MS = 1000
"""How long a browser waits before it connects again; without it some wait for seconds."""

BEGIN = b"retry: %d\n\n" % RETRY_MS

Name = str | tuple[tuple[str, str], ...]
"""Names a member of a list among the others: a key, or fields and their values."""

NameOf = Callable[[Any], Name]
Members = dict[Name, msgspec.Raw]


class State(NamedTuple):
    """An answer at one moment: `tag` is its index or hash, `body` its JSON, `epoch` counts restores."""

    tag: str
    body: bytes
    epoch: int


def _fields(*labels: str, **inner: str) -> NameOf:
    """Names a member by its fields, and by fields of its fields (`ServiceID="Service.ID"`)."""
    split = tuple((label, path.split(".")) for label, path in ({one: one for one in labels} | inner).items())

    def name(member: Any) -> Name:
        found = []
        for label, path in split:
            value = member
            for part in path:
                value = value[part]
            found.append((label, str(value)))
        return tuple(found)

    return name


def _itself(member: Any) -> Name:
    return str(member)


_INSTANCE, _CHECK = _fields("Node", "ServiceID"), _fields("Node", "CheckID")
_HEALTH = _fields(Node="Node.Node", ServiceID="Service.ID")
_NAMES: dict[str, NameOf] = {
    "/v1/catalog/connect/": _INSTANCE,
    "/v1/catalog/nodes": _fields("Node"),
    "/v1/catalog/service/": _INSTANCE,
    "/v1/config/": _fields("Kind", "Name"),
    "/v1/connect/intentions": _fields("SourceName", "DestinationName"),
    "/v1/health/checks/": _CHECK,
    "/v1/health/connect/": _HEALTH,
    "/v1/health/node/": _CHECK,
    "/v1/health/service/": _HEALTH,
    "/v1/health/state/": _CHECK,
    "/v1/kv/": _fields("Key"),
    "/v1/query": _fields("ID"),
    "/v1/session/list": _fields("ID"),
    "/v1/session/node/": _fields("ID"),
}
"""The reads that answer with a list whose members have names."""


def name_of(route: str, params: Params) -> NameOf | None:
    """How the members of a read's list are named; None where its answer is told whole, an order by distance too."""
    if params.first("near"):
        return None
    if route == "/v1/kv/" and params.has("keys"):
        return _itself
    return _NAMES.get(route)


def event(kind: str, tag: str, data: bytes) -> bytes:
    """One event."""
    lines = b"".join(b"data: %b\n" % line for line in data.splitlines() or (b"",))
    return b"event: %b\nid: %b\n%b\n" % (kind.encode(), tag.encode(), lines)


def comment(text: str) -> bytes:
    """A comment, which clients pass over: it keeps the connection alive and tells a person something."""
    return b": %b\n\n" % " ".join(text.split()).encode()


class Deltas:
    """The steps from one state of a read to another, encoded once for all who make them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, bytes | None] = OrderedDict()
        self._bytes = 0
        self.made = 0

    def step(self, key: Hashable, name: NameOf, old: State, new: State) -> bytes | None:
        """The `delta` event from `old` to `new` of the read `key`; None if they must be told whole."""
        place = (key, old.epoch, old.tag, new.tag)
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        self.made += 1
        data = delta(name, old.body, new.body)
        made = None if data is None else event("delta", new.tag, data)
        self._kept[place] = made
        self._bytes += len(made or b"")
        while len(self._kept) > DELTAS_MAX or self._bytes > DELTA_BYTES_MAX:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped or b"")
        return made


def delta(name: NameOf, old: bytes, new: bytes) -> bytes | None:
    """What leads from one list to another, as JSON; None if either is no list of distinctly named members."""
    before, after = _members(name, old), _members(name, new)
    if before is None or after is None:
        return None
    put = [bytes(raw) for one, raw in after.items() if one not in before or bytes(before[one]) != bytes(raw)]
    gone = [one if isinstance(one, str) else dict(one) for one in before if one not in after]
    return b'{"Put":[%b],"Delete":%b}' % (b",".join(put), consul_json.encode(gone))


def _members(name: NameOf, body: bytes) -> Members | None:
    if body == b"null":
        return {}
    try:
        raws = msgspec.json.decode(body, type=list[msgspec.Raw])
        members = {name(msgspec.json.decode(raw)): raw for raw in raws}
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return None
    return members if len(members) == len(raws) else None


class Telling:
    """What one client has been told, and what it is told next."""

    def __init__(self, key: Hashable, name: NameOf | None, deltas: Deltas, has: str = "") -> None:
        """`has` is the id of the state that the client says it has."""
        self._key = key
        self._name = name
        self._deltas = deltas
        self._has = has
        self._told: State | None = None

    @property
    def awaits(self) -> str:
        """The id of the state that the client has; empty when it has none."""
        return self._told.tag if self._told is not None else self._has

    def next(self, state: State) -> bytes:
        """The events that bring the client to a state; nothing if it is there already."""
        told, self._told = self._told, state
        if told is None:
            return b"" if state.tag == self._has else event("snapshot", state.tag, state.body)
        if told.epoch != state.epoch:
            return event("reset", state.tag, b"{}") + event("snapshot", state.tag, state.body)
        if told.body == state.body:
            return b""
        step = None if self._name is None else self._deltas.step(self._key, self._name, told, state)
        return event("value", state.tag, state.body) if step is None else step
