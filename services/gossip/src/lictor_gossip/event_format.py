"""User events as they travel in the pool: those of Consul's agents, and those of plain Serf agents.

Consul's are Serf events called `consul:event:NAME` whose payload is a MessagePack map with an id, the name again, the
payload, three filters and a version; empty fields are left out. What else begins with `consul:` is internal to Consul
and no user's event. Any other Serf event has no id: it is given one that follows from its Lamport time, name and
payload, so that all members of the pool call it the same.
"""

import hashlib
import uuid

import msgspec

from lictor_bus.pool_frames import EventNotice
from lictor_state.commands import EventFire
from lictor_swim import UserEvent, WireError
from lictor_swim.wire.msgpack import Reader
from lictor_swim.wire.schema import INT, OPTIONAL_BYTES, TEXT, Field, StructCodec

CONSUL_PREFIX = "consul:"
EVENT_PREFIX = "consul:event:"
VERSION = 1
FILTER_BYTES_MAX = 512
"""Filters of one event; Serf's own limit on what agents fire is the same for the event as a whole."""


class _Wire(msgspec.Struct, frozen=True, gc=False):
    event_id: str = ""
    name: str = ""
    node_filter: str = ""
    payload: bytes | None = None
    service_filter: str = ""
    tag_filter: str = ""
    version: int = 0


_CODEC = StructCodec(
    _Wire,
    Field("ID", "event_id", TEXT),
    Field("n", "name", TEXT),
    Field("nf", "node_filter", TEXT),
    Field("p", "payload", OPTIONAL_BYTES),
    Field("sf", "service_filter", TEXT),
    Field("tf", "tag_filter", TEXT),
    Field("v", "version", INT),
)


def to_pool(notice: EventNotice) -> tuple[str, bytes]:
    """Name and payload of the Serf event that Consul's agents would send; byte for byte theirs."""
    fields = {
        "ID": notice.event_id,
        "n": notice.name,
        "nf": notice.node_filter,
        "p": notice.payload,
        "sf": notice.service_filter,
        "tf": notice.tag_filter,
        "v": notice.version,
    }
    return EVENT_PREFIX + notice.name, msgspec.msgpack.encode({key: value for key, value in fields.items() if value})


def from_pool(event: UserEvent) -> EventFire | None:
    """The command that makes a row of an event; None for one that is no user's.

    Raises:
        WireError: it bears Consul's name and is not one of its events.
    """
    if event.name.startswith(EVENT_PREFIX):
        return _consul_event(event)
    if not event.name or event.name.startswith(CONSUL_PREFIX):
        return None
    return EventFire(_id_of(event), _text(event.name), event.payload or None, version=VERSION, ltime=event.ltime)


def _consul_event(event: UserEvent) -> EventFire:
    wire = _CODEC.read(Reader(event.payload or b"", 0))
    try:
        event_id = str(uuid.UUID(wire.event_id))
    except ValueError:
        raise WireError("an event of Consul's whose id is no UUID") from None
    filters = (wire.node_filter, wire.service_filter, wire.tag_filter)
    if sum(len(one) for one in filters) > FILTER_BYTES_MAX:
        raise WireError("an event of Consul's with filters that are too long")
    node, service, tag = map(_text, filters)
    return EventFire(event_id, _text(wire.name), wire.payload or None, node, service, tag, wire.version, event.ltime)


def _text(text: str) -> str:
    """A text from the pool as rows and JSON can hold it: peers do not check their UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _id_of(event: UserEvent) -> str:
    digest = hashlib.blake2b(event.ltime.to_bytes(8, "big"), digest_size=16)
    for part in (event.name.encode("utf-8", "surrogateescape"), event.payload or b""):
        digest.update(len(part).to_bytes(4, "big") + part)
    return str(uuid.UUID(bytes=digest.digest(), version=5))
