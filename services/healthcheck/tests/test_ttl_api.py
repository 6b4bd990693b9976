"""TTL updates over the bus: who answers, and what."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from lictor_bus import BusTimeoutError, FakeBus, Hub, NoRespondersError
from lictor_bus.ttl_updates import TtlAnswer, TtlUpdate, ttl_subject
from lictor_healthcheck.driver import CheckDriver
from lictor_healthcheck.metrics import HealthcheckMetrics
from lictor_healthcheck.ttl_api import TtlApi
from lictor_kit import Metrics
from lictor_state.rows import CheckDefinition

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode leaves a test's neighbours to the test

from cluster import SECOND, Cluster, until

TTL = CheckDefinition(ttl_ns=60 * SECOND)


@contextlib.asynccontextmanager
async def answering(hub: Hub, driver: CheckDriver) -> AsyncIterator[TtlApi]:
    bus = FakeBus(hub)
    api = TtlApi(bus, driver, HealthcheckMetrics(Metrics("healthcheck")))
    task = asyncio.create_task(api.run())
    await bus.subscribe(api.subject("c1"), api.on_update)
    try:
        await until(lambda: not driver._guard.cut)
        yield api
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bus.close()


async def ask(hub: Hub, update: object, node: str = "n1", timeout_s: float = 3.0) -> TtlAnswer:
    data = await FakeBus(hub).request(ttl_subject("c1", node), msgspec.msgpack.encode(update), timeout_s)
    return msgspec.msgpack.decode(data, type=TtlAnswer)


def test_an_update_is_answered_200_once_the_store_shows_it() -> None:
    async def story() -> None:
        cluster, hub = Cluster(), Hub()
        async with cluster.healthcheck() as driver, answering(hub, driver):
            cluster.register("ttl", TTL)
            assert await ask(hub, TtlUpdate("ttl", "passing", "note"), node="N1") == TtlAnswer(200)
            assert (cluster.check("ttl").status, cluster.check("ttl").output) == ("passing", "note")
            writes = len(cluster.proposed)
            assert await ask(hub, TtlUpdate("ttl", "passing", "note")) == TtlAnswer(200)
            assert len(cluster.proposed) == writes, "nothing new, nothing written"

    asyncio.run(story())


def test_what_cannot_be_done_is_answered_in_consul_s_words() -> None:
    async def story() -> None:
        cluster, hub = Cluster(), Hub()
        async with cluster.healthcheck() as driver, answering(hub, driver):
            cluster.register("ttl", TTL)
            cluster.register("tcp", CheckDefinition(tcp="127.0.0.1:1", interval_ns=SECOND), status="passing")
            cluster.register("serf", CheckDefinition(), agent=False)
            table = [
                (TtlUpdate("nope", "passing"), 404, 'Unknown check ID "nope". Ensure that the check ID is passed'),
                (TtlUpdate("tcp", "passing"), 500, 'CheckID "tcp" does not have associated TTL'),
                (TtlUpdate("serf", "passing"), 500, 'CheckID "serf" does not have associated TTL'),
                (TtlUpdate("ttl", "fine"), 400, "Invalid check status: 'fine'"),
                (["ttl", 5], 400, "update not understood"),
            ]
            for update, code, message in table:
                answer = await ask(hub, update)
                assert answer.status_code == code, update
                assert answer.message.startswith(message)

    asyncio.run(story())


def test_only_the_owner_answers() -> None:
    async def story() -> None:
        cluster, hub = Cluster(), Hub()
        async with contextlib.AsyncExitStack() as stack:
            one = await stack.enter_async_context(cluster.healthcheck("i1"))
            two = await stack.enter_async_context(cluster.healthcheck("i2"))
            first = await stack.enter_async_context(answering(hub, one))
            second = await stack.enter_async_context(answering(hub, two))
            await until(lambda: len(one.sharers) == len(two.sharers) == 2)
            for number in range(10):
                cluster.register(f"ttl-{number}", TTL)
            for number in range(10):
                update = TtlUpdate(f"ttl-{number}", "passing")
                answers = [await first.answer(update), await second.answer(update)]
                assert answers in ([None, TtlAnswer(200)], [TtlAnswer(200), None])
                owner = one if answers[0] is not None else two
                assert owner.running.get(("n1", f"ttl-{number}")) is not None
                assert await ask(hub, update) == TtlAnswer(200)
            assert (await ask(hub, TtlUpdate("nope", "passing"))).status_code == 404

    asyncio.run(story())


def test_a_check_registered_a_moment_ago_is_waited_for() -> None:
    async def story() -> None:
        cluster, hub = Cluster(), Hub()
        async with cluster.healthcheck() as driver, answering(hub, driver):
            asking = asyncio.create_task(ask(hub, TtlUpdate("late", "passing")))
            await asyncio.sleep(0.05)
            assert not asking.done()
            cluster.register("late", TTL)
            assert await asking == TtlAnswer(200)

    asyncio.run(story())


def test_a_healthcheck_that_does_not_know_the_owners_yet_waits_and_then_says_so() -> None:
    async def story() -> None:
        cluster, hub = Cluster(), Hub()
        async with cluster.healthcheck() as driver, answering(hub, driver):
            cluster.register("ttl", TTL)
            known, driver.sharers = driver.sharers, []
            assert (await ask(hub, TtlUpdate("ttl", "passing"))).status_code == 500
            asking = asyncio.create_task(ask(hub, TtlUpdate("ttl", "passing")))
            await asyncio.sleep(0.05)
            driver.sharers = known
            assert await asking == TtlAnswer(200)

    asyncio.run(story())


def test_an_owner_that_is_cut_off_does_not_answer_200() -> None:
    async def story() -> None:
        cluster, hub = Cluster(), Hub()
        async with cluster.healthcheck() as driver, answering(hub, driver):
            cluster.register("ttl", TTL)
            cluster.echo_age_s = 5.0
            answer = await ask(hub, TtlUpdate("ttl", "passing"))
            assert answer.status_code == 500
            assert cluster.proposed == []

    asyncio.run(story())


def test_without_a_leader_a_new_status_is_refused_and_the_old_one_still_confirmed() -> None:
    async def story() -> None:
        cluster, hub = Cluster(), Hub()
        async with cluster.healthcheck() as driver, answering(hub, driver):
            cluster.register("ttl", TTL, status="passing", output="note")
            cluster.leader = False
            assert await ask(hub, TtlUpdate("ttl", "critical")) == TtlAnswer(500, "No cluster leader")
            cluster.register("other", TTL, status="passing", output="note")
            assert await ask(hub, TtlUpdate("other", "passing", "note")) == TtlAnswer(200)

    asyncio.run(story())


def test_nobody_answers_for_a_node_without_a_healthcheck() -> None:
    async def story() -> None:
        hub = Hub()
        with pytest.raises((NoRespondersError, BusTimeoutError)):
            await ask(hub, TtlUpdate("ttl", "passing"), node="n2", timeout_s=0.2)

    asyncio.run(story())


def test_a_node_name_with_dots_makes_one_token_of_the_subject() -> None:
    assert ttl_subject("c1", "Node 1.example") == ttl_subject("c1", "node 1.example")
    assert ttl_subject("c1", "Node 1.example").count(".") == 3
