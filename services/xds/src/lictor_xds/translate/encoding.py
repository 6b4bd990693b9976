"""Encoding: one deterministic way from a generated message to a resource, with its content as its version.

Protobuf's `deterministic` sorts maps, so equal messages give equal bytes in every process of one build. What is passed
in must have its repeated fields in a fixed order already.
"""

from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration

from lictor_xdsproto import CLUSTER, ROUTE, Reference, Resource, content_version

TYPE_PREFIX = "type.googleapis.com/"


def packed(message: Any) -> AnyMessage:
    """`message` inside an `Any`, encoded deterministically."""
    return AnyMessage(
        type_url=TYPE_PREFIX + message.DESCRIPTOR.full_name,
        value=message.SerializeToString(deterministic=True),
    )


def resource(name: str, message: Any, refers: tuple[Reference, ...] = ()) -> Resource:
    """The resource `name` with `message` as its content."""
    return resource_of_bytes(name, message.SerializeToString(deterministic=True), refers)


def resource_of_bytes(name: str, body: bytes, refers: tuple[Reference, ...] = ()) -> Resource:
    """The resource `name` whose content is already encoded."""
    return Resource(name=name, version=content_version(body), body=body, refers=refers)


def to_cluster(name: str) -> tuple[Reference, ...]:
    """That a resource names a cluster."""
    return (Reference(CLUSTER, name),)


def to_route(name: str) -> tuple[Reference, ...]:
    """That a resource names a route configuration."""
    return (Reference(ROUTE, name),)


def milliseconds(count: int) -> Duration:
    """A duration of whole milliseconds."""
    return Duration(seconds=count // 1000, nanos=count % 1000 * 1_000_000)
