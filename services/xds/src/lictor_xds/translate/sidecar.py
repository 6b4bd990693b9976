"""A whole sidecar: every resource that one proxy gets, by type.

All parts are shared between proxies where they are equal, because each is cached under the values that it is made of.
"""

from collections.abc import Mapping

from lictor_mesh import HTTP_PROTOCOLS, ProxyConfig
from lictor_xds.translate.clusters import local_app, upstream_cluster
from lictor_xds.translate.endpoints import load_assignment
from lictor_xds.translate.listeners import public_listener, upstream_listener
from lictor_xds.translate.routes import public_route
from lictor_xds.translate.secrets import leaf_secret, roots_secret
from lictor_xdsproto import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, Resource


def sidecar_resources(
    config: ProxyConfig, *, cert_pem: str, key_pem: str, bundle: str
) -> Mapping[str, tuple[Resource, ...]]:
    """The resources of `config` with the leaf and the trust bundle, in PEM, that its secrets carry."""
    service = config.identity.service
    # Two upstreams may lead to one destination; they share its cluster.
    upstreams = {upstream.cluster: upstream for upstream in config.upstreams}.values()
    http = config.inbound.protocol in HTTP_PROTOCOLS
    return {
        CLUSTER: (local_app(config.inbound), *(upstream_cluster(service, upstream) for upstream in upstreams)),
        ENDPOINT: tuple(load_assignment(upstream.cluster, upstream.endpoints) for upstream in upstreams),
        LISTENER: (public_listener(config), *(upstream_listener(upstream) for upstream in config.upstreams)),
        ROUTE: (public_route(config.inbound.rules, config.identity.trust_domain),) if http else (),
        SECRET: (leaf_secret(service, cert_pem, key_pem), roots_secret(bundle)),
    }
