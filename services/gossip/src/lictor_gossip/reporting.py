"""What this member reports to the leader about others (design §4, Reporters), as a pure decision.

A member watches the nodes for which it is among the first five reporters by rendezvous hash of its own list, and
reports its whole list of failed ones with its own health score: a list, not events, so that a lost report costs two
seconds and nothing else.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

from lictor_bus.frames import FailureReport
from lictor_swim import SerfMember, Status

REPORTERS_PER_NODE = 5
REPORT_EVERY_S = 2.0
KEPT_MAX = 64
"""Answers kept for the lists of members that they hold for: reports come every two seconds, changes seldom."""

SURE_FACTOR = 10
"""A reporter whose weight is above ten times the expected fifth lowest is not ranked: that fewer than five of the
others lie below it has a probability under 10⁻¹⁵."""

_WEIGHT_MAX = (1 << 64) - 1
LICTOR_TAG = "lictor"
"""Members without it (plain Serf agents) are not nodes of the catalog: nobody reports them, and they report nobody."""


def watched(own: str, members: Iterable[SerfMember]) -> list[SerfMember]:
    """The Lictor members that `own` is a reporter for, ordered by name."""
    known = sorted((member for member in members if LICTOR_TAG in member.tags), key=lambda one: one.name)
    reporters = tuple(member.name for member in known if member.status is Status.ALIVE)
    mine = _watched(own, tuple(member.name for member in known), reporters)
    return [one for one in known if one.name in mine]


@lru_cache(maxsize=KEPT_MAX)
def _watched(own: str, nodes: tuple[str, ...], reporters: tuple[str, ...]) -> frozenset[str]:
    """The names of the nodes for which `own` is among the first reporters.

    Ranking everybody for every node would take a hash for each pair of members. A weight in the upper part of its range
    is as good as never among the lowest five of many, so those nodes are not looked at further.
    """
    if own not in reporters:
        return frozenset()
    limit = min(1.0, SURE_FACTOR * REPORTERS_PER_NODE / len(reporters))
    likely = [node for node in nodes if node != own and _weight(own, node) <= limit * _WEIGHT_MAX]
    return frozenset(node for node in likely if _rank(own, node, reporters) < REPORTERS_PER_NODE)


def _rank(own: str, node: str, reporters: tuple[str, ...]) -> int:
    """How many reporters come before `own` for a node."""
    mine = _weight(own, node), own
    return sum((_weight(name, node), name) < mine for name in reporters if name != node)


def report(cluster: str, own: str, run_id: str, health_score: int, members: Iterable[SerfMember]) -> FailureReport:
    """This member's whole report."""
    mine = watched(own, members)
    return FailureReport(
        cluster,
        own,
        run_id,
        health_score,
        {member.name: member.incarnation for member in mine if member.status is Status.FAILED},
        tuple(member.name for member in mine),
        tuple(member.name for member in mine if member.status is Status.LEFT),
    )


def _weight(reporter: str, node: str) -> int:
    return int.from_bytes(blake2b(f"{reporter}\0{node}".encode(), digest_size=8).digest(), "big")
