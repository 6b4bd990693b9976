"""`/v1/health`: instances with their checks, and checks alone."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family

_CHECKS = p.READ + p.NODE_META + p.FILTER + p.NEAR
_INSTANCES = _CHECKS + p.CACHED + p.TAG + p.PASSING + p.MERGED

FAMILY = Family(
    "health",
    "Who is well: instances with their checks.",
    (
        Endpoint("GET", "/v1/health/service/{service}", "The instances of a service with their checks",
            Example("/v1/health/service/postgres?passing"), _INSTANCES),
        Endpoint("GET", "/v1/health/connect/{service}", "The same for those through which the mesh reaches a service",
            Example("/v1/health/connect/web"), _INSTANCES),
        Endpoint("GET", "/v1/health/ingress/{service}", "The ingress gateways that serve a service",
            Example("/v1/health/ingress/web"), _CHECKS + p.PASSING + p.MERGED),
        Endpoint("GET", "/v1/health/checks/{service}", "The checks of a service",
            Example("/v1/health/checks/postgres"), _CHECKS),
        Endpoint("GET", "/v1/health/node/{node}", "The checks of a node",
            Example("/v1/health/node/db-1"), p.READ + p.FILTER),
        Endpoint("GET", "/v1/health/state/{state}", "The checks in a state",
            Example("/v1/health/state/passing?filter=ServiceName%20%3D%3D%20postgres"), _CHECKS),
    ),
)  # fmt: skip
