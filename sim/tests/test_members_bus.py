"""The simulated bus keeps NATS's promises, and breaks what NATS may break."""

import asyncio
from random import Random

import pytest

from lictor_bus import BusDisconnectedError, BusTimeoutError, NoRespondersError
from lictor_sim.members_bus import NetworkFaults, SimBus, SimNetwork
from lictor_sim.virtual_loop import Owner, VirtualLoop

PERFECT = {"loss": 0, "repetition": 0, "long_delay": 0, "flip_chunk": 0}


class World:
    def __init__(self, seed=1, **faults):
        self.loop = VirtualLoop()
        self.network = SimNetwork(self.loop, Random(seed), NetworkFaults(**{**PERFECT, **faults}))
        self.network.pending_max = 1000
        self.owners = {}

    def bus(self, name, home=0):
        owner = self.owners[name] = Owner(name)
        return SimBus(self.network, owner, home)

    async def listener(self, bus, subject="a", **options):
        heard = []
        await bus.subscribe(subject, lambda _subject, data, _reply: heard.append(data), **options)
        return heard


def story(work, **faults):
    world = World(**faults)
    try:
        world.loop.run_until_complete(work(world))
    finally:
        world.loop.end(list(world.owners.values()))


def numbers(count):
    return [b"%d" % number for number in range(count)]


def test_messages_between_two_connections_keep_their_order():
    async def work(world):
        sender, heard = world.bus("sender"), await world.listener(world.bus("receiver"))
        for data in numbers(100):
            await sender.publish("a", data)
        await asyncio.sleep(1)
        assert heard == numbers(100)

    story(work, long_delay=0.3)


def test_messages_are_lost_and_repeated_by_the_dice_and_not_when_calm():
    async def work(world):
        sender, heard = world.bus("sender"), await world.listener(world.bus("receiver"))
        for data in numbers(200):
            await sender.publish("a", data)
        await asyncio.sleep(2)
        assert set(numbers(200)) - set(heard)
        assert len(heard) > len(set(heard))
        heard.clear()
        world.network.heal()
        for data in numbers(200):
            await sender.publish("a", data)
        await asyncio.sleep(2)
        assert heard == numbers(200)

    story(work, loss=0.2, repetition=0.2)


def test_across_a_reconnect_messages_may_overtake_each_other():
    async def work(world):
        sender, heard = world.bus("sender", 1), await world.listener(world.bus("receiver", 0))
        for _ in range(40):
            world.network.freeze_server(1)
            await sender.publish("a", b"early")
            await asyncio.sleep(2.5)  # the pings are overdue, and another server is there
            await sender.publish("a", b"late")
            await asyncio.sleep(0.5)
            world.network.start_server(1)
            await asyncio.sleep(0.5)
            if heard[-2:] == [b"late", b"early"]:
                return
        pytest.fail("order was always kept")

    story(work)


def test_a_request_is_answered_times_out_or_hears_that_nobody_listens():
    async def work(world):
        asker, answerer = world.bus("asker"), world.bus("answerer")

        async def answer(_subject, data, reply):
            if data != b"silence":
                await answerer.publish(reply, data.upper())

        await answerer.subscribe("a", answer)
        assert await asker.request("a", b"x", 1.0) == b"X"
        with pytest.raises(BusTimeoutError):
            await asker.request("a", b"silence", 1.0)
        with pytest.raises(NoRespondersError):
            await asker.request("b", b"x", 1.0)
        answerer.vanish()
        with pytest.raises(NoRespondersError):
            await asker.request("a", b"x", 1.0)

    story(work)


def test_links_are_cut_in_one_direction():
    async def work(world):
        one, two = world.bus("one"), world.bus("two")
        by_one, by_two = await world.listener(one, "to-one"), await world.listener(two, "to-two")
        world.network.cut.add(("one", "two"))
        await one.publish("to-two", b"x")
        await two.publish("to-one", b"y")
        await asyncio.sleep(1)
        assert (by_one, by_two) == ([b"y"], [])

    story(work)


def test_a_stopped_server_disconnects_its_clients_which_find_another():
    async def work(world):
        near, far = world.bus("near", 0), world.bus("far", 1)
        heard = await world.listener(near)
        world.network.stop_server(0)
        assert not near.connected
        with pytest.raises(BusDisconnectedError):
            await near.request("a", b"x", 1.0)
        await far.publish("a", b"unheard")
        await asyncio.sleep(1)
        assert near.connected
        await far.publish("a", b"heard")
        await asyncio.sleep(1)
        assert heard == [b"heard"]

    story(work)


def test_a_subscription_that_overflows_drops_and_tells_its_owner():
    async def work(world):
        world.network.pending_max = 10
        sender, receiver, overflows = world.bus("sender"), world.bus("receiver"), []

        async def slow(_subject, _data, _reply):
            await asyncio.sleep(10)

        await receiver.subscribe("a", slow, on_overflow=lambda: overflows.append(1))
        for data in numbers(world.network.pending_max + 10):
            await sender.publish("a", data)
        await asyncio.sleep(1)
        assert overflows

    story(work)


def test_of_a_queue_group_one_is_chosen():
    async def work(world):
        sender = world.bus("sender")
        heard = [await world.listener(world.bus(name), queue="group") for name in ("one", "two", "three")]
        for data in numbers(60):
            await sender.publish("a", data)
        await asyncio.sleep(1)
        assert sum(map(len, heard)) == 60
        assert all(heard)

    story(work)
