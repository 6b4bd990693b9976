"""`/v1/internal`: Lictor's own."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family, Parameter

_EXPLAIN = (
    Parameter("name", "The whole name, with the domain."),
    Parameter("type", "The type of records; A."),
    Parameter(
        "only-passing", "Whether dns leaves out instances with a warning (LICTOR_DNS_ONLY_PASSING); true.", "boolean"
    ),
    Parameter(
        "udp-answer-limit", "Records in an answer over UDP without EDNS (LICTOR_DNS_UDP_ANSWER_LIMIT); 3.", "integer"
    ),
    Parameter("a-record-limit", "Addresses in any answer (LICTOR_DNS_A_RECORD_LIMIT); 0 for no limit.", "integer"),
    Parameter("domain", "The domain, where it is not LICTOR_DOMAIN."),
)

FAMILY = Family(
    "internal",
    "Lictor's own endpoints, which Consul does not have.",
    (
        Endpoint("GET", "/v1/internal/dns/explain", "What a DNS name is answered, and why each instance is in or out",
            Example("/v1/internal/dns/explain?name=web.service.consul"), (*_EXPLAIN, *p.READ)),
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
