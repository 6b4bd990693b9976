"""Orders that come over the bus: two real members on loopback, and a store that hears what becomes of the catalog."""

import asyncio
import socket
from base64 import b64decode
from contextlib import AsyncExitStack

import pytest

from lictor_bus import FakeBus, Hub, LeaderTracker, Proposer, View, frames
from lictor_bus.fake_store import FakeStore
from lictor_bus.gossip_orders import (
    FORCE_LEAVE,
    JOIN,
    KEYRING,
    ForceLeaveOrder,
    JoinOrder,
    KeyringAnswer,
    KeyringOrder,
    OrderAnswer,
)
from lictor_bus.subjects import node_order
from lictor_gossip import orders
from lictor_gossip.orders import Orders
from lictor_state.commands import AgentDecision, AgentJoin
from lictor_swim import Keyring, Status

KINDS: dict[type, str] = {JoinOrder: JOIN, ForceLeaveOrder: FORCE_LEAVE}
OLD, KEY = "AAECAwQFBgcICQoLDA0ODw==", "3lg9DxVfKNzI8O+IQ5Ek+Q=="


class Node:
    """`n0` with its orders; `n1` beside it; and the store."""

    def __init__(self, driver, endpoint, keyring):
        hub = Hub()
        self.store, self.bus = FakeStore(FakeBus(hub)), FakeBus(hub)
        self.tracker = LeaderTracker(self.bus)
        self.view = View(self.bus, self.tracker, "discovery")
        self.proposer = Proposer(self.bus, self.tracker, "test")
        self.binds = [endpoint(0), endpoint(1)]
        self.drivers = [driver(index, bind, keyring=keyring) for index, bind in enumerate(self.binds)]
        self.left = 0
        self.orders = Orders(
            self.bus,
            self.view,
            self.proposer,
            self.drivers[0],
            self._leave,
            node="n0",
            port=self.binds[1].port,
        )
        self.second = AsyncExitStack()

    async def _leave(self):
        self.left += 1
        return True

    async def keys(self, order):
        subject = node_order(self.view.cluster, "n0", KEYRING)
        return frames.decode(await self.bus.request(subject, frames.encode(order), 5), KeyringAnswer)

    async def say(self, order):
        subject = node_order(self.view.cluster, "n0", KINDS[type(order)])
        raw = await self.bus.request(subject, frames.encode(order), 5)
        return frames.decode(raw, OrderAnswer).error

    def sees(self, status):
        return any(one.name == "n1" and one.status is status for one in self.drivers[0].members())

    async def until(self, condition):
        async with asyncio.timeout(8):
            while not condition():  # noqa: ASYNC110  (watches what several parts show)
                await asyncio.sleep(0.005)


@pytest.fixture
def story(driver, endpoint):
    """Runs a story with a `Node` whose parts are up."""

    def run(told, keyring=None):
        async def main():
            node = Node(driver, endpoint, keyring)
            await node.tracker.start()
            await node.store.open()
            works = (node.view.run(), node.proposer.run(), node.orders.run())
            tasks = [asyncio.ensure_future(work) for work in works]
            try:
                async with node.drivers[0], node.second:
                    await node.second.enter_async_context(node.drivers[1])
                    await node.view.ready.wait()
                    await node.until(lambda: len(node.bus.hub.subscriptions) > 4)
                    await asyncio.wait_for(told(node), 20)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await node.bus.close()
                await node.store.bus.close()

        asyncio.run(main())

    return run


def test_a_member_is_joined_by_address_with_and_without_port(story):
    async def told(node):
        host, port = node.binds[1]
        assert await node.say(JoinOrder(host)) == ""
        await node.until(lambda: node.sees(Status.ALIVE))
        assert await node.say(JoinOrder(f"{host}:{port}")) == ""

    story(told)


def test_a_member_that_cannot_be_joined_is_told_in_consuls_words(story):
    async def told(node):
        assert await node.say(JoinOrder("127.0.0.1:1")) == (
            "1 error occurred:\n\t* Failed to join 127.0.0.1: dial tcp 127.0.0.1:1: connect: connection refused\n\n"
        )
        assert await node.say(JoinOrder("")) == "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n"
        assert "Failed to resolve no.such.invalid: lookup no.such.invalid" in await node.say(
            JoinOrder("no.such.invalid")
        )

    story(told)


def test_a_member_that_takes_the_connection_and_says_nothing_is_given_up_in_time(story, monkeypatch):
    monkeypatch.setattr(orders, "JOIN_TIMEOUT_S", 0.2)

    async def told(node):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            assert await node.say(JoinOrder(f"127.0.0.1:{port}")) == (
                f"1 error occurred:\n\t* Failed to join 127.0.0.1: dial tcp 127.0.0.1:{port}: i/o timeout\n\n"
            )

    story(told)


