"""Design §3, Reads: one ask for all that wait at one moment, never joining one already sent."""

import asyncio

import pytest

from lictor_bus import NoLeaderError, frames
from lictor_state.commands import KVSet


def test_reads_of_one_moment_share_one_ask(in_world):
    async def story(world):
        answers = await asyncio.gather(*(world.gate.ask(consistent=False) for _ in range(50)))
        assert world.store.asks == 1
        assert {one.applied for one in answers} == {world.store.store.index}

    in_world(story)


def test_a_read_never_joins_an_ask_already_sent(in_world):
    async def story(world):
        early = asyncio.ensure_future(world.gate.ask(consistent=False))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        written = await world.store.apply(KVSet("a", b"1"))
        late = await world.gate.ask(consistent=False)
        await early
        assert late.applied >= written.index
        assert world.store.asks == 2

    in_world(story)


def test_of_two_that_wait_for_more_readers_only_one_asks(in_world):
    async def story(world):
        await asyncio.gather(*(world.gate.ask(consistent=False) for _ in range(50)))  # so many are usual from now on
        await world.gate.ask(consistent=False)
        await asyncio.sleep(0.01)
        assert world.store.asks == 2

    in_world(story)


def test_a_read_without_a_leader_ends_in_bounded_time(in_world):
    async def story(world):
        world.store.leading = False
        with pytest.raises(NoLeaderError):
            await world.gate.ask(consistent=True)

    in_world(story)


def test_consistent_asks_under_way_hold_up_no_default_one(in_world, monkeypatch):
    async def story(world):
        answered = world.bus.request

        async def without_a_quorum(subject, data, timeout_s):
            if frames.decode(data, frames.ReadAsk).consistent:
                await asyncio.Event().wait()
            return await answered(subject, data, timeout_s)

        monkeypatch.setattr(world.bus, "request", without_a_quorum)
        slow = []
        for _ in range(8):
            slow.append(asyncio.ensure_future(world.gate.ask(consistent=True)))
            await asyncio.sleep(0.001)
        async with asyncio.timeout(1):
            assert (await world.gate.ask(consistent=False)).status == "ok"
        assert not any(one.done() for one in slow)
        for one in slow:
            one.cancel()

    in_world(story)
