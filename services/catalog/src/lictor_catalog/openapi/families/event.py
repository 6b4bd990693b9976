"""`/v1/event`: user events."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family, Parameter

EVENT = "eeee0000-0000-4000-8000-000000000001"
_FILTERS = (
    Parameter("node", "A pattern of the nodes that it is for."),
    Parameter("service", "A pattern of the services whose nodes it is for."),
    Parameter("tag", "With `service`: a pattern of their tags."),
)

FAMILY = Family(
    "event",
    "Events that users fire and watch.",
    (
        Endpoint("PUT", "/v1/event/fire/{name}", "Fire an event with the body as its payload",
            Example("/v1/event/fire/deploy?service=web", b"1.4.2", EVENT), _FILTERS),
        Endpoint("GET", "/v1/event/list", "The newest events that are for this node",
            Example("/v1/event/list?name=deploy"),
            (Parameter("name", "Only events of this name."), *p.BLOCKING)),
    ),
)  # fmt: skip
