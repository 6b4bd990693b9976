"""Orders to the gossip of a node, which alone speaks in the pool in its node's name (design §1, stop is not leave)."""

from collections.abc import Callable

from lictor_bus import Bus, BusError, NoRespondersError, frames
from lictor_bus.frames import FrameError
from lictor_bus.gossip_orders import (
    ANSWER_TIMEOUT_S,
    FORCE_LEAVE,
    JOIN,
    KEYRING,
    LEAVE,
    ForceLeaveOrder,
    JoinOrder,
    KeyringOrder,
    OrderAnswer,
    Ordered,
)
from lictor_bus.subjects import node_order
from lictor_catalog.errors import ApiError

_VERBS: dict[type, str] = {JoinOrder: JOIN, ForceLeaveOrder: FORCE_LEAVE, KeyringOrder: KEYRING}


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
        if await self._ask(node, LEAVE, b"") != b"ok":
            raise ApiError(500, f"node {node} could not leave in time")

    async def instruct(self, node: str, order: Ordered) -> None:
        """Have the gossip of `node` follow an order.

        Raises:
            ApiError: 500, with its reason, or when no gossip runs for the node or none answered in time.
        """
        raw = await self._ask(node, _VERBS[type(order)], frames.encode(order))
        try:
            error = frames.decode(raw, OrderAnswer).error
        except FrameError as unreadable:
            error = f"the gossip of node {node} gave no readable answer: {unreadable}"
        if error:
            raise ApiError(500, error)

    async def _ask(self, node: str, verb: str, data: bytes) -> bytes:
        try:
            return await self._bus.request(node_order(self._cluster(), node, verb), data, ANSWER_TIMEOUT_S)
        except NoRespondersError as error:
            raise ApiError(500, f"no gossip runs for node {node} at the moment") from error
        except BusError as error:
            raise ApiError(500, f"node {node} did not answer in time") from error
