"""A node stays registered for as long as its gossip runs, and leaves when it is told to."""

import asyncio

from lictor_bus import FakeBus, Hub, LeaderTracker, Proposer, View
from lictor_bus.fake_store import FakeStore
from lictor_gossip.registration import Registration
from lictor_state.commands import AgentDecision, AgentJoin, AgentServiceRegister, ServiceSpec


def joining(run_id="run-1", node_id="6a0e3d3c-0000-4000-8000-000000000001"):
    return AgentJoin("web-7", node_id, run_id, "127.0.0.1", 8301, "dc1")


def run(story):
    async def main():
        hub = Hub()
        store, bus = FakeStore(FakeBus(hub)), FakeBus(hub)
        tracker = LeaderTracker(bus)
        view, proposer = View(bus, tracker, "discovery"), Proposer(bus, tracker, "test")
        await tracker.start()
        await store.open()
        tasks = [asyncio.ensure_future(view.run()), asyncio.ensure_future(proposer.run())]
        said: list[str] = []

        def register(command):
            registration = Registration(view, proposer, command, said.append)
            tasks.append(asyncio.ensure_future(registration.run()))
            return registration

        try:
            await asyncio.wait_for(story(store, register, said), 10)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await bus.close()
            await store.bus.close()

    asyncio.run(main())


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def agent(store):
    return store.store.agent("web-7")


def test_a_start_registers_the_node_with_its_run():
    async def story(store, register, said):
        register(joining())
        await until(lambda: agent(store) is not None)
        assert (agent(store).run_id, agent(store).status) == ("run-1", "alive")
        await until(lambda: said[-1:] == [""])

    run(story)


def test_a_reaped_node_registers_again():
    async def story(store, register, said):
        register(joining())
        await until(lambda: agent(store) is not None)
        row = agent(store)
        await store.apply(AgentDecision("web-7", row.run_id, row.status_index, "reap"))
        assert agent(store) is None
        await until(lambda: agent(store) is not None)

    run(story)


def test_a_name_held_by_another_node_is_told_with_its_holder():
    async def story(store, register, said):
        await store.apply(joining("other", "6a0e3d3c-0000-4000-8000-00000000000f"))
        register(joining())
        await until(lambda: any("6a0e3d3c-0000-4000-8000-00000000000f" in one for one in said))
        assert agent(store).run_id == "other"

    run(story)


def test_leaving_takes_node_and_services_out_and_the_next_start_brings_them_back():
    async def story(store, register, said):
        registration = register(joining())
        await until(lambda: agent(store) is not None)
        await store.apply(AgentServiceRegister("web-7", "127.0.0.1", "dc1", ServiceSpec("web", "web", port=80)))
        await until(lambda: registration.row is not None)
        assert await registration.leave()
        assert store.store.node("web-7") is None
        assert store.store.service("web-7", "web") is None
        register(joining("run-2"))
        await until(lambda: store.store.service("web-7", "web") is not None)

    run(story)
