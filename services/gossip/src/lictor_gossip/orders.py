"""Orders to this node from the HTTP API: leave, join, force-leave, and the pool's keys (`lictor_bus.gossip_orders`).

Only a member can do these in the pool. What a force-leave means for the catalog is a decision like any other: it names
the run that it was based on, so that a node which is back by then stays. Keys are changed by queries that every member
answers. Refusals are in Consul's words.
"""

import asyncio
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from lictor_bus import Bus, ProposeError, Proposer, View, frames, subjects
from lictor_bus.frames import FrameError
from lictor_bus.gossip_orders import (
    FORCE_LEAVE,
    JOIN,
    KEYRING,
    LEAVE,
    ForceLeaveOrder,
    JoinOrder,
    KeyringAnswer,
    KeyringOrder,
    OrderAnswer,
)
from lictor_gossip.keyring_file import KEY_LENGTHS
from lictor_gossip.seeds import ADDRESSES_MAX, addresses_of, host_and_port
from lictor_gossip.shown_text import shown
from lictor_gossip.swim_driver import SwimDriver
from lictor_state.commands import AgentDecision
from lictor_state.rows import AgentRow
from lictor_swim import Endpoint, KeyOperation, Status

PROPOSE_TIMEOUT_S = 5.0
"""Below the time that the catalog waits for the answer."""

JOIN_TIMEOUT_S = 4.0
"""For each address, all at once, and half of it for a name: together below what the catalog waits."""

KEY_TEXT_MAX = 44
"""A key of 32 bytes in base64."""

MESSAGES_MAX = 1000
MESSAGE_LENGTH_MAX = 400
"""Members whose remarks about a key operation are passed on, and how much of each: together they fit one message."""

Order = TypeVar("Order", JoinOrder, ForceLeaveOrder, KeyringOrder)

_OPERATIONS = {
    "list": KeyOperation.LIST,
    "install": KeyOperation.INSTALL,
    "use": KeyOperation.USE,
    "remove": KeyOperation.REMOVE,
}

log = structlog.get_logger()


