"""Endpoints (EDS): one `ClusterLoadAssignment` per upstream cluster, also when it is empty.

An endpoint is encoded once and its bytes are reused in every assignment that holds it; an assignment is put together
by joining those bytes, which protobuf allows (encoding, "Message structure": a repeated field is the sequence of its
elements). So a change of one endpoint among thousands costs one small encoding and one copy.
"""

import functools

from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint as EnvoyEndpoint
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from google.protobuf.wrappers_pb2 import UInt32Value

from lictor_mesh import Endpoint
from lictor_xds.translate.addresses import socket_address
from lictor_xds.translate.encoding import resource_of_bytes
from lictor_xdsproto import Resource

# Field 2, length-delimited: `ClusterLoadAssignment.endpoints` and `LocalityLbEndpoints.lb_endpoints` alike.
_FIELD_2 = b"\x12"


@functools.lru_cache(maxsize=65_536)  # about 20 MB; an evicted endpoint is encoded again when it is needed
def lb_endpoint(endpoint: Endpoint) -> bytes:
    """One encoded endpoint."""
    message = LbEndpoint(
        endpoint=EnvoyEndpoint(address=socket_address(endpoint.address, endpoint.port)),
        health_status=HealthStatus.HEALTHY if endpoint.healthy else HealthStatus.UNHEALTHY,
        load_balancing_weight=UInt32Value(value=endpoint.weight),
    )
    return bytes(message.SerializeToString(deterministic=True))


@functools.lru_cache(maxsize=2048)  # one per destination in use; the least recently sent go first
def load_assignment(cluster: str, endpoints: tuple[Endpoint, ...]) -> Resource:
    """The assignment of a cluster; an empty one tells Envoy that there are no endpoints rather than to wait."""
    encoded = bytes(ClusterLoadAssignment(cluster_name=cluster).SerializeToString(deterministic=True))
    locality = b"".join(_length_delimited(lb_endpoint(endpoint)) for endpoint in endpoints)
    return resource_of_bytes(cluster, encoded + _length_delimited(locality))


def _length_delimited(value: bytes) -> bytes:
    return _FIELD_2 + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
