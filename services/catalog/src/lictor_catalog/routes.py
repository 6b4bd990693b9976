"""Every path that this version answers, with the methods that it allows (Consul's HTTP API, routing).

As in Go's mux, a route that ends with a slash stands for everything below it, the longest one wins, and an exact one
wins over all. A path that is not here is unknown; a method that is not listed is not allowed.
"""

import re
from typing import NamedTuple

GET, PUT, POST, DELETE = "GET", "PUT", "POST", "DELETE"

ROUTES: dict[str, tuple[str, ...]] = {
    "/v1/acl/auth-method": (PUT,),
    "/v1/acl/auth-method/": (GET, PUT, DELETE),
    "/v1/acl/auth-methods": (GET,),
    "/v1/acl/binding-rule": (PUT,),
    "/v1/acl/binding-rule/": (GET, PUT, DELETE),
    "/v1/acl/binding-rules": (GET,),
    "/v1/acl/bootstrap": (PUT,),
    "/v1/acl/clone/": (PUT,),
    "/v1/acl/create": (PUT,),
    "/v1/acl/destroy/": (PUT,),
    "/v1/acl/info/": (GET,),
    "/v1/acl/list": (GET,),
    "/v1/acl/login": (POST,),
    "/v1/acl/logout": (POST,),
    "/v1/acl/policies": (GET,),
    "/v1/acl/policy": (PUT,),
    "/v1/acl/policy/": (GET, PUT, DELETE),
    "/v1/acl/policy/name/": (GET,),
    "/v1/acl/replication": (GET,),
    "/v1/acl/role": (PUT,),
    "/v1/acl/role/": (GET, PUT, DELETE),
    "/v1/acl/role/name/": (GET,),
    "/v1/acl/roles": (GET,),
    "/v1/acl/rules/translate": (POST,),
    "/v1/acl/rules/translate/": (GET,),
    "/v1/acl/templated-policies": (GET,),
    "/v1/acl/templated-policy/name/": (GET,),
    "/v1/acl/templated-policy/preview/": (POST,),
    "/v1/acl/token": (PUT,),
    "/v1/acl/token/": (GET, PUT, DELETE),
    "/v1/acl/token/self": (GET,),
    "/v1/acl/tokens": (GET,),
    "/v1/acl/update": (PUT,),
    "/v1/agent/check/deregister/": (PUT,),
    "/v1/agent/check/fail/": (PUT,),
    "/v1/agent/check/pass/": (PUT,),
    "/v1/agent/check/register": (PUT,),
    "/v1/agent/check/update/": (PUT,),
    "/v1/agent/check/warn/": (PUT,),
    "/v1/agent/checks": (GET,),
    "/v1/agent/connect/authorize": (POST,),
    "/v1/agent/connect/ca/leaf/": (GET,),
    "/v1/agent/connect/ca/roots": (GET,),
    "/v1/agent/force-leave/": (PUT,),
    "/v1/agent/health/service/id/": (GET,),
    "/v1/agent/health/service/name/": (GET,),
    "/v1/agent/host": (GET,),
    "/v1/agent/join/": (PUT,),
    "/v1/agent/leave": (PUT,),
    "/v1/agent/maintenance": (PUT,),
    "/v1/agent/members": (GET,),
    "/v1/agent/metrics": (GET,),
    "/v1/agent/metrics/stream": (GET,),
    "/v1/agent/monitor": (GET,),
    "/v1/agent/reload": (PUT,),
    "/v1/agent/self": (GET,),
    "/v1/agent/service/": (GET,),
    "/v1/agent/service/deregister/": (PUT,),
    "/v1/agent/service/maintenance/": (PUT,),
    "/v1/agent/service/register": (PUT,),
    "/v1/agent/services": (GET,),
    "/v1/agent/token/": (PUT,),
    "/v1/agent/version": (GET,),
    "/v1/catalog/connect/": (GET,),
    "/v1/catalog/datacenters": (GET,),
    "/v1/catalog/deregister": (PUT,),
    "/v1/catalog/gateway-services/": (GET,),
    "/v1/catalog/node-services/": (GET,),
    "/v1/catalog/node/": (GET,),
    "/v1/catalog/nodes": (GET,),
    "/v1/catalog/register": (PUT,),
    "/v1/catalog/service/": (GET,),
    "/v1/catalog/services": (GET,),
    "/v1/config": (PUT,),
    "/v1/config/": (GET, DELETE),
    "/v1/connect/ca/roots": (GET,),
    "/v1/connect/intentions": (GET, POST),
    "/v1/connect/intentions/": (GET, PUT, DELETE),
    "/v1/connect/intentions/check": (GET,),
    "/v1/connect/intentions/exact": (GET, PUT, DELETE),
    "/v1/connect/intentions/match": (GET,),
    "/v1/coordinate/datacenters": (GET,),
    "/v1/coordinate/node/": (GET,),
    "/v1/coordinate/nodes": (GET,),
    "/v1/coordinate/update": (PUT,),
    "/v1/event/fire/": (PUT,),
    "/v1/event/list": (GET,),
    "/v1/health/checks/": (GET,),
    "/v1/health/connect/": (GET,),
    "/v1/health/ingress/": (GET,),
    "/v1/health/node/": (GET,),
    "/v1/health/service/": (GET,),
    "/v1/health/state/": (GET,),
    "/v1/kv/": (GET, PUT, DELETE),
    "/v1/internal/dns/explain": (GET,),
    "/v1/internal/pool": (GET,),
    "/v1/internal/pool/why/": (GET,),
    "/v1/internal/store": (GET,),
    "/v1/internal/store/confirm-failures": (PUT,),
    "/v1/operator/autopilot/configuration": (GET, PUT),
    "/v1/operator/autopilot/health": (GET,),
    "/v1/operator/autopilot/state": (GET,),
    "/v1/operator/keyring": (GET, POST, PUT, DELETE),
    "/v1/operator/raft/configuration": (GET,),
    "/v1/operator/raft/peer": (DELETE,),
    "/v1/operator/raft/transfer-leader": (POST,),
    "/v1/operator/usage": (GET,),
    "/v1/query": (GET, POST),
    "/v1/query/": (GET, PUT, DELETE),
    "/v1/session/create": (PUT,),
    "/v1/session/destroy/": (PUT,),
    "/v1/session/info/": (GET,),
    "/v1/session/list": (GET,),
    "/v1/session/node/": (GET,),
    "/v1/session/renew/": (PUT,),
    "/v1/snapshot": (GET, PUT),
    "/v1/status/leader": (GET,),
    "/v1/status/peers": (GET,),
    "/v1/txn": (PUT,),
}
_OF_QUERIES = "/v1/query/"
_ONLY_READ = ("/execute", "/explain")
"""What stands below a query and is read, while the query itself is also written."""

