"""Our driver and real `serf` agents in one pool, plain and encrypted: what each does, the others see."""

import asyncio
import base64
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from serf_agents import SERF, RealAgent, free_endpoint, until

from lictor_gossip.identity import CONSUL_VERSIONS
from lictor_gossip.swim_driver import SwimDriver
from lictor_gossip.tag_expressions import matches
from lictor_swim import (
    CONSUL_LAN,
    LOCAL,
    Coordinate,
    Endpoint,
    Framing,
    KeyOperation,
    Keyring,
    QueryAck,
    QueryAnswer,
    QueryDone,
    QueryParams,
    QueryReceived,
    SerfEvent,
    SerfNode,
    Status,
    UserEventReceived,
    address_bytes,
)

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(SERF is None, reason="the serf binary is not installed"),
]

E = TypeVar("E")

KEY, NEW_KEY = bytes(range(32)), bytes(range(16))
KEY_TEXT, NEW_TEXT = base64.b64encode(KEY).decode(), base64.b64encode(NEW_KEY).decode()


class Pool:
    """One of ours, and real agents beside it."""

    def __init__(self, folder: Path, key: bytes | None) -> None:
        self.folder, self.key = folder, key
        self.endpoint = free_endpoint("127.0.0.59")
        self.events: list[SerfEvent] = []
        self.driver = self.make()
        self.agents: list[RealAgent] = []
        self.stack = AsyncExitStack()
        self.driver_stack = AsyncExitStack()
        self._numbers = itertools.count(1)

    def make(self) -> SwimDriver:
        node = SerfNode(
            name="ours",
            address=address_bytes(self.endpoint.host),
            port=self.endpoint.port,
            tags={"role": "node", "lictor": "1"},
            swim=LOCAL,
            serf=CONSUL_LAN,
            framing=Framing(keyring=Keyring([self.key]) if self.key else None),
            dice=random.SystemRandom(),
            versions=CONSUL_VERSIONS,
            matches=matches,
        )
        return SwimDriver(node, self.endpoint, stream_timeout_s=2.0, on_event=self.events.append)

    async def agent(self, name: str, *options: str) -> RealAgent:
        secret = [f"-encrypt={base64.b64encode(self.key).decode()}"] if self.key else []
        agent = RealAgent(name, f"127.0.0.{60 + next(self._numbers)}", self.folder, *secret, *options)
        self.agents.append(agent)
        self.stack.push_async_callback(agent.kill)
        return agent

    def sees(self, name: str, status: Status) -> Callable[[], bool]:
        return lambda: any(one.name == name and one.status is status for one in self.driver.members())

    def seen(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def address(self) -> str:
        return f"{self.endpoint.host}:{self.endpoint.port}"


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def story(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[Callable[[Pool], Coroutine[Any, Any, None]]], None]:
    """Runs a story with a pool that holds our member only."""

    def run(told: Callable[[Pool], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            pool = Pool(tmp_path, request.param)
            async with pool.stack, pool.driver_stack:
                await pool.driver_stack.enter_async_context(pool.driver)
                await asyncio.wait_for(told(pool), 90)

        asyncio.run(main())

    return run


def _has_heard(agent: RealAgent, event: str) -> bool:
    return f"messageUserEventType: {event}" in agent.log()


@asynccontextmanager
async def joined(pool: Pool, *options: str) -> AsyncIterator[RealAgent]:
    """A real agent that has joined ours."""
    theirs = await pool.agent("theirs", *options)
    await theirs.start(f"-join={pool.address}")
    await until(pool.sees("theirs", Status.ALIVE), "they join us")
    await theirs.sees("ours", "alive")
    yield theirs


def test_joining_works_both_ways_with_tags_events_queries_and_distance(story):
    async def told(pool: Pool) -> None:
        handler = pool.folder / "answer.sh"
        handler.write_text("#!/bin/sh\necho hi from $SERF_SELF_NAME: $(cat)\n")
        handler.chmod(0o755)
        async with joined(pool, "-tag", "dc=dc1", f"-event-handler=query:hello={handler}") as theirs:
            second = await pool.agent("second")
            await second.start()
            assert await pool.driver.join([second.endpoint]) == 1
            await theirs.sees("second", "alive")
            shown = await theirs.run("members", "-detailed", "-name=ours")
            assert "lictor=1" in shown
            assert "Protocol Version: 4  Available Protocol Range: [2, 5]" in shown
            assert {one.name: one.tags for one in pool.driver.members()}["theirs"] == {"dc": "dc1"}

            await theirs.run("tags", "-set", "dc=dc2")
            await until(lambda: {m.name: m.tags for m in pool.driver.members()}["theirs"] == {"dc": "dc2"}, "tags")
            pool.driver.set_tags({"role": "node", "v": "2"})
            await until(lambda: "EventMemberUpdate: ours" in theirs.log(), "our new tags")
            assert "v=2" in await theirs.run("members", "-name=ours")

            await theirs.run("event", "-coalesce=false", "deploy", "v1")
            await until(lambda: pool.seen(UserEventReceived), "their event")
            pool.driver.user_event("from-ours", b"x", coalesce=False)
            for agent in (theirs, second):
                await until(partial(_has_heard, agent, "from-ours"), "our event")

            # We ask: every member acks, and who has a handler answers; only those that the filters name.
            asked = pool.driver.query(QueryParams(name="hello", payload=b"you", ack=True, timeout_s=2.0))
            await until(lambda: pool.seen(QueryDone), "our query ends")
            acks = {event.member for event in pool.seen(QueryAck) if event.query == asked}
            answers = {event.member: event.payload for event in pool.seen(QueryAnswer)}
            assert acks == {"ours", "theirs", "second"}
            assert answers == {"theirs": b"hi from theirs: you\n"}

            # They ask: we answer, if their filters name us.
            pool.events.clear()
            command = asyncio.ensure_future(
                theirs.run("query", "-format=json", "-timeout=2s", "-tag", "v=^[2-3]$", "what", "payload")
            )
            await until(lambda: pool.seen(QueryReceived), "their query")
            pool.driver.respond(pool.seen(QueryReceived)[-1].query, b"ours says so")
            answer = json.loads(await command)
            assert (answer["Acks"], answer["Responses"]) == (["ours"], {"ours": "ours says so"})

            assert "rtt:" in await theirs.run("rtt", "ours")
            assert "rtt:" in await theirs.run("rtt", "ours", "theirs")
            assert pool.driver.coordinate != Coordinate(), "their acks have moved us"

    story(told)


@pytest.mark.parametrize("story", [None], indirect=True, ids=["plain"])
def test_failure_is_seen_both_ways_and_whoever_returns_under_its_name_is_alive(story):
    async def told(pool: Pool) -> None:
        async with joined(pool) as theirs:
            await theirs.kill()
            await until(pool.sees("theirs", Status.FAILED), "we see them fail")
            await theirs.start(f"-join={pool.address}")
            await until(pool.sees("theirs", Status.ALIVE), "they are back")
            await theirs.sees("ours", "alive")

            await pool.driver_stack.aclose()
            await theirs.sees("ours", "failed")
            pool.driver = pool.make()
            await pool.driver_stack.enter_async_context(pool.driver)
            assert await pool.driver.join([theirs.endpoint]) == 1
            await theirs.sees("ours", "alive")

    story(told)


@pytest.mark.parametrize("story", [KEY], indirect=True, ids=["encrypted"])
def test_leaving_is_seen_both_ways_and_whoever_left_may_return(story):
    async def told(pool: Pool) -> None:
        async with joined(pool) as theirs:
            second = await pool.agent("second")
            await second.start(f"-join={pool.address}")
            await until(pool.sees("second", Status.ALIVE), "second joins")
            assert "Graceful leave complete" in await second.run("leave")
            await until(pool.sees("second", Status.LEFT), "second left")
            await second.start(f"-join={pool.address}")
            await until(pool.sees("second", Status.ALIVE), "second is back")

            assert await pool.driver.leave(timeout_s=10.0)
            await theirs.sees("ours", "left")
            await pool.driver_stack.aclose()
            pool.driver = pool.make()
            await pool.driver_stack.enter_async_context(pool.driver)
            assert await pool.driver.join([theirs.endpoint]) == 1
            await theirs.sees("ours", "alive")
            # and they may be told of one that failed that it left
            await second.kill()
            await until(pool.sees("second", Status.FAILED), "second fails")
            await theirs.sees("second", "failed")
            assert pool.driver.force_leave("second")
            await theirs.sees("second", "left")

    story(told)


@pytest.mark.parametrize("who", ["ours", "theirs"])
def test_keys_are_rotated_by_either_side_while_the_pool_stays_whole(tmp_path: Path, who: str) -> None:
    async def main() -> None:
        pool = Pool(tmp_path, KEY)
        async with pool.stack, pool.driver_stack:
            await pool.driver_stack.enter_async_context(pool.driver)
            async with joined(pool) as theirs:
                steps = [("install", NEW_KEY, "installed key"), ("use", NEW_KEY, "changed primary key"), ("remove", KEY, "removed key")]  # fmt: skip
                for verb, key, said in steps:
                    if who == "ours":
                        done = await pool.driver.rotate(KeyOperation(f"{verb}-key"), key)
                        assert (done.error, done.answered, done.messages) == ("", 2, {})
                    else:
                        assert said in await theirs.run("keys", f"-{verb}={base64.b64encode(key).decode()}")
                done = await pool.driver.rotate(KeyOperation.LIST)
                assert (done.keys, done.primary_keys) == ({NEW_TEXT: 2}, {NEW_TEXT: 2})
                assert f"{NEW_TEXT}  [2/2]" in await theirs.run("keys", "-list")
                assert "Requested key is not in the keyring" in await theirs.run("keys", f"-use={KEY_TEXT}", code=1)
                assert pool.driver.keyring is not None
                assert pool.driver.keyring.keys == (NEW_KEY,)
                # longer than a suspicion: probes work both ways under the new key
                settled = asyncio.get_running_loop().time() + 4.0
                await until(lambda: asyncio.get_running_loop().time() > settled, "a suspicion's time")
                assert pool.sees("theirs", Status.ALIVE)()
                assert await theirs.status_of("ours") == "alive"
                # who has the old key only is no member any more
                late = await pool.agent("late")
                late.options = (f"-encrypt={KEY_TEXT}",)
                await late.start(f"-retry-join={pool.address}", "-retry-interval=1s")
                await until(lambda: "No installed keys could decrypt" in late.log(), "late is refused")
                assert not pool.sees("late", Status.ALIVE)()

    asyncio.run(main())


def test_a_driver_without_the_key_is_refused_by_real_agents_and_says_why(tmp_path: Path) -> None:
    async def main() -> None:
        pool = Pool(tmp_path, None)
        async with pool.stack, pool.driver_stack:
            await pool.driver_stack.enter_async_context(pool.driver)
            theirs = await pool.agent("theirs", f"-encrypt={KEY_TEXT}")
            await theirs.start()
            (why,) = await pool.driver.join_outcomes([Endpoint(*theirs.endpoint)])
            assert "encrypt" in why or "decrypt" in why
            assert await theirs.status_of("ours") == "absent"

    asyncio.run(main())
