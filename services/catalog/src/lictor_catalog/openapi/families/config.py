"""`/v1/config`: config entries."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family

FAMILY = Family(
    "config",
    "Config entries: settings of the mesh, by kind and name.",
    (
        Endpoint("PUT", "/v1/config", "Write an entry",
            Example("/v1/config", {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}), p.CAS),
        Endpoint("GET", "/v1/config/{kind}", "The entries of a kind",
            Example("/v1/config/service-defaults"), p.READ + p.CACHED + p.FILTER),
        Endpoint("GET", "/v1/config/{kind}/{name}", "One entry",
            Example("/v1/config/service-defaults/web"), p.READ + p.CACHED),
        Endpoint("DELETE", "/v1/config/{kind}/{name}", "Delete an entry",
            Example("/v1/config/service-defaults/web"), p.CAS),
    ),
)  # fmt: skip
