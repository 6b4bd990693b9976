"""Time that jumps, processes that are held, and the two ways of hanging."""

import asyncio

import pytest

from lictor_sim.virtual_loop import DeadlockError, Owner, RunawayError, VirtualLoop


def run(story, loop=None):
    loop = loop or VirtualLoop()
    try:
        return loop.run_until_complete(story(loop))
    finally:
        loop.end([])


def test_an_hour_of_sleep_takes_no_time():
    async def story(loop):
        await asyncio.sleep(3600)
        return loop.time()

    assert run(story) == 3600


def test_timers_of_one_moment_run_in_the_order_in_which_they_were_asked_for():
    async def story(loop):
        ran: list[int] = []
        for number in range(50):
            loop.call_at(1.0, ran.append, number)
        await asyncio.sleep(2)
        return ran

    assert run(story) == list(range(50))


def test_asyncio_works_as_always():
    async def story(_loop):
        queue: asyncio.Queue[int] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(queue.put(7))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 5)
        async with asyncio.timeout(1):
            return await queue.get()

    assert run(story) == 7


def test_waiting_for_what_cannot_come_is_a_deadlock():
    async def story(_loop):
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match=r"at 0\.0"):
        run(story)


def test_a_loop_that_never_sleeps_is_found():
    async def story(_loop):
        while True:  # noqa: ASYNC110  that is the point
            await asyncio.sleep(0)

    with pytest.raises(RunawayError, match="time stands still"):
        run(story)


def counting(loop, owner, ticks):
    async def count():
        while True:
            await asyncio.sleep(1)
            ticks.append(loop.time())

    loop.create_task(count(), context=owner.context)


def test_timers_run_at_the_rate_of_their_owners_clock():
    async def story(loop):
        fast: list[float] = []
        slow: list[float] = []
        counting(loop, Owner("fast", 2.0), fast)
        counting(loop, Owner("slow", 0.5), slow)
        await asyncio.sleep(10.1)
        return len(fast), len(slow)

    assert run(story) == (20, 5)


def test_what_is_due_for_a_held_owner_waits_until_it_is_released():
    async def story(loop):
        owner = Owner("held")
        heard: list[str] = []
        loop.call_at(1.0, heard.append, "timer", context=owner.context)
        loop.hold(owner)
        await asyncio.sleep(2)
        loop.call_soon(heard.append, "message", context=owner.context)
        await asyncio.sleep(0)
        assert heard == []
        loop.release(owner)
        await asyncio.sleep(0)
        return heard

    assert run(story) == ["timer", "message"]


def test_a_released_owner_may_hear_its_timers_first():
    async def story(loop):
        owner = Owner("held")
        heard: list[str] = []
        loop.hold(owner)
        loop.call_soon(heard.append, "message", context=owner.context)
        loop.call_at(1.0, heard.append, "timer", context=owner.context)
        await asyncio.sleep(2)
        loop.release(owner, timers_first=True)
        await asyncio.sleep(0)
        return heard

    assert run(story) == ["timer", "message"]


def test_a_killed_process_runs_no_finally_while_the_world_goes_on_and_ends_with_the_loop():
    loop, owner, said = VirtualLoop(), Owner("killed"), []

    async def process():
        try:
            await asyncio.sleep(5)
        finally:
            said.append("finally")

    async def story():
        loop.create_task(process(), context=owner.context)
        await asyncio.sleep(1)
        loop.hold(owner)
        await asyncio.sleep(100)
        assert said == []

    loop.run_until_complete(story())
    loop.end([owner])
    assert said == ["finally"]
    assert loop.is_closed()
