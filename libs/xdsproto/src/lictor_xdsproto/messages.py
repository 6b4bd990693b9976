"""Requests and responses of both variants as values; the host converts them from and to protobuf.

Fields follow `discovery.proto`. The `node` of a request is not here: it belongs to the stream and not to the message.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from lictor_xdsproto.resource import Resource


class Nack(msgspec.Struct, frozen=True, gc=False):
    """Why a client rejected a response (`error_detail`): a gRPC status code and the client's words."""

    code: int
    message: str


class DeltaRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One `DeltaDiscoveryRequest`: a change of the subscription, an answer to a response, or both.

    Attributes:
        type_url: on a stream for one type the host fills it in.
        nonce: of the response that is answered, else empty.
        subscribe: names to add. unsubscribe: names to drop.
        initial_versions: name and version of what the client holds; only on the first request of a type.
        error: present if the answer is a rejection.
    """

    type_url: str
    nonce: str = ""
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: dict[str, str] = {}
    error: Nack | None = None


class DeltaResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One `DeltaDiscoveryResponse`: what changed, and what is gone."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed_resources: tuple[str, ...] = ()
    system_version_info: str = ""


class SotwRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One `DiscoveryRequest`: everything the client wants of a type, and an answer to the last response.

    Attributes:
        type_url: as above.
        version_info: the version that the client accepted last, also from another stream.
        nonce: of the response that is answered, else empty.
        resource_names: all names that the client wants.
        error: present if the answer is a rejection.
    """

    type_url: str
    version_info: str = ""
    nonce: str = ""
    resource_names: tuple[str, ...] = ()
    error: Nack | None = None


class SotwResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One `DiscoveryResponse`: for a root type all resources that shall exist, else those that are new."""

    type_url: str
    version_info: str
    nonce: str
    resources: tuple[Resource, ...] = ()


class Outcome(Enum):
    """What a request meant for the response that it answers; for counters and logs."""

    NO_ANSWER = "no answer"
    ACK = "ack"
    NACK = "nack"
    STALE = "stale"


class Rejection(msgspec.Struct, frozen=True):
    """A response that the client rejected and that nothing has replaced yet.

    Attributes:
        nonce: of the response.
        names: the resources in it; any of them may have taken effect.
        error: the client's words.
    """

    nonce: str
    names: tuple[str, ...]
    error: Nack


class TypeStatus(msgspec.Struct, frozen=True):
    """What one stream knows of one type, for people.

    Attributes:
        type_url: the type.
        wildcard: whether the client wants all of it. names: those it wants by name, sorted.
        versions: name and version of what the client holds.
        in_flight: the nonce of the response that waits for its answer, or empty.
        rejection: the newest rejected response that still matters.
    """

    type_url: str
    wildcard: bool
    names: tuple[str, ...]
    versions: dict[str, str]
    in_flight: str
    rejection: Rejection | None
