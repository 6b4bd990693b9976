"""The operator's port over the bus: what beacons and members tell, and orders for the leader."""

from lictor_bus import LeaderTracker
from lictor_bus.frames import Beacon, Order, StatusAnswer
from lictor_bus.proposer import NoLeaderError
from lictor_bus.store_operator import StoreOperator
from lictor_catalog.errors import ApiError


class OperatorOverBus:
    """Asks the members that the newest beacon names."""

    def __init__(self, leader: LeaderTracker, operator: StoreOperator) -> None:
        self._leader, self._operator = leader, operator

    @property
    def beacon(self) -> Beacon | None:
        """The newest beacon, None before the first."""
        return self._leader.beacon

    async def statuses(self) -> list[StatusAnswer]:
        """What the members tell of themselves; who does not answer is missing."""
        return await self._operator.statuses()

    async def order(self, order: Order, member: int) -> str:
        """Give the leader an order; why it was not done, empty when it was.

        Raises:
            ApiError: 500, there is no leader.
        """
        try:
            return await self._operator.order(order, member)
        except NoLeaderError as error:
            raise ApiError(500, "No cluster leader") from error
