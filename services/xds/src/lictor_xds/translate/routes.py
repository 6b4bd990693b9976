"""Routes (RDS): where requests to the public listener go, and who may make them.

Intentions of HTTP services are enforced by the route and not by the listener: Envoy takes a new route configuration
for the next request of every open connection, whereas a changed listener would leave open connections with the old
rules until they have drained. The listener itself denies everything, so a request without a route's rules gets none.
"""

from envoy.config.route.v3.route_components_pb2 import Route, RouteAction, RouteMatch, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC as HTTP_RBAC
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBACPerRoute

from lictor_mesh import AccessRules
from lictor_xds.translate.access import rbac
from lictor_xds.translate.clusters import LOCAL_APP
from lictor_xds.translate.encoding import packed, resource, to_cluster
from lictor_xdsproto import Resource

PUBLIC_LISTENER = "public_listener"
RBAC_FILTER = "envoy.filters.http.rbac"


def route_to(name: str, cluster: str) -> RouteConfiguration:
    """Everything to one cluster."""
    everything = Route(match=RouteMatch(prefix="/"), route=RouteAction(cluster=cluster))
    return RouteConfiguration(name=name, virtual_hosts=[VirtualHost(name=name, domains=["*"], routes=[everything])])


def public_route(rules: AccessRules, trust_domain: str) -> Resource:
    """The public listener's route: everything to the application, under `rules`."""
    configuration = route_to(PUBLIC_LISTENER, LOCAL_APP)
    enforced = RBACPerRoute(rbac=HTTP_RBAC(rules=rbac(rules, trust_domain)))
    configuration.virtual_hosts[0].typed_per_filter_config[RBAC_FILTER].CopyFrom(packed(enforced))
    return resource(PUBLIC_LISTENER, configuration, to_cluster(LOCAL_APP))
