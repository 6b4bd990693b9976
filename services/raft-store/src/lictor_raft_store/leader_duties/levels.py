"""Raising the feature level (design rule 3.10): when every member of the configuration announces a higher one.

A member announces the highest level that its build knows, or less if its setting says so. Only what is heard now
counts: a member that is away may come back with an older build, and would have to stop at the first command that it
does not know. It holds the level down until it is back or removed.
"""

from collections.abc import Sequence

from lictor_raft_store.leader_duties.servers import Server
from lictor_state.commands import RaiseLevel


def raise_level(servers: Sequence[Server], level: int) -> RaiseLevel | None:
    """What to propose at the present `level` of the state."""
    members = [one for one in servers if one.member]
    if not members or not all(one.present for one in members):
        return None
    common = min(one.level for one in members)
    return RaiseLevel(common) if common > level else None


def behind(servers: Sequence[Server], highest: int) -> list[str]:
    """Members that keep the level below what this build knows, by name, for operators."""
    return sorted(one.name or f"{one.member_id:x}" for one in servers if one.member and one.level < highest)
