"""What a member tells of its pool: the list, and what it holds against one of them."""

import asyncio
from typing import Any

from serf_agents import until

from lictor_bus import FakeBus, Hub, LeaderTracker, View, frames
from lictor_bus.fake_store import FakeStore
from lictor_bus.gathering import gather
from lictor_bus.pool_frames import PoolMembers, Story, StoryAsk
from lictor_bus.subjects import node_order, pool_stories
from lictor_gossip.pool_answers import PoolAnswers
from lictor_gossip.reporting import LICTOR_TAG
from lictor_swim import SerfMember, Status


def test_an_answer_fits_the_bus_however_large_the_pool_and_its_tags():
    def answered(count, tags):
        members = [
            SerfMember(f"member-{number:055}", bytes(16), 8301, tags, Status.ALIVE, 0, bytes(6), 1, 0.0)
            for number in range(count)
        ]
        driver: Any = type("D", (), {"members": lambda _: members, "health_score": 0, "keyring": None})()
        view: Any = None
        told = PoolAnswers(FakeBus(Hub()), view, driver, "n0", "run", lambda: 5.0).members()
        assert len(frames.encode(told)) < frames.MESSAGE_BYTES_MAX
        assert len(told.members) + told.left_out == count
        return len(told.members)

    assert answered(4000, {LICTOR_TAG: "1"}) == 4000
    assert 500 < answered(16_384, {f"tag-{number}": "v" * 40 for number in range(10)}) < 4000
    assert answered(0, {}) == 0


def test_members_and_stories_are_told_over_the_bus(driver, endpoint):
    async def story():
        hub = Hub()
        store = FakeStore(FakeBus(hub))
        loop = asyncio.get_running_loop()
        drivers = [driver(index, endpoint(index)) for index in range(4)]
        buses, tasks = [], []
        await store.open()
        async with drivers[0], drivers[1], drivers[2]:
            for number, one in enumerate(drivers[:3]):
                # the fourth, and for a while the third, are plain Serf agents
                one.set_tags({LICTOR_TAG: "1"} if number < 2 else {"role": "db"})
                bus = FakeBus(hub)
                tracker = LeaderTracker(bus)
                view = View(bus, tracker, "discovery")
                await tracker.start()
                answers = PoolAnswers(bus, view, one, f"n{number}", f"run-{number}", loop.time)
                tasks += [asyncio.ensure_future(each.run()) for each in (view, answers)]
                buses.append(bus)
            await store.beacon()
            await until(lambda: sum(one.pattern == pool_stories(store.cluster) for one in hub.subscriptions) == 3, "all listen")  # fmt: skip

            async def stories(node):
                ask = frames.encode(StoryAsk(node))
                found = await gather(buses[0], pool_stories(store.cluster), ask, Story, 0.2, 10)
                return {one.teller: one for one in found}

            async with drivers[3]:
                for one in drivers[1:]:
                    await one.join([drivers[0]._bind])
                await until(lambda: all(len(one.members()) == 4 for one in drivers), "all see all")
                raw = await buses[1].request(node_order(store.cluster, "n0", "pool"), b"", 1)
                told = frames.decode(raw, PoolMembers)
                assert (told.node, told.run_id, told.encrypted, told.left_out) == ("n0", "run-0", False, 0)
                shown = {one.name: (one.status, one.lictor, one.tags) for one in told.members}
                assert shown["n1"] == ("alive", True, {})
                assert shown["n2"] == ("alive", False, {"role": "db"})

                # of a node that is well its reporters speak, and the node itself
                found = await stories("N1")
                assert set(found) == {"n0", "n1"}
                assert (found["n0"].reports, found["n0"].about_itself, found["n0"].lines) == (True, False, ())
                assert (found["n1"].reports, found["n1"].about_itself) == (False, True)
                assert await stories("nobody") == {}
            await until(lambda: any(one.name == "n3" and one.status is Status.FAILED for one in drivers[0].members()), "n3 is failed")  # fmt: skip
            found = await stories("n3")
            assert found["n0"].status == "failed"
            told_of = {line.what for one in found.values() for line in one.lines}
            assert {"probe_failed", "suspected", "failed"} <= told_of
            assert all(line.ago_s < 10 for one in found.values() for line in one.lines)
            assert not any(one.reports for one in found.values())  # nobody reports a plain agent
            await buses[0].publish(pool_stories(store.cluster), b"\xc1", "nowhere")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(bus.close() for bus in (*buses, store.bus)))

    asyncio.run(story())
