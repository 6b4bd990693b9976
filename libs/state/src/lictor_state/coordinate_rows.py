"""Network coordinates: where nodes are in a space whose distances are round-trip times (Vivaldi).

A coordinate is eight numbers of a Euclidean space, a height above it, and what the estimate is off by. Distances
between coordinates are `distance`; who measures them is gossip.
"""

import msgspec

DIMENSIONS = 8
"""Serf's default, and what every agent of a pool must agree on."""


class CoordinateRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A node's coordinate in one network segment. Key: (node in lower case, segment). Distances are in seconds."""

    node: str
    segment: str
    vec: tuple[float, ...]
    error: float
    adjustment: float
    height: float
    create_index: int = 0
    modify_index: int = 0