def test_an_unknown_node_cannot_be_forced_to_leave(story):
    async def told(node):
        assert await node.say(ForceLeaveOrder("nope")) == "agent: No node found with name 'nope'"

    story(told)


@pytest.mark.parametrize("prune", [False, True])
def test_a_failed_node_leaves_pool_and_catalog_or_is_forgotten(story, prune):
    async def told(node):
        await node.say(JoinOrder(node.binds[1].host))
        await node.store.apply(AgentJoin("n1", "6a0e3d3c-0000-4000-8000-000000000001", "run", "127.0.0.12", 1, "dc1"))
        await node.until(lambda: node.sees(Status.ALIVE) and node.view.store.agent("n1") is not None)
        await node.second.aclose()
        await node.until(lambda: node.sees(Status.FAILED))
        row = node.store.store.agent("n1")
        await node.store.apply(AgentDecision("n1", "run", row.status_index, "failed"))
        await node.until(lambda: node.view.store.agent("n1").status == "failed")
        assert await node.say(ForceLeaveOrder("n1", prune)) == ""
        await node.until(lambda: node.store.store.node("n1") is None)
        left = node.store.store.agent("n1")
        if prune:
            assert left is None
            assert not any(one.name == "n1" for one in node.drivers[0].members())
        else:
            assert left.status == "left"
            assert node.sees(Status.LEFT)

    story(told)


def test_a_node_that_is_alive_stays(story):
    async def told(node):
        await node.say(JoinOrder(node.binds[1].host))
        await node.store.apply(AgentJoin("n1", "6a0e3d3c-0000-4000-8000-000000000001", "run", "127.0.0.12", 1, "dc1"))
        await node.until(lambda: node.sees(Status.ALIVE) and node.view.store.agent("n1") is not None)
        assert await node.say(ForceLeaveOrder("n1", prune=True)) == ""
        assert await node.say(ForceLeaveOrder("N1")) == ""
        await node.until(lambda: node.sees(Status.ALIVE))
        assert node.store.store.agent("n1").status == "alive"

    story(told)


def test_keys_of_a_pool_without_encryption(story):
    failure, size = "1/1 nodes reported failure", "key size must be 16, 24 or 32 bytes"

    async def told(node):
        table = {
            KeyringOrder("list"): (failure, {"n0": "Keyring is empty (encryption not enabled)"}),
            KeyringOrder("install", KEY): (failure, {"n0": "No keyring to modify (encryption not enabled)"}),
            KeyringOrder("install", "AAAA"): (failure, {"n0": size}),
            KeyringOrder("remove", ""): (failure, {"n0": size}),
            KeyringOrder("use", "x"): ("illegal base64 data at input byte 0", {}),
            KeyringOrder("remove", "ab!c"): ("illegal base64 data at input byte 2", {}),
        }
        for order, (error, messages) in table.items():
            answer = await node.keys(order)
            assert (answer.error, answer.messages) == (error, messages)

    story(told)


def test_the_keys_of_an_encrypted_pool_are_rotated_step_by_step(story):
    async def told(node):
        await node.say(JoinOrder(node.binds[1].host))
        await node.until(lambda: node.sees(Status.ALIVE))
        answer = await node.keys(KeyringOrder("list"))
        assert (answer.error, answer.keys, answer.primary_keys, answer.nodes) == ("", {OLD: 2}, {OLD: 2}, 2)
        assert (await node.keys(KeyringOrder("use", KEY))).messages == dict.fromkeys(
            ("n0", "n1"), "Requested key is not in the keyring"
        )
        for verb in ("install", "use"):
            assert (await node.keys(KeyringOrder(verb, KEY, relay_factor=1))).error == ""
        answer = await node.keys(KeyringOrder("list"))
        assert (answer.keys, answer.primary_keys) == ({OLD: 2, KEY: 2}, {KEY: 2})
        answer = await node.keys(KeyringOrder("remove", KEY))
        assert answer.error == "2/2 nodes reported failure"
        assert set(answer.messages.values()) == {"Removing the primary key is not allowed"}
        assert (await node.keys(KeyringOrder("remove", OLD))).error == ""
        assert (await node.keys(KeyringOrder("list"))).keys == {KEY: 2}
        assert node.sees(Status.ALIVE)

    story(told, keyring=Keyring([b64decode(OLD)]))


def test_an_order_to_leave_is_followed_and_an_unreadable_one_is_refused(story):
    async def told(node):
        cluster = node.view.cluster
        assert await node.bus.request(node_order(cluster, "n0", "leave"), b"", 5) == b"ok"
        assert node.left == 1
        raw = await node.bus.request(node_order(cluster, "n0", JOIN), b"\xc1", 5)
        assert "cannot read the order" in frames.decode(raw, OrderAnswer).error

    story(told)
