"""`/v1/status`: who leads."""

from lictor_catalog.openapi.endpoint import Endpoint, Example, Family

FAMILY = Family(
    "status",
    "The leader and the members of the store, by address.",
    (
        Endpoint("GET", "/v1/status/leader", "The leader's address, empty when there is none",
            Example("/v1/status/leader")),
        Endpoint("GET", "/v1/status/peers", "The addresses of the store's members", Example("/v1/status/peers")),
    ),
)  # fmt: skip
