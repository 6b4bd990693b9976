"""Listeners (LDS): the public one in front of the application, and one per upstream for its own calls.

The public listener demands a client certificate of the mesh and enforces intentions: for TCP in a network filter, which
is asked once per connection; for HTTP by the rules of its route (see `routes`), with a filter here that denies
everything by itself. Names carry address and port, because Envoy cannot move a listener from one to another.
"""

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.rbac.v3.rbac_pb2 import RBAC
from envoy.extensions.filters.http.grpc_http1_bridge.v3.config_pb2 import Config as GrpcBridge
from envoy.extensions.filters.http.grpc_stats.v3.config_pb2 import FilterConfig as GrpcStats
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC as HTTP_RBAC
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)
from envoy.extensions.filters.network.rbac.v3.rbac_pb2 import RBAC as NETWORK_RBAC
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from envoy.type.v3.percent_pb2 import Percent
from google.protobuf.wrappers_pb2 import BoolValue

from lictor_mesh import HTTP2_PROTOCOLS, HTTP_PROTOCOLS, ProxyConfig, UpstreamConfig
from lictor_xds.translate.access import rbac
from lictor_xds.translate.addresses import socket_address, socket_or_pipe
from lictor_xds.translate.clusters import LOCAL_APP
from lictor_xds.translate.encoding import packed, resource, to_cluster, to_route
from lictor_xds.translate.routes import PUBLIC_LISTENER, RBAC_FILTER, route_to
from lictor_xds.translate.secrets import ads_source, public_tls
from lictor_xdsproto import Resource

_HCM = "envoy.filters.network.http_connection_manager"


def public_listener(config: ProxyConfig) -> Resource:
    """The listener that the rest of the mesh reaches this proxy by."""
    inbound, service = config.inbound, config.identity.service
    name = f"{PUBLIC_LISTENER}:{inbound.address}:{inbound.port}"
    http = inbound.protocol in HTTP_PROTOCOLS
    filters = _public_http(inbound.protocol) if http else _public_tcp(config)
    chain = FilterChain(filters=filters, transport_socket=public_tls(service, inbound.protocol))
    return resource(
        name,
        Listener(
            name=name,
            address=socket_address(inbound.address, inbound.port),
            filter_chains=[chain],
            traffic_direction=TrafficDirection.INBOUND,
        ),
        to_route(PUBLIC_LISTENER) if http else to_cluster(LOCAL_APP),
    )


def upstream_listener(upstream: UpstreamConfig) -> Resource:
    """The local listener by which the application reaches an upstream."""
    where = upstream.bind_path or f"{upstream.bind_address}:{upstream.bind_port}"
    name = f"{upstream.upstream_id}:{where}"
    prefix = f"upstream.{upstream.service}.default.default.{upstream.datacenter}"
    if upstream.protocol in HTTP_PROTOCOLS:
        manager = _connection_manager(prefix, upstream.protocol)
        manager.route_config.CopyFrom(route_to(upstream.upstream_id, upstream.cluster))
        manager.http_filters.extend([*_grpc_filters(upstream.protocol), _router()])
        network = _filter(_HCM, manager)
    else:
        network = _filter("envoy.filters.network.tcp_proxy", TcpProxy(stat_prefix=prefix, cluster=upstream.cluster))
    return resource(
        name,
        Listener(
            name=name,
            address=socket_or_pipe(upstream.bind_address, upstream.bind_port, upstream.bind_path),
            filter_chains=[FilterChain(filters=[network])],
            traffic_direction=TrafficDirection.OUTBOUND,
        ),
        to_cluster(upstream.cluster),
    )


def _public_tcp(config: ProxyConfig) -> list[Filter]:
    rules = NETWORK_RBAC(stat_prefix="connect_authz", rules=rbac(config.inbound.rules, config.identity.trust_domain))
    return [
        _filter("envoy.filters.network.rbac", rules),
        _filter("envoy.filters.network.tcp_proxy", TcpProxy(stat_prefix=PUBLIC_LISTENER, cluster=LOCAL_APP)),
    ]


def _public_http(protocol: str) -> list[Filter]:
    manager = _connection_manager(PUBLIC_LISTENER, protocol)
    manager.rds.CopyFrom(Rds(route_config_name=PUBLIC_LISTENER, config_source=ads_source()))
    manager.normalize_path.CopyFrom(BoolValue(value=True))
    deny_all = HTTP_RBAC(rules=RBAC(action=RBAC.ALLOW))
    manager.http_filters.extend([*_grpc_filters(protocol), _http_filter(RBAC_FILTER, deny_all), _router()])
    if protocol != "grpc":
        manager.forward_client_cert_details = HttpConnectionManager.APPEND_FORWARD
        details = manager.set_current_client_cert_details
        details.subject.CopyFrom(BoolValue(value=True))
        details.cert = details.chain = details.dns = details.uri = True
    return [_filter(_HCM, manager)]


def _connection_manager(stat_prefix: str, protocol: str) -> HttpConnectionManager:
    manager = HttpConnectionManager(
        stat_prefix=stat_prefix,
        tracing=HttpConnectionManager.Tracing(random_sampling=Percent(value=0)),
        upgrade_configs=[HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
    )
    if protocol in HTTP2_PROTOCOLS:
        manager.http2_protocol_options.CopyFrom(Http2ProtocolOptions())
    return manager


def _grpc_filters(protocol: str) -> list[HttpFilter]:
    if protocol != "grpc":
        return []
    return [
        _http_filter("envoy.filters.http.grpc_stats", GrpcStats(stats_for_all_methods=BoolValue(value=True))),
        _http_filter("envoy.filters.http.grpc_http1_bridge", GrpcBridge()),
    ]


def _router() -> HttpFilter:
    return _http_filter("envoy.filters.http.router", Router())


def _http_filter(name: str, message: object) -> HttpFilter:
    return HttpFilter(name=name, typed_config=packed(message))


def _filter(name: str, message: object) -> Filter:
    return Filter(name=name, typed_config=packed(message))
