"""`/v1/session`: what locks belong to."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family

SESSION = "5e551011-0000-4000-8000-000000000001"

FAMILY = Family(
    "session",
    "Sessions, which hold locks and end with their node, their checks or their time.",
    (
        Endpoint("PUT", "/v1/session/create", "Begin a session",
            Example("/v1/session/create", {"Name": "leader of shop", "TTL": "30s", "Behavior": "release"}, SESSION)),
        Endpoint("GET", "/v1/session/info/{id}", "One session, as a list of one or none",
            Example(f"/v1/session/info/{SESSION}"), p.READ),
        Endpoint("GET", "/v1/session/node/{node}", "The sessions of a node", Example("/v1/session/node/n1"), p.READ),
        Endpoint("GET", "/v1/session/list", "Every session", Example("/v1/session/list"), p.READ),
        Endpoint("PUT", "/v1/session/renew/{id}", "Count a session's TTL anew",
            Example(f"/v1/session/renew/{SESSION}")),
        Endpoint("PUT", "/v1/session/destroy/{id}", "End a session", Example(f"/v1/session/destroy/{SESSION}")),
    ),
)  # fmt: skip
