"""Clusters (CDS): the local application, and one cluster with endpoints over ADS per upstream."""

import functools

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions, Http2ProtocolOptions
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from envoy.type.v3.percent_pb2 import Percent
from google.protobuf.any_pb2 import Any as AnyMessage

from lictor_mesh import HTTP2_PROTOCOLS, Inbound, UpstreamConfig
from lictor_mesh.destinations import is_ip
from lictor_xds.translate.addresses import socket_or_pipe
from lictor_xds.translate.encoding import milliseconds, packed, resource
from lictor_xds.translate.secrets import ads_source, upstream_tls
from lictor_xdsproto import Resource

LOCAL_APP = "local_app"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@functools.lru_cache(maxsize=4096)  # one per proxy; cheap to make again
def local_app_cluster(address: str, port: int, path: str, connect_timeout_ms: int, protocol: str) -> Resource:
    """The application behind the public listener."""
    by_name = not path and not is_ip(address)
    endpoint = LbEndpoint(endpoint=Endpoint(address=socket_or_pipe(address, port, path)))
    return resource(
        LOCAL_APP,
        Cluster(
            name=LOCAL_APP,
            type=Cluster.STRICT_DNS if by_name else Cluster.STATIC,
            connect_timeout=milliseconds(connect_timeout_ms),
            load_assignment=ClusterLoadAssignment(
                cluster_name=LOCAL_APP, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
            ),
            typed_extension_protocol_options=_same_as_caller() if protocol in HTTP2_PROTOCOLS else None,
        ),
    )


def local_app(inbound: Inbound) -> Resource:
    """The cluster of the application that `inbound` describes."""
    return local_app_cluster(
        inbound.local_address, inbound.local_port, inbound.local_path, inbound.connect_timeout_ms, inbound.protocol
    )


def upstream_cluster(service: str, upstream: UpstreamConfig) -> Resource:
    """The cluster of an upstream as the proxies of `service` see it."""
    return _upstream_cluster(
        service, upstream.cluster, upstream.spiffe_uri, upstream.connect_timeout_ms, upstream.protocol
    )


@functools.lru_cache(maxsize=8192)  # one per pair of services that talk
def _upstream_cluster(service: str, name: str, spiffe_uri: str, connect_timeout_ms: int, protocol: str) -> Resource:
    return resource(
        name,
        Cluster(
            name=name,
            alt_stat_name=name,
            type=Cluster.EDS,
            eds_cluster_config=Cluster.EdsClusterConfig(eds_config=ads_source()),
            connect_timeout=milliseconds(connect_timeout_ms),
            # Zero: when everything is unhealthy a caller gets an error at once rather than a broken instance.
            common_lb_config=Cluster.CommonLbConfig(healthy_panic_threshold=Percent(value=0)),
            circuit_breakers=CircuitBreakers(),
            outlier_detection=OutlierDetection(),
            transport_socket=upstream_tls(service, name, spiffe_uri),
            typed_extension_protocol_options=_http2() if protocol in HTTP2_PROTOCOLS else None,
        ),
    )


def _http2() -> dict[str, AnyMessage]:
    config = HttpProtocolOptions.ExplicitHttpConfig(http2_protocol_options=Http2ProtocolOptions())
    return {_HTTP_OPTIONS: packed(HttpProtocolOptions(explicit_http_config=config))}


def _same_as_caller() -> dict[str, AnyMessage]:
    config = HttpProtocolOptions.UseDownstreamHttpConfig(
        http_protocol_options=Http1ProtocolOptions(), http2_protocol_options=Http2ProtocolOptions()
    )
    return {_HTTP_OPTIONS: packed(HttpProtocolOptions(use_downstream_protocol_config=config))}
