"""The configuration that an Envoy starts with: where its control plane is, and who it is itself.

Everything else comes over one aggregated delta stream (ADS). The shape follows Envoy's `config.bootstrap.v3.Bootstrap`
in its JSON form; node id, cluster and metadata follow Consul, so that tools which read them find what they expect.
Writing the file and starting Envoy is not done here.
"""

import ipaddress
from collections.abc import Iterable
from typing import Any

from lictor_state.rows import ServiceRow

XDS_CLUSTER = "local_agent"
NODE_NAME = "node_name"
# Intentions can have thousands of names in their expressions; Envoy's default of 100 would refuse them.
_RE2_PROGRAM_SIZE_MAX = 1_048_576


def bootstrap(
    proxy: ServiceRow,
    *,
    xds_host: str,
    xds_port: int,
    admin_host: str,
    admin_port: int,
    node_name: str,
    datacenter: str,
    more_xds: Iterable[tuple[str, int]] = (),
) -> dict[str, Any]:
    """The bootstrap of the sidecar `proxy`, ready for JSON.

    Args:
        proxy: the row of the connect-proxy; its id becomes Envoy's node id.
        xds_host: IP address or host name of the xds service.
        xds_port: its port.
        admin_host: IP address of Envoy's administration port.
        admin_port: that port; 0 takes a free one.
        node_name: the catalog node of the proxy.
        datacenter: the proxy's datacenter, for the names in statistics.
        more_xds: further addresses of xds services, tried in turn with the first.

    Raises:
        ValueError: `proxy` is no connect-proxy.
    """
    if proxy.kind != "connect-proxy" or proxy.proxy is None:
        raise ValueError(f"bootstrap: service {proxy.service_id!r} is of kind {proxy.kind!r}, not a connect-proxy")
    source = proxy.proxy.destination_service_name
    return {
        "admin": {
            "access_log": [
                {
                    "name": "envoy.access_loggers.file",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                        "path": "/dev/null",
                    },
                },
            ],
            "address": _address(admin_host, admin_port),
        },
        "node": {
            "id": proxy.service_id,
            "cluster": source,
            "metadata": {NODE_NAME: node_name, "namespace": "default", "partition": "default"},
        },
        "layered_runtime": {
            "layers": [
                {
                    "name": "base",
                    "static_layer": {"re2.max_program_size.error_level": _RE2_PROGRAM_SIZE_MAX},
                },
            ],
        },
        "static_resources": {"clusters": [_xds_cluster([(xds_host, xds_port), *more_xds])]},
        "stats_config": {
            "use_all_default_tags": True,
            "stats_tags": [
                {"tag_name": "local_cluster", "fixed_value": source},
                {"tag_name": "consul.source.service", "fixed_value": source},
                {"tag_name": "consul.source.namespace", "fixed_value": "default"},
                {"tag_name": "consul.source.partition", "fixed_value": "default"},
                {"tag_name": "consul.source.datacenter", "fixed_value": datacenter},
            ],
        },
        "dynamic_resources": {
            "lds_config": _ads(),
            "cds_config": _ads(),
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                # Without it every acknowledgement carries the node, about 60 KB with Envoy's list of extensions.
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": XDS_CLUSTER}}],
            },
        },
    }


def _ads() -> dict[str, Any]:
    # No limit on the first fetch: an Envoy that starts before its control plane waits for it.
    return {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _xds_cluster(addresses: list[tuple[str, int]]) -> dict[str, Any]:
    hosts = [host for host, _ in addresses]
    return {
        "name": XDS_CLUSTER,
        # Host names (in containers, say) are asked for again and again: addresses change.
        "type": "STATIC" if all(map(_is_address, hosts)) else "STRICT_DNS",
        "connect_timeout": "1s",
        "ignore_health_on_host_removal": False,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    # An xds host that vanished without a word is noticed by pings, not by TCP's timers.
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}},
                },
            },
        },
        "load_assignment": {
            "cluster_name": XDS_CLUSTER,
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _address(host, port)}} for host, port in addresses]},
            ],
        },
    }
