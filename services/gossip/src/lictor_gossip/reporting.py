"""What this member reports to the leader about others (design §4, Reporters), as a pure decision.

A member watches the nodes for which it is among the first five reporters by rendezvous hash of its own list, and
reports its whole list of failed ones with its own health score: a list, not events, so that a lost report costs two
seconds and nothing else.
"""

from collections.abc import Iterable
from hashlib import blake2b

from lictor_bus.frames import FailureReport
from lictor_swim import SerfMember, Status

REPORTERS_PER_NODE = 5
REPORT_EVERY_S = 2.0
LICTOR_TAG = "lictor"
"""Members without it (plain Serf agents) are not nodes of the catalog: nobody reports them, and they report nobody."""


def watched(own: str, members: Iterable[SerfMember]) -> list[SerfMember]:
    """The Lictor members that `own` is a reporter for, ordered by name."""
    known = [member for member in members if LICTOR_TAG in member.tags]
    reporters = sorted(member.name for member in known if member.status is Status.ALIVE)
    found = []
    for member in sorted(known, key=lambda one: one.name):
        if member.name == own:
            continue
        ranked = sorted((_weight(name, member.name), name) for name in reporters if name != member.name)
        if own in {name for _, name in ranked[:REPORTERS_PER_NODE]}:
            found.append(member)
    return found


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


def _weight(reporter: str, node: str) -> bytes:
    return blake2b(f"{reporter}\0{node}".encode(), digest_size=8).digest()
