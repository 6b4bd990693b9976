"""What can be wrong with what a client asks or with what the host hands in.

XdsProtoError
├── RequestError         a request breaks the protocol         (remote; gRPC status INVALID_ARGUMENT)
├── SubscriptionLimit    a client wants more than the bound    (remote; gRPC status RESOURCE_EXHAUSTED)
└── SnapshotError        a snapshot contradicts itself         (local)
"""

from __future__ import annotations


class XdsProtoError(ValueError):
    """The root of this library's errors."""


class RequestError(XdsProtoError):
    """A request breaks the protocol: the message names the field and the rule. The stream ends."""


class SubscriptionLimit(XdsProtoError):  # noqa: N818 - it is a bound that was met, not a fault
    """A client subscribes to more types or names than one stream may. The stream ends."""


class SnapshotError(XdsProtoError):
    """A snapshot holds a resource under a name that is not its own, or one name twice."""
