"""Shapes of broken networks: which directed links carry nothing.

Jepsen's nemesis names most of them (halves, bridge, majorities ring); one-way cuts come from the Omega and Cloudflare
accounts of etcd clusters that could hear and not be heard. All shapes are sets of (from, to).
"""

from collections.abc import Callable, Collection, Sequence

Links = set[tuple[int, int]]


def halves(members: Collection[int], side: Collection[int]) -> Links:
    """Nothing passes between `side` and the others."""
    return one_way(members, side) | {(to, from_) for from_, to in one_way(members, side)}


def one_way(members: Collection[int], side: Collection[int]) -> Links:
    """`side` hears the others and is not heard by them."""
    return {(one, other) for one in members for other in members if one in side and other not in side}


def bridge(ring: Sequence[int]) -> Links:
    """Two halves that only one member, the first, can talk to both of."""
    others = ring[1:]
    return halves(others, others[: len(others) // 2])


def neighbours(ring: Sequence[int]) -> Links:
    """Everyone talks only to the two next to it: in a group of five each sees another majority."""
    return _unless(ring, lambda distance: distance in (1, len(ring) - 1))


def majorities(ring: Sequence[int]) -> Links:
    """Everyone hears just a majority, itself included, and no two hear the same one; hearing is not mutual."""
    return _unless(ring, lambda distance: distance <= len(ring) // 2)


def _unless(ring: Sequence[int], heard: Callable[[int], bool]) -> Links:
    size = len(ring)
    return {
        (ring[(position + distance) % size], ring[position])
        for position in range(size)
        for distance in range(1, size)
        if not heard(distance)
    }
