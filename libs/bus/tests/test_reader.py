"""Design §3, Reads: one ask for all that wait at one moment, never joining one already sent."""

import asyncio

import pytest

from lictor_bus import NoLeaderError
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


def test_a_read_without_a_leader_ends_in_bounded_time(in_world):
    async def story(world):
        world.store.leading = False
        with pytest.raises(NoLeaderError):
            await world.gate.ask(consistent=True)

    in_world(story)