_TREES_ALONE = frozenset(route[:-1] for route in ROUTES if route.endswith("/") and route[:-1] not in ROUTES)
"""Paths that are moved to the tree of the same name, also where they are in a larger one."""

_TREES = re.compile(
    "|".join(sorted((re.escape(route) for route in ROUTES if route.endswith("/")), key=len, reverse=True))
)
"""Matches the longest tree that a path is in, since alternatives are tried in order."""

_LONELY = frozenset(
    tree
    for tree in ROUTES
    if tree.endswith("/") and tree.count("/") == 3 and sum(route.startswith(tree) for route in ROUTES) == 1
)
"""Trees such as `/v1/kv/`, right below `/v1/` and with no other route in them: found by one look, without `_TREES`."""


class Found(NamedTuple):
    """The route of a path and what follows it."""

    route: str
    rest: str


def find(path: str) -> Found | None:
    """The route that a decoded path belongs to."""
    top = path[: path.find("/", 4) + 1]
    if top in _LONELY:
        return Found(top, path[len(top) :])
    return search(path)


def search(path: str) -> Found | None:
    """As `find`, by looking at every route."""
    if path in ROUTES:
        return Found(path, "")
    if path in _TREES_ALONE:
        return None
    tree = _TREES.match(path)
    return Found(tree[0], path[tree.end() :]) if tree else None


def of_agent(route: str) -> bool:
    """Whether a route speaks for the agent of this process's node alone, and looks at no datacenter.

    Certificates come from the servers, whoever passes them on.
    """
    return route == "/v1/event/list" or (
        route.startswith("/v1/agent/") and not route.startswith("/v1/agent/connect/ca/")
    )


def methods(found: Found) -> tuple[str, ...]:
    """The methods that a path allows, beside OPTIONS."""
    if found.route == _OF_QUERIES and found.rest.endswith(_ONLY_READ):
        return (GET,)
    return ROUTES[found.route]


def allowed(found: Found) -> bytes:
    """The `Allow` header of a path."""
    return ",".join(("OPTIONS", *methods(found))).encode()
