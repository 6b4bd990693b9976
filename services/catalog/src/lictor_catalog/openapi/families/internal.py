"""`/v1/internal`: Lictor's own."""

from lictor_catalog.openapi.endpoint import Endpoint, Example, Family

FAMILY = Family(
    "internal",
    "Lictor's own endpoints, which Consul does not have.",
    (
        Endpoint("GET", "/v1/internal/pool", "The pool's members as catalog, gossip and leader see them",
            Example("/v1/internal/pool")),
        Endpoint("GET", "/v1/internal/pool/why/{node}", "Who holds what against a node",
            Example("/v1/internal/pool/why/n1")),
        Endpoint("GET", "/v1/internal/store", "Every member of the store: term, indexes, lag, contact, health",
            Example("/v1/internal/store")),
        Endpoint("PUT", "/v1/internal/store/confirm-failures", "Held failures are real; 409 if none are held",
            Example("/v1/internal/store/confirm-failures")),
    ),
)  # fmt: skip
