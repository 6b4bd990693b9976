"""`/v1/query`: prepared queries."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family, Parameter

QUERY = "9e4e0000-0000-4000-8000-000000000001"
_QUERY = {"Name": "db", "Service": {"Service": "postgres", "OnlyPassing": True}, "DNS": {"TTL": "10s"}}
_RUN = (
    *p.CONSISTENCY,
    *p.CACHED,
    *p.NEAR,
    Parameter("limit", "At most so many instances.", "integer"),
    Parameter("connect", "Instances through which the mesh reaches the service.", "boolean"),
)

FAMILY = Family(
    "query",
    "Prepared queries, which clients run by a name.",
    (
        Endpoint("POST", "/v1/query", "Make a query", Example("/v1/query", _QUERY, QUERY)),
        Endpoint("GET", "/v1/query", "Every query", Example("/v1/query"), p.READ),
        Endpoint("GET", "/v1/query/{id}", "One query, as a list of one", Example(f"/v1/query/{QUERY}"), p.CONSISTENCY),
        Endpoint("PUT", "/v1/query/{id}", "Replace a query",
            Example(f"/v1/query/{QUERY}", _QUERY | {"DNS": {"TTL": "30s"}})),
        Endpoint("GET", "/v1/query/{id}/execute", "Run a query by id or name",
            Example("/v1/query/db/execute?limit=1"), _RUN),
        Endpoint("GET", "/v1/query/{id}/explain", "What a name is resolved to, templates filled in",
            Example("/v1/query/db/explain"), p.CONSISTENCY),
        Endpoint("DELETE", "/v1/query/{id}", "Delete a query", Example(f"/v1/query/{QUERY}")),
    ),
)  # fmt: skip
