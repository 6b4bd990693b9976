"""What this process asks of gossips: orders to the one of a node, and questions to all of them.

Only a node's own gossip speaks in the pool in its name (design §1, stop is not leave).
"""

from collections.abc import Callable
from typing import TypeVar

from lictor_bus import Bus, BusError, NoRespondersError, frames, subjects
from lictor_bus.frames import FrameError
from lictor_bus.gathering import gather
from lictor_bus.gossip_orders import (
    ANSWER_TIMEOUT_S,
    FORCE_LEAVE,
    JOIN,
    KEYRING,
    KEYRING_TIMEOUT_S,
    LEAVE,
    POOL,
    ForceLeaveOrder,
    JoinOrder,
    KeyringAnswer,
    KeyringOrder,
    OrderAnswer,
    Ordered,
)
from lictor_bus.pool_frames import STORIES_MAX, STORY_WINDOW_S, EventNotice, PoolMembers, Story, StoryAsk
from lictor_catalog.errors import ApiError

T = TypeVar("T")

_VERBS: dict[type, str] = {JoinOrder: JOIN, ForceLeaveOrder: FORCE_LEAVE}


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
        error = _read(node, await self._ask(node, _VERBS[type(order)], frames.encode(order)), OrderAnswer).error
        if error:
            raise ApiError(500, error)

    async def keyring(self, node: str, order: KeyringOrder) -> KeyringAnswer:
        """Have the gossip of `node` ask its pool about keys, or change them; what the members said.

        Raises:
            ApiError: 500, when no gossip runs for the node or none answered in time.
        """
        return _read(node, await self._ask(node, KEYRING, frames.encode(order), KEYRING_TIMEOUT_S), KeyringAnswer)

    async def pool(self, node: str) -> PoolMembers:
        """The pool as the gossip of `node` sees it.

        Raises:
            ApiError: 500, when no gossip runs for the node or none answered in time.
        """
        return _read(node, await self._ask(node, POOL, b""), PoolMembers)

    async def stories(self, node: str) -> list[Story]:
        """What the gossips that have something to tell about `node` know, by name."""
        ask = frames.encode(StoryAsk(node))
        subject = subjects.pool_stories(self._cluster())
        found = await gather(self._bus, subject, ask, Story, STORY_WINDOW_S, STORIES_MAX)
        return sorted(found, key=lambda one: (not one.about_itself, not one.reports, one.teller))

    async def announce(self, notice: EventNotice) -> None:
        """Have one of the gossips tell the pool of an event that is in the store."""
        await self._bus.publish(subjects.pool_events(self._cluster()), frames.encode(notice))

    async def _ask(self, node: str, verb: str, data: bytes, timeout_s: float = ANSWER_TIMEOUT_S) -> bytes:
        try:
            subject = subjects.node_order(self._cluster(), node, verb)
            return await self._bus.request(subject, data, timeout_s)
        except NoRespondersError as error:
            raise ApiError(500, f"no gossip runs for node {node} at the moment") from error
        except BusError as error:
            raise ApiError(500, f"node {node} did not answer in time") from error


def _read(node: str, raw: bytes, kind: type[T]) -> T:
    try:
        return frames.decode(raw, kind)
    except FrameError as unreadable:
        raise ApiError(500, f"the gossip of node {node} gave no readable answer: {unreadable}") from unreadable
