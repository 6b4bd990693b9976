"""`PUT /v1/event/fire/:name`: path, parameters and body as a command, with Consul's refusals.

An event must fit into one message of Serf with everything around it, for agents of a Serf pool are to hear it too: the
size is that of Consul's MessagePack within Serf's.
"""

import base64

import msgspec

from lictor_catalog.consul_shapes import Shown
from lictor_catalog.errors import ApiError
from lictor_catalog.request import Params
from lictor_state.commands import EventFire
from lictor_state.regexp import compile_regexp
from lictor_state.regexp_syntax import RegexpError

EVENT_BYTES_MAX = 512
"""Serf's `UserEventSizeLimit`, for the event before and after encoding."""

PREFIX = "consul:event:"
"""What Consul calls its events in Serf."""

_FIXED, _BYTE, _SHORT = 32, 1 << 8, 1 << 16
_UUID_BYTES = 36


class ShownEvent(Shown, frozen=True, gc=False, kw_only=True):
    """An event."""

    event_id: str = msgspec.field(name="ID")
    name: str
    payload: str | None
    node_filter: str
    service_filter: str
    tag_filter: str
    version: int
    l_time: int = msgspec.field(name="LTime")


def fire(name: str, params: Params, payload: bytes, event_id: str) -> EventFire:
    """The command. Raises `ApiError`."""
    if not name:
        raise ApiError(400, "Missing name")
    node, service, tag = params.first("node"), params.first("service"), params.first("tag")
    for what, pattern in (("node", node), ("service", service), ("tag", tag)):
        if what == "tag" and pattern and not service:
            raise ApiError(500, "Cannot provide tag filter without service filter")
        if not pattern:
            continue
        try:
            compile_regexp(pattern)
        except RegexpError as error:
            raise ApiError(500, f"Invalid {what} filter: {error}") from None
    command = EventFire(event_id, name, payload or None, node, service, tag)
    _judge_size(command)
    return command


def shown(command: EventFire) -> ShownEvent:
    """What firing answers: the event, before it has a time."""
    return ShownEvent(
        event_id=command.event_id,
        name=command.name,
        payload=base64.b64encode(command.payload).decode() if command.payload is not None else None,
        node_filter=command.node_filter,
        service_filter=command.service_filter,
        tag_filter=command.tag_filter,
        version=command.version,
        l_time=0,
    )


def _judge_size(command: EventFire) -> None:
    name = PREFIX + command.name
    event = _event_bytes(command)
    what = ""
    if len(name.encode()) + event > EVENT_BYTES_MAX:
        what = f"user event exceeds configured limit of {EVENT_BYTES_MAX} bytes before encoding"
    elif _serf_bytes(name, event) > EVENT_BYTES_MAX:
        what = f"encoded user event exceeds configured limit of {EVENT_BYTES_MAX} bytes after encoding"
    if what:
        raise ApiError(500, f'1 error occurred:\n\t* error broadcasting event to segment "": {what}\n\n')


def _event_bytes(command: EventFire) -> int:
    """The length of Consul's message: a map with short names, empty fields left out."""
    size = 1 + len("?ID") + _text(_UUID_BYTES) + len("?n") + _text(len(command.name.encode())) + len("?v") + 1
    if command.payload:
        size += len("?p") + len(command.payload) + (2 if len(command.payload) < _BYTE else 3)
    for pattern in (command.node_filter, command.service_filter, command.tag_filter):
        if pattern:
            size += len("?nf") + _text(len(pattern.encode()))
    return size


def _serf_bytes(name: str, event: int) -> int:
    """The length of Serf's message around it, whose MessagePack is of the old kind; the time is a small number."""
    around = 1 + 1 + len("?LTime") + 1 + len("?Name") + len("?Payload") + len("?CC") + 1
    return around + _old_text(len(name.encode())) + _old_text(event)


def _text(length: int) -> int:
    return length + (1 if length < _FIXED else 2 if length < _BYTE else 3 if length < _SHORT else 5)


def _old_text(length: int) -> int:
    return length + (1 if length < _FIXED else 3 if length < _SHORT else 5)