class Orders:
    """Takes orders for one node; run `run()` as one of the process's tasks."""

    def __init__(
        self,
        bus: Bus,
        view: View,
        proposer: Proposer,
        driver: SwimDriver,
        leave: Callable[[], Awaitable[bool]],
        *,
        node: str,
        port: int,
    ) -> None:
        """`port` is where members are joined whose address names none."""
        self._bus, self._view, self._proposer, self._driver = bus, view, proposer, driver
        self._leave, self._node, self._port = leave, node, port

    async def run(self) -> None:
        """Take orders for as long as the process lives."""
        await self._view.leader.wait_for_cluster()
        cluster = self._view.cluster
        await self._bus.subscribe(subjects.node_order(cluster, self._node, LEAVE), self._on_leave)
        followers = {
            JOIN: self._following(JoinOrder, self._told(self.join)),
            FORCE_LEAVE: self._following(ForceLeaveOrder, self._told(self.force_leave)),
            KEYRING: self._following(KeyringOrder, self.keyring),
        }
        for verb, follower in followers.items():
            await self._bus.subscribe(subjects.node_order(cluster, self._node, verb), follower)
        await asyncio.Event().wait()

    async def _on_leave(self, _subject: str, _data: bytes, reply: str) -> None:
        log.info("leaving on order", node=self._node)
        await self._bus.publish(reply, b"ok" if await self._leave() else b"failed")

    def _following(
        self, kind: type[Order], follow: Callable[[Order], Awaitable[OrderAnswer | KeyringAnswer]]
    ) -> Callable[[str, bytes, str], Awaitable[None]]:
        async def on_order(_subject: str, data: bytes, reply: str) -> None:
            try:
                answer = await follow(frames.decode(data, kind))
            except FrameError as unreadable:
                answer = OrderAnswer(f"the gossip of node {self._node} cannot read the order: {unreadable}")
            await self._bus.publish(reply, frames.encode(answer))

        return on_order

    @staticmethod
    def _told(follow: Callable[[Order], Awaitable[str]]) -> Callable[[Order], Awaitable[OrderAnswer]]:
        async def answered(order: Order) -> OrderAnswer:
            return OrderAnswer(await follow(order))

        return answered

    async def join(self, order: JoinOrder) -> str:
        """Join through a member; why that failed, empty when one of its addresses answered."""
        host, port = host_and_port(order.address, self._port)
        hosts = (await addresses_of(host, port))[:ADDRESSES_MAX]
        if not hosts:
            return _errors([f"Failed to resolve {order.address}: lookup {host}: no such host"])
        outcomes = await asyncio.gather(*(self._joined(Endpoint(one, port)) for one in hosts))
        log.info("joined on order", address=order.address, answered=outcomes.count(""))
        if "" in outcomes:
            return ""
        return _errors(
            [
                f"Failed to join {one}: dial tcp {_shown(one, port)}: {reason}"
                for one, reason in zip(hosts, outcomes, strict=True)
            ]
        )

    async def _joined(self, member: Endpoint) -> str:
        """Why an exchange with one address came to nothing, empty when it was answered."""
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                (outcome,) = await self._driver.join_outcomes([member])
        except TimeoutError:
            return "i/o timeout"
        return outcome

    async def force_leave(self, order: ForceLeaveOrder) -> str:
        """Count a failed node as one that left; why that was not done.

        A node that is alive is left alone, in the pool too: it would only refute what was said of it.
        """
        member = next((one for one in self._driver.members() if one.name == order.node), None)
        if member is not None and member.status is not Status.ALIVE:
            self._driver.force_leave(order.node, prune=order.prune)
        row = self._view.store.agent(order.node)
        if row is None:
            return "" if member is not None else f"agent: No node found with name '{order.node}'"
        log.info("force-leave on order", of=row.node, status=row.status, prune=order.prune)
        if row.status == "alive":
            return ""
        decision = "reap" if order.prune else "left"
        return await self._decide(row, decision) if order.prune or row.status == "failed" else ""

    async def _decide(self, row: AgentRow, decision: str) -> str:
        output = "the node was told to leave by an operator"
        command = AgentDecision(row.node, row.run_id, row.status_index, decision, output, int(time.time()))
        try:
            await self._proposer.propose(command, PROPOSE_TIMEOUT_S)
        except ProposeError as error:
            return str(error)
        return ""

    async def keyring(self, order: KeyringOrder) -> KeyringAnswer:
        """Have every member list or change its keys; what they said. There is one pool, so `local_only` is no limit."""
        key = b""
        if order.verb != "list":
            wrong = _illegal_base64(order.key)
            if wrong is not None:
                return KeyringAnswer(f"illegal base64 data at input byte {wrong}")
            key = b64decode(order.key)
            if len(key) not in KEY_LENGTHS:
                return self._refused_everywhere("key size must be 16, 24 or 32 bytes")
        done = await self._driver.rotate(_OPERATIONS[order.verb], key, relay_factor=order.relay_factor)
        tell = log.debug if order.verb == "list" else log.info
        tell("keys on order", verb=order.verb, members=done.members, answered=done.answered, failed=done.failed)
        said = sorted(done.messages.items())[:MESSAGES_MAX]
        messages = {shown(name): shown(text, MESSAGE_LENGTH_MAX) for name, text in said}
        return KeyringAnswer(done.error, messages, _counts(done.keys), _counts(done.primary_keys), done.members)

    def _refused_everywhere(self, reason: str) -> KeyringAnswer:
        """What every member would say: nobody needs to be asked."""
        alive = [one.name for one in self._driver.members() if one.status is Status.ALIVE]
        told = dict.fromkeys(sorted(alive)[:MESSAGES_MAX], reason)
        return KeyringAnswer(f"{len(alive)}/{len(alive)} nodes reported failure", told, nodes=len(alive))


def _counts(keys: dict[str, int]) -> dict[str, int]:
    """How many members have each key; what cannot be one, as far as text goes, is a liar's."""
    return {key: count for key, count in keys.items() if len(key) <= KEY_TEXT_MAX and key.isascii()}


def _errors(reasons: list[str]) -> str:
    """Several reasons in one text, as Consul lists them."""
    count = f"{len(reasons)} error{'s' if len(reasons) > 1 else ''} occurred:\n"
    return count + "".join(f"\t* {one}\n" for one in reasons) + "\n"


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _illegal_base64(text: str) -> int | None:
    """Where a text stops being base64, as Go's decoder counts it; None when it is base64."""
    try:
        b64decode(text, validate=True)
    except ValueError:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
        wrong = next((at for at, one in enumerate(text) if one not in alphabet), None)
        return len(text) // 4 * 4 if wrong is None else wrong
    return None
