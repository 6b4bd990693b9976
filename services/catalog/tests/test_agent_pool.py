"""Orders to the node's gossip: what is passed on, what is refused before, and what comes back."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from api_fixture import Catalog, story

from lictor_bus import FakeBus, Hub, frames
from lictor_bus.gossip_orders import ForceLeaveOrder, JoinOrder, KeyringAnswer, KeyringOrder, OrderAnswer, Ordered
from lictor_bus.pool_frames import EventNotice, PoolMembers, Story, StoryAsk
from lictor_bus.subjects import node_order, pool_events, pool_stories
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
    ("method", "path", "body", "order"),
    [
        ("POST", "operator/keyring", KEY, KeyringOrder("install", KEY["Key"])),
        ("PUT", "operator/keyring?relay-factor=5", KEY, KeyringOrder("use", KEY["Key"], 5)),
        ("DELETE", "operator/keyring?local-only=false", {"key": "x"}, KeyringOrder("remove", "x")),
    ],
)
def test_changes_of_keys_are_answered_empty_when_every_member_did_them(
    method: str, path: str, body: dict[str, str], order: KeyringOrder
) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        answer = await catalog.http.request(method, path, json=body)
        assert (answer.status_code, answer.content) == (200, b"")
        assert catalog.leader.keyring_orders == [order]

    told()


@story
async def test_the_keys_of_the_pool_are_listed_as_consul_lists_them() -> None:
    catalog = Catalog()
    answer = await catalog.get("operator/keyring?local-only=true&relay-factor=3")
    assert catalog.leader.keyring_orders == [KeyringOrder("list", "", 3, local_only=True)]
    assert answer.json() == [
        {
            "WAN": False,
            "Datacenter": "dc1",
            "Segment": "",
            "Keys": {"a2V5": 2},
            "PrimaryKeys": {"a2V5": 2},
            "NumNodes": 2,
        }
    ]
    catalog.leader.keyring_answer = KeyringAnswer(messages={"n2": "Truncated"}, nodes=1)
    assert (await catalog.get("operator/keyring")).json()[0]["Messages"] == {"n2": "Truncated"}


@story
async def test_what_members_say_against_a_change_of_keys_is_told_in_consuls_words() -> None:
    catalog = Catalog()
    wrong = "Requested key is not in the keyring"
    catalog.leader.keyring_answer = KeyringAnswer("2/2 nodes reported failure", {"s1": wrong, "c1": wrong}, nodes=2)
    answer = await catalog.put("operator/keyring", KEY)
    assert (answer.status_code, answer.text) == (
        500,
        f"3 errors occurred:\n\t* dc1 (LAN) error: 2/2 nodes reported failure\n\t* c1: {wrong}\n\t* s1: {wrong}\n\n",
    )


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
        assert catalog.leader.keyring_orders == []

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


@story
async def test_keys_members_and_stories_travel_as_questions_and_events_as_notices() -> None:
    hub = Hub()
    bus, far = FakeBus(hub), FakeBus(hub)
    orders = GossipOrders(bus, lambda: "c")
    heard: list[bytes] = []

    def answering(*bodies: bytes) -> Callable[[str, bytes, str], Coroutine[None, None, None]]:
        async def on_question(_subject: str, data: bytes, reply: str) -> None:
            heard.append(data)
            for body in bodies:
                await far.publish(reply, body)

        return on_question

    pool = PoolMembers("n1", "run", 0, True, ())
    tales = [Story(name, "run", 0, True, "failed", 1, name == "a", False) for name in ("z", "a")]
    await far.subscribe(node_order("c", "n1", "keyring"), answering(frames.encode(KeyringAnswer(nodes=3))))
    await far.subscribe(node_order("c", "n1", "pool"), answering(frames.encode(pool)))
    await far.subscribe(pool_stories("c"), answering(*map(frames.encode, tales), b"\xc1", b""))
    await far.subscribe(pool_events("c"), answering())
    assert (await orders.keyring("n1", KeyringOrder("list"))).nodes == 3
    assert await orders.pool("n1") == pool
    assert [one.teller for one in await orders.stories("n2")] == ["a", "z"]
    notice = EventNotice("id", "deploy", b"v1")
    await orders.announce(notice)
    await asyncio.sleep(0.01)
    assert heard == [frames.encode(KeyringOrder("list")), b"", frames.encode(StoryAsk("n2")), frames.encode(notice)]
    await asyncio.gather(bus.close(), far.close())
