"""`/v1/catalog`: nodes and services as they are registered."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family

_DB = {
    "Node": "db-1",
    "Address": "10.0.0.20",
    "NodeMeta": {"rack": "r1"},
    "Service": {"ID": "postgres-1", "Service": "postgres", "Tags": ["primary"], "Port": 5432},
    "Checks": [
        {"Name": "replication", "CheckID": "replication", "Status": "passing", "ServiceID": "postgres-1"},
        {"Name": "fans", "CheckID": "fans", "Status": "warning"},
    ],
}
_ALL = p.READ + p.NODE_META + p.FILTER
_NEAREST = _ALL + p.NEAR
_INSTANCES = _NEAREST + p.CACHED + p.TAG + p.MERGED

FAMILY = Family(
    "catalog",
    "What is registered: nodes, their services and checks.",
    (
        Endpoint("PUT", "/v1/catalog/register", "Register a node, a service of it, and checks",
            Example("/v1/catalog/register", _DB)),
        Endpoint("PUT", "/v1/catalog/deregister", "Remove a node, a service or a check",
            Example("/v1/catalog/deregister", {"Node": "db-1", "CheckID": "fans"})),
        Endpoint("GET", "/v1/catalog/datacenters", "The datacenters", Example("/v1/catalog/datacenters"), p.CACHED),
        Endpoint("GET", "/v1/catalog/nodes", "The nodes",
            Example("/v1/catalog/nodes?filter=Meta.rack%20%3D%3D%20r1"), _NEAREST),
        Endpoint("GET", "/v1/catalog/services", "The names of services with their tags",
            Example("/v1/catalog/services"), _ALL + p.CACHED),
        Endpoint("GET", "/v1/catalog/service/{name}", "The instances of a service",
            Example("/v1/catalog/service/postgres?tag=primary"), _INSTANCES),
        Endpoint("GET", "/v1/catalog/connect/{name}", "The instances through which the mesh reaches a service",
            Example("/v1/catalog/connect/web"), _INSTANCES),
        Endpoint("GET", "/v1/catalog/node/{node}", "A node and its services by id",
            Example("/v1/catalog/node/db-1"), p.READ + p.FILTER + p.MERGED),
        Endpoint("GET", "/v1/catalog/node-services/{node}", "A node and its services as a list",
            Example("/v1/catalog/node-services/db-1"), p.READ + p.FILTER + p.MERGED),
        Endpoint("GET", "/v1/catalog/gateway-services/{gateway}", "The services behind a gateway",
            Example("/v1/catalog/gateway-services/ingress"), p.READ),
    ),
)  # fmt: skip
