"""Orders to the gossip of a node, which alone can leave the pool in its node's name (design §1, stop is not leave)."""

from collections.abc import Callable

from lictor_bus import Bus, BusError, NoRespondersError
from lictor_bus.subjects import node_order
from lictor_catalog.errors import ApiError

ANSWER_TIMEOUT_S = 8.0
"""Leaving is told to the pool and to the store, each within a few seconds."""


class GossipOrders:
    """Asks over the bus; `cluster` gives the cluster's id, empty before it is known."""

    def __init__(self, bus: Bus, cluster: Callable[[], str]) -> None:
        self._bus = bus
        self._cluster = cluster

    async def leave(self, node: str) -> None:
        """Have the node and its services leave.

        Raises:
            ApiError: 500, when no gossip runs for the node or it could not leave in time.
        """
        try:
            answer = await self._bus.request(node_order(self._cluster(), node, "leave"), b"", ANSWER_TIMEOUT_S)
        except NoRespondersError as error:
            raise ApiError(500, f"no gossip runs for node {node} at the moment") from error
        except BusError as error:
            raise ApiError(500, f"node {node} did not answer in time") from error
        if answer != b"ok":
            raise ApiError(500, f"node {node} could not leave in time")
