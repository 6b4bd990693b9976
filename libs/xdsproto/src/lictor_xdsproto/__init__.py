"""xDS subscriptions, versions, nonces and ordering; resources are opaque. See README.md for the map."""

from __future__ import annotations

from lictor_xdsproto.errors import RequestError, SnapshotError, SubscriptionLimit, XdsProtoError
from lictor_xdsproto.interest import NAMES_MAX, WILDCARD
from lictor_xdsproto.messages import (
    DeltaRequest,
    DeltaResponse,
    Nack,
    Outcome,
    Rejection,
    SotwRequest,
    SotwResponse,
    TypeStatus,
)
from lictor_xdsproto.order import ADS_ORDER, Step
from lictor_xdsproto.resource import (
    CLUSTER,
    ENDPOINT,
    LISTENER,
    ROOT_TYPES,
    ROUTE,
    SECRET,
    Reference,
    Resource,
)
from lictor_xdsproto.snapshot import Snapshot
from lictor_xdsproto.sotw_stream import SotwStream
from lictor_xdsproto.stream import TYPES_MAX, DeltaStream
from lictor_xdsproto.versions import collection_version, content_version

__all__ = [
    "ADS_ORDER",
    "CLUSTER",
    "ENDPOINT",
    "LISTENER",
    "NAMES_MAX",
    "ROOT_TYPES",
    "ROUTE",
    "SECRET",
    "TYPES_MAX",
    "WILDCARD",
    "DeltaRequest",
    "DeltaResponse",
    "DeltaStream",
    "Nack",
    "Outcome",
    "Reference",
    "Rejection",
    "RequestError",
    "Resource",
    "Snapshot",
    "SnapshotError",
    "SotwRequest",
    "SotwResponse",
    "SotwStream",
    "Step",
    "SubscriptionLimit",
    "TypeStatus",
    "XdsProtoError",
    "collection_version",
    "content_version",
]
