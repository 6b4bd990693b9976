"""A cancel that arrives together with what was waited for ends the task all the same."""

import asyncio
import itertools
from types import SimpleNamespace
from typing import Any

from lictor_raft_store.leader_duties.leadership import Leadership
from lictor_raft_store.store_api import StoreApi
from lictor_state.commands import KVSet
from lictor_state.levels import LEVEL_MAX


async def ends(task):
    task.cancel()
    await asyncio.wait([task], timeout=1)
    return task.cancelled()


def test_the_leaders_rounds_end_though_they_are_woken_at_that_moment():
    async def story():
        leadership = object.__new__(Leadership)
        leadership._wake, leadership.judge = asyncio.Event(), None
        rounds = asyncio.ensure_future(leadership._rounds())
        await asyncio.sleep(0.01)
        leadership._wake.set()
        assert await ends(rounds)

    asyncio.run(story())


def test_a_proposal_of_its_own_ends_though_it_is_answered_at_that_moment():
    async def story():
        api: Any = object.__new__(StoreApi)
        api.room = SimpleNamespace(reason="")
        store = SimpleNamespace(level=LEVEL_MAX)
        api.driver = SimpleNamespace(machine=SimpleNamespace(store=store), wake=lambda: None)
        api._own, api._own_ids, api._proposals = {}, itertools.count(), []
        proposing = asyncio.ensure_future(api.propose_own(KVSet("k", b"v")))
        await asyncio.sleep(0.01)
        next(iter(api._own.values())).set_result(None)
        assert await ends(proposing)

    asyncio.run(story())
