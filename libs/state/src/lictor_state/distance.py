"""Distances between network coordinates, and lists sorted by them (Vivaldi; Dabek and others, SIGCOMM 2004).

The space is Euclidean with a height: what a packet pays to leave its node and to enter the other. Adjustments correct
what the space cannot express, as Serf computes them. Nothing here moves a coordinate: that is gossip's work.
"""

import math
from collections.abc import Callable
from typing import TypeVar

from lictor_state.coordinate_rows import DIMENSIONS, CoordinateRow
from lictor_state.store import Store

UNKNOWN = math.inf
"""The distance to a node whose coordinate is not known: it sorts last."""

Item = TypeVar("Item")


def is_valid(vec: tuple[float, ...], *others: float) -> bool:
    """Whether numbers make a coordinate: of the right dimension, and all finite."""
    return len(vec) == DIMENSIONS and all(map(math.isfinite, (*vec, *others)))


def distance(a: CoordinateRow, b: CoordinateRow) -> float:
    """The estimated round-trip time between two coordinates, in seconds."""
    if len(a.vec) != len(b.vec):
        return UNKNOWN
    raw = math.dist(a.vec, b.vec) + a.height + b.height
    adjusted = raw + a.adjustment + b.adjustment
    return adjusted if adjusted > 0 else raw


def coordinates_of(store: Store, node: str) -> dict[str, CoordinateRow]:
    """A node's coordinates by segment."""
    found: dict[str, CoordinateRow] = {}
    for segment in store.by.segments_of_node.get(node.lower(), ()):
        row = store.coordinate(node, segment)
        assert row is not None
        found[segment] = row
    return found


def between(a: dict[str, CoordinateRow], b: dict[str, CoordinateRow]) -> float:
    """The distance of two nodes in the segment that they share, `UNKNOWN` if there is none.

    A node with one coordinate is in that segment only, which decides; one with several is a server and in all.
    """
    segment = ""
    for one in (a, b):
        if len(one) == 1:
            (segment,) = one
    mine, theirs = a.get(segment), b.get(segment)
    return distance(mine, theirs) if mine is not None and theirs is not None else UNKNOWN


def nearest_first(store: Store, origin_node: str, items: list[Item], node_of: Callable[[Item], str]) -> list[Item]:
    """`items` by the distance of their node from `origin_node`: nearest first, unknown ones last, otherwise stable.

    Unchanged when the origin has no coordinate. `node_of` gives an item's node, in any case.
    """
    origin = coordinates_of(store, origin_node)
    if not origin:
        return items
    known: dict[str, float] = {}

    def far(item: Item) -> float:
        node = node_of(item)
        if node not in known:
            known[node] = between(origin, coordinates_of(store, node))
        return known[node]

    return sorted(items, key=far)
