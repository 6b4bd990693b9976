"""`/v1/connect`: intentions and root certificates."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family, Parameter

INTENTION = "1a7e0000-0000-4000-8000-000000000001"
_SOURCE = Parameter("source", "The name of the calling service.")
_DESTINATION = Parameter("destination", "The name of the called service.")
_PAIR = (_SOURCE, _DESTINATION)
_TARGET = "/v1/connect/intentions/exact?source=web&destination=postgres"
_LEGACY = {"SourceName": "web", "DestinationName": "cache", "SourceType": "consul", "Action": "allow"}

FAMILY = Family(
    "connect",
    "The mesh: who may call whom, and the roots of trust.",
    (
        Endpoint("GET", "/v1/connect/ca/roots", "The root certificates",
            Example("/v1/connect/ca/roots"), p.READ + p.PEM),
        Endpoint("PUT", "/v1/connect/intentions/exact", "Write the intention between two services",
            Example(_TARGET, {"Action": "allow", "Description": "orders"}), _PAIR),
        Endpoint("GET", "/v1/connect/intentions/exact", "The intention between two services",
            Example(_TARGET), _PAIR + p.READ),
        Endpoint("POST", "/v1/connect/intentions", "Write an intention with an id (legacy)",
            Example("/v1/connect/intentions", _LEGACY, INTENTION)),
        Endpoint("GET", "/v1/connect/intentions", "Every intention",
            Example("/v1/connect/intentions?filter=DestinationName%20%3D%3D%20postgres"), p.READ + p.FILTER),
        Endpoint("GET", "/v1/connect/intentions/{id}", "One intention by its id (legacy)",
            Example(f"/v1/connect/intentions/{INTENTION}"), p.READ),
        Endpoint("PUT", "/v1/connect/intentions/{id}", "Change an intention by its id (legacy)",
            Example(f"/v1/connect/intentions/{INTENTION}", _LEGACY | {"Action": "deny"})),
        Endpoint("GET", "/v1/connect/intentions/match", "The intentions that may apply to a service, by precedence",
            Example("/v1/connect/intentions/match?by=destination&name=postgres"),
            (Parameter("by", "`source` or `destination`."),
             Parameter("name", "The name of a service.", repeated=True), *p.READ, *p.CACHED)),
        Endpoint("GET", "/v1/connect/intentions/check", "May one service call another",
            Example("/v1/connect/intentions/check?source=web&destination=postgres"),
            (*_PAIR, Parameter("source-type", "`consul`, the only one."), *p.BLOCKING[:2], *p.CONSISTENCY)),
        Endpoint("DELETE", "/v1/connect/intentions/{id}", "Delete an intention by its id (legacy)",
            Example(f"/v1/connect/intentions/{INTENTION}")),
        Endpoint("DELETE", "/v1/connect/intentions/exact", "Delete the intention between two services",
            Example(_TARGET), _PAIR),
    ),
)  # fmt: skip
