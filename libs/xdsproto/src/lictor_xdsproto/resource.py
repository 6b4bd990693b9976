"""Resources and the types they come in. To this library a resource is a name, a version and opaque bytes.

Type URLs: Envoy's xDS protocol documentation, "Resource types". What a resource refers to is told by whoever made it,
because only they can look inside; ordering needs it (see `order`).
"""

from __future__ import annotations

from typing import Final

import msgspec

CLUSTER: Final = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINT: Final = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER: Final = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTE: Final = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SECRET: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - a type, no password

ROOT_TYPES: Final = frozenset({CLUSTER, LISTENER})
"""Types that a client asks for as a whole: an empty first subscription means all of them, and a snapshot is complete
for them, so that a name which is not in it is known not to exist."""

CHILD_TYPES: Final = {CLUSTER: ENDPOINT, LISTENER: ROUTE}
"""A client that receives a parent anew waits ("warms") for its children of that type to be sent again."""


class Reference(msgspec.Struct, frozen=True, gc=False):
    """That one resource needs another: the type URL and name of the one needed."""

    type_url: str
    name: str


class Resource(msgspec.Struct, frozen=True, gc=False):
    """One resource.

    Attributes:
        name: unique within its type.
        version: tells contents apart; equal on every server for equal contents (see `versions.content_version`).
        body: the encoded resource, which this library never reads.
        refers: the clusters and routes that a listener or route names. A cluster's endpoints need no mention: they
            bear the cluster's name.
    """

    name: str
    version: str
    body: bytes = b""
    refers: tuple[Reference, ...] = ()
