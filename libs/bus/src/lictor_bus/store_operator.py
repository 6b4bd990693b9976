"""What an operator asks of the raft-store: how its members are; to remove one, move leadership, or end a brake.

Every member tells of itself; the leader tells besides how far each of the others has come and when it last answered.
Orders go to the leader only and are not repeated: whoever gave one looks at what came of it.
"""

import asyncio

import structlog

from lictor_bus import frames, subjects
from lictor_bus.connection import Bus, BusError
from lictor_bus.frames import FrameError, OperatorAnswer, OperatorOrder, Order, StatusAnswer
from lictor_bus.leader import LeaderTracker
from lictor_bus.proposer import NoLeaderError

STATUS_TIMEOUT_S = 1.0
ORDER_TIMEOUT_S = 10.0
"""A change of the configuration takes two rounds; a transfer at most an election timeout."""

log = structlog.get_logger()


class StoreOperator:
    """Asks the members that beacons name."""

    def __init__(self, bus: Bus, leader: LeaderTracker) -> None:
        self._bus, self._leader = bus, leader

    async def statuses(self) -> list[StatusAnswer]:
        """What the members tell of themselves, by id; those that do not answer within a second are missing."""
        beacon = self._leader.beacon
        members = sorted(one.member_id for one in beacon.members) if beacon else []
        answers = await asyncio.gather(*(self._status(one) for one in members))
        return [one for one in answers if one is not None]

    async def _status(self, member: int) -> StatusAnswer | None:
        subject = subjects.member(self._leader.cluster, member, "status")
        try:
            return frames.decode(await self._bus.request(subject, b"", STATUS_TIMEOUT_S), StatusAnswer)
        except (BusError, FrameError) as error:
            log.debug("member did not tell its status", member=f"{member:x}", reason=str(error))
            return None

    async def order(self, order: Order, member: int = 0) -> str:
        """Have the leader remove a member, hand leadership to one (0: to the one that is furthest), or end its brake.

        Returns:
            Why it was not done; empty when it was.

        Raises:
            NoLeaderError: no leader took the order.
        """
        leader = self._leader.leader
        if not leader:
            raise NoLeaderError
        subject = subjects.member(self._leader.cluster, leader, "operator")
        data = frames.encode(OperatorOrder(self._leader.cluster, order, member))
        try:
            answer = frames.decode(await self._bus.request(subject, data, ORDER_TIMEOUT_S), OperatorAnswer)
        except (BusError, FrameError) as error:
            raise NoLeaderError from error
        if answer.status == "not-leader":
            raise NoLeaderError
        return answer.reason
