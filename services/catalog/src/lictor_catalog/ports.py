"""What the API needs of the rest of Lictor, as narrow faces: the view, the leader's index, proposing, TTL updates.

`lictor_bus` has the real ones; tests give their own. Nothing else of the API knows how these parts travel.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from lictor_bus.frames import Beacon, Order, ReadAnswer, StatusAnswer
from lictor_bus.gossip_orders import KeyringAnswer, KeyringOrder, Ordered
from lictor_bus.pool_frames import EventNotice, PoolMembers, Story
from lictor_bus.proposer import Committed, ProposeError
from lictor_state import Store
from lictor_state.commands import Command
from lictor_state.rows import CheckRow


class ViewPort(Protocol):
    """This process's copy of the state."""

    ready: asyncio.Event

    @property
    def store(self) -> Store:
        """The rows, with all that has come."""

    async def wait_for(self, index: int, timeout_s: float) -> bool:
        """Wait until the view has this index; whether it got there in time."""

    def when(self, index: int, timeout_s: float, reached: Callable[[bool], None]) -> None:
        """Have `reached` told when the view has this index (at once if it has), or that it was not in time."""

    def reached(self, answer: ReadAnswer) -> bool:
        """Whether a strong read may be answered now."""

    async def reach(self, answer: ReadAnswer, timeout_s: float) -> bool:
        """Wait until a strong read may be answered; whether that was in time."""

    def last_contact_s(self) -> float:
        """Seconds since the leader was last heard."""


class GatePort(Protocol):
    """The leader's index for strong reads."""

    def join(self, settled: Callable[[ReadAnswer | None], None], *, consistent: bool) -> None:
        """Have `settled` told the answer to an ask that is sent after this call, None when there is none."""

    async def ask(self, *, consistent: bool) -> ReadAnswer:
        """The answer to an ask that is sent after this call; raises `NoLeaderError`."""


class ProposerPort(Protocol):
    """The way of a write."""

    async def propose(self, command: Command, timeout_s: float = 10.0) -> Committed:
        """Propose one command and wait for its result; raises `ProposeError`s."""

    def submit(self, command: Command, done: Callable[[Committed | ProposeError], None]) -> object:
        """Propose one command and have `done` told what came of it; raises `ProposeError`s."""


class ClusterPort(Protocol):
    """What beacons tell about the members."""

    @property
    def leader_address(self) -> str:
        """`host:port` of the leader, empty while none is known."""

    @property
    def peer_addresses(self) -> list[str]:
        """`host:port` of every voter."""


class OperatorPort(Protocol):
    """The members of the store, for operators."""

    @property
    def beacon(self) -> Beacon | None:
        """The newest beacon, None before the first."""

    async def statuses(self) -> list[StatusAnswer]:
        """What the members tell of themselves."""

    async def order(self, order: Order, member: int) -> str:
        """Give the leader an order; why it was not done, empty when it was. Raises `ApiError` without a leader."""


class RenewalsPort(Protocol):
    """Renewals of sessions, answered by the leader."""

    async def renew(self, session_id: str) -> bool:
        """Begin the session's TTL anew; False if there is no such session. Raises `NoLeaderError`."""


class GossipPort(Protocol):
    """Orders to the gossip of a node, and questions to all."""

    async def leave(self, node: str) -> None:
        """Have the node leave; raises `ApiError` when it does not."""

    async def instruct(self, node: str, order: Ordered) -> None:
        """Have the gossip of `node` follow an order; raises `ApiError` when it does not."""

    async def keyring(self, node: str, order: KeyringOrder) -> KeyringAnswer:
        """What the members of the pool said to an order about keys; raises `ApiError` when nobody could be asked."""

    async def pool(self, node: str) -> PoolMembers:
        """The pool as the gossip of `node` sees it; raises `ApiError` when there is none."""

    async def stories(self, node: str) -> list[Story]:
        """What gossips hold against a node."""

    async def announce(self, notice: EventNotice) -> None:
        """Have the pool told of an event that is in the store."""


class ReloadPort(Protocol):
    """What `agent/reload` does."""

    async def reload(self) -> None:
        """Read the configuration anew; raises `ApiError` 500 with the reason when it cannot be used."""


class TtlPort(Protocol):
    """Updates of TTL checks, answered by the `healthcheck` that owns them."""

    async def update(self, check: CheckRow, status: str, output: str) -> tuple[int, str]:
        """Hand an update to the owner; HTTP status and text of its answer."""
