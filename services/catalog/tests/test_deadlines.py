"""Many waits share a timer, and each ends when its time is up, hardly later and never sooner."""

import asyncio
import random

from api_fixture import story, until

from lictor_catalog.deadlines import FINE_STEP_S, SHORT_S, STEP_S, Deadlines

LATE_S = 0.5
"""What a busy machine may add."""


@story
async def test_waits_end_in_order_not_sooner_than_asked_and_within_a_step() -> None:
    loop = asyncio.get_running_loop()
    ended: dict[str, float] = {}
    deadlines = Deadlines[str](lambda one: ended.update({one: loop.time()}))
    asked = {"a": 0.02, "b": 0.05, "c": 0.3, "d": SHORT_S, "e": 0.0}
    began = loop.time()
    promised = {one: deadlines.add(one, seconds) for one, seconds in asked.items()}
    for one, seconds in asked.items():
        step = FINE_STEP_S if seconds < SHORT_S else STEP_S
        assert seconds <= promised[one] - began <= seconds + step + LATE_S / 2
    await until(lambda: len(ended) == len(asked), pause_s=0.001)
    assert list(ended) == ["e", "a", "b", "c", "d"]
    for one, at in ended.items():
        assert promised[one] - 0.002 <= at <= promised[one] + LATE_S  # the loop's clock counts milliseconds


@story
async def test_thousands_take_as_many_timers_as_there_are_steps_and_leave_none_behind() -> None:
    dice = random.Random(5)
    deadlines = Deadlines[int](lambda _one: None)
    waits = {one: deadlines.add(one, 60 * (1 + dice.random() / 16)) for one in range(5000)}
    assert len(deadlines._timers) <= 60 / 16 / STEP_S + 2
    timers = list(deadlines._timers.values())
    order = list(waits)
    dice.shuffle(order)
    for one in order:
        deadlines.remove(one, waits[one])
        deadlines.remove(one, waits[one])
    assert not deadlines._timers
    assert not deadlines._waiting
    assert all(timer.cancelled() for timer in timers)


@story
async def test_what_one_raises_when_its_time_is_up_keeps_no_other_waiting() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(str(context["exception"])))

    def up(one: str) -> None:
        if one == "a":
            raise ValueError("a's matter")
        told.append(one)

    deadlines = Deadlines[str](up)
    at = {deadlines.add(one, SHORT_S) for one in "abc"}
    assert len(at) <= 2
    await until(lambda: len(told) == 3, pause_s=0.001)
    assert sorted(told) == ["a's matter", "b", "c"]
    assert not deadlines._timers
