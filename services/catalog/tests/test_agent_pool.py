"""Orders to the node's gossip: what is passed on, what is refused before, and what comes back."""

import asyncio

import pytest
from api_fixture import Catalog, story

from lictor_bus import FakeBus, Hub, frames
from lictor_bus.gossip_orders import ForceLeaveOrder, JoinOrder, KeyringOrder, OrderAnswer, Ordered
from lictor_bus.subjects import node_order
from lictor_catalog.errors import ApiError
from lictor_catalog.gossip_orders import GossipOrders

NO_WAN_JOIN = "Must be a server to join WAN cluster"
NO_WAN_LEAVE = "Must be a server to force-leave a node from the WAN cluster"
KEY = {"Key": "3lg9DxVfKNzI8O+IQ5Ek+Q=="}


@pytest.mark.parametrize(
    ("method", "path", "body", "order"),
    [
        ("PUT", "agent/join/10.0.0.7", None, JoinOrder("10.0.0.7")),
        ("PUT", "agent/join/10.0.0.7:8301?wan=", None, JoinOrder("10.0.0.7:8301")),
        ("PUT", "agent/join/[::1]:8301", None, JoinOrder("[::1]:8301")),
        ("PUT", "agent/force-leave/n2", None, ForceLeaveOrder("n2")),
        ("PUT", "agent/force-leave/n2?prune", None, ForceLeaveOrder("n2", prune=True)),
        ("GET", "operator/keyring", None, KeyringOrder("list")),
        ("GET", "operator/keyring?local-only=true&relay-factor=3", None, KeyringOrder("list", "", 3, local_only=True)),
        ("POST", "operator/keyring", KEY, KeyringOrder("install", KEY["Key"])),
        ("PUT", "operator/keyring?relay-factor=5", KEY, KeyringOrder("use", KEY["Key"], 5)),
        ("DELETE", "operator/keyring?local-only=false", {"key": "x"}, KeyringOrder("remove", "x")),
    ],
)
def test_orders_are_passed_on_to_the_nodes_own_gossip(
    method: str, path: str, body: dict[str, str] | None, order: Ordered
) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        answer = (
            await catalog.http.request(method, path, json=body) if body else await catalog.http.request(method, path)
        )
        assert (answer.status_code, answer.content) == (200, b"")
        assert catalog.leader.instructed == [("n1", order)]

    told()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("PUT", "agent/join/10.0.0.7?wan=1", None, 500, NO_WAN_JOIN),
        ("PUT", "agent/force-leave/n2?wan", None, 500, NO_WAN_LEAVE),
        ("GET", "operator/keyring?relay-factor=6", None, 400, "Invalid relay-factor: Relay factor must be in range: [0, 5]"),
        ("GET", "operator/keyring?relay-factor=-1", None, 400, "Invalid relay-factor: Relay factor must be in range: [0, 5]"),
        ("GET", "operator/keyring?relay-factor=x", None, 400, 'Error parsing relay factor: strconv.Atoi: parsing "x": invalid syntax'),
        ("GET", "operator/keyring?local-only=x", None, 400, 'Error parsing local-only: strconv.ParseBool: parsing "x": invalid syntax'),
        ("PUT", "operator/keyring?local-only=1", KEY, 400, "Invalid use of local-only: local-only can only be set for list requests"),
        ("POST", "operator/keyring", None, 400, "Request decode failed: EOF"),
        ("POST", "operator/keyring", {"Kay": "x"}, 400, 'Request decode failed: json: unknown field "Kay"'),
    ],
)  # fmt: skip
def test_what_is_refused_before_any_gossip_hears_it(
    method: str, path: str, body: dict[str, str] | None, status: int, text: str
) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        answer = (
            await catalog.http.request(method, path, json=body) if body else await catalog.http.request(method, path)
        )
        assert (answer.status_code, answer.text) == (status, text)
        assert catalog.leader.instructed == []

    told()


@story
async def test_what_the_gossip_refuses_is_told_in_its_words() -> None:
    catalog = Catalog()
    catalog.leader.gossip_refusal = "agent: No node found with name 'nope'"
    answer = await catalog.put("agent/force-leave/nope")
    assert (answer.status_code, answer.text) == (500, "agent: No node found with name 'nope'")


@story
async def test_an_order_travels_to_the_gossip_and_its_answer_back() -> None:
    hub = Hub()
    bus, far = FakeBus(hub), FakeBus(hub)
    heard: list[bytes] = []
    answers = [OrderAnswer(), OrderAnswer("not so")]

    async def on_order(_subject: str, data: bytes, reply: str) -> None:
        heard.append(data)
        await far.publish(reply, frames.encode(answers.pop(0)))

    orders = GossipOrders(bus, lambda: "c")
    with pytest.raises(ApiError, match="no gossip runs for node n1 at the moment"):
        await orders.instruct("n1", JoinOrder("h"))
    await far.subscribe(node_order("c", "n1", "join"), on_order)
    await orders.instruct("n1", JoinOrder("10.0.0.7:1"))
    assert heard == [frames.encode(JoinOrder("10.0.0.7:1"))]
    with pytest.raises(ApiError, match="not so"):
        await orders.instruct("n1", JoinOrder("h"))
    await asyncio.gather(bus.close(), far.close())
