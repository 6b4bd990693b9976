"""`/v1/coordinate`: where nodes are in the space of round-trip times."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Endpoint, Example, Family

_COORD = {"Vec": [0.5, 0, 0, 0, 0, 0, 0, 0], "Error": 1.5, "Adjustment": 0, "Height": 0.001}

FAMILY = Family(
    "coordinate",
    "Network coordinates of nodes.",
    (
        Endpoint("PUT", "/v1/coordinate/update", "Tell a node's coordinate, written with the next batch",
            Example("/v1/coordinate/update", {"Node": "n1", "Coord": _COORD})),
        Endpoint("GET", "/v1/coordinate/datacenters", "The servers of each datacenter",
            Example("/v1/coordinate/datacenters")),
        Endpoint("GET", "/v1/coordinate/nodes", "The coordinates of all nodes",
            Example("/v1/coordinate/nodes"), p.READ + p.SEGMENT + p.FILTER),
        Endpoint("GET", "/v1/coordinate/node/{node}", "The coordinates of one node",
            Example("/v1/coordinate/node/n1"), p.READ + p.SEGMENT),
    ),
)  # fmt: skip
