"""A leader that NATS does not carry any more gives its place to a member that NATS does carry (design §3, Lanes).

With the direct lane Raft goes on without NATS, and the leader would keep its place while the feed, beacons and
decisions that only NATS carries reach nobody. What counts is the own presence echo: a message to ourselves through
NATS, which a frozen server does not return although the connection stands. Only members that said over the direct lane
that their own NATS works are asked: when nobody is better off, a change would help nobody, and the leader stays. When
all lose NATS and get it back, some get it sooner: being better off counts when it lasts for an election timeout.

Without the direct lane there is nothing to decide: a leader cut off from NATS is cut off from its voters, and steps
down by check-quorum.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from lictor_bus import Lane, Presence
from lictor_raft import Role
from lictor_raft_store.direct import ECHO_FRESH_S
from lictor_raft_store.node_driver import NodeDriver

LOOK_EVERY_S = 0.1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A voter that might lead instead."""

    member_id: int
    bus_works: bool | None
    """What it said of its own NATS connection; None: nothing lately."""
    active: bool
    match: int
    """How much of the log it holds."""


class BusWatch:
    """Decides whom to hand leadership to, and when. Pure."""

    def __init__(self, patience_s: float) -> None:
        """`patience_s` is one election timeout: for so long somebody must be better off, or it is a reconnect."""
        self._patience_s = patience_s
        self._worse_since: float | None = None
        self._asked_at = float("-inf")
        self._asked = 0

    def decide(self, now: float, echo_age_s: float, candidates: list[Candidate]) -> int:
        """Whom a leader should hand over to now, 0 for nobody.

        Args:
            now: seconds of a steady clock.
            echo_age_s: seconds since this member last heard its own announcement through NATS.
            candidates: the other voters.
        """
        able = [one for one in candidates if one.bus_works and one.active]
        if echo_age_s < ECHO_FRESH_S or not able:
            self._worse_since = None
            return 0
        if self._worse_since is None:
            self._worse_since = now
        if now - max(self._worse_since, self._asked_at) < self._patience_s:
            return 0
        # Whoever did not take it the last time comes last.
        best = max(able, key=lambda one: (one.member_id != self._asked, one.match))
        self._asked_at, self._asked = now, best.member_id
        return best.member_id


async def watch_bus(
    driver: NodeDriver, presence: Presence, lane: Lane, patience_s: float, clock: Callable[[], float]
) -> None:
    """Look at a member's own echo for as long as it runs, and hand over when the rule says so."""
    watch = BusWatch(patience_s)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if driver.node.role is not Role.LEADER:
            watch = BusWatch(patience_s)
            continue
        status = driver.node.status()
        candidates = [
            Candidate(member, lane.bus_of(member), peer.recent_active, peer.match)
            for member, peer in status.peers.items()
            if member != status.id and member in status.conf_state.voters
        ]
        chosen = watch.decide(clock(), presence.echo_age_s(), candidates)
        if chosen:
            log.warning("no contact with nats: leadership is handed over", to=f"{chosen:x}")
            driver.post(lambda to=chosen: driver.node.transfer_leader(to))  # type: ignore[misc]
