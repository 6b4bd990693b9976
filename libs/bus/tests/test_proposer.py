"""Design rules 3.2 and 3.3: batches, numbers, retries, and errors that say what is known."""

import asyncio
from typing import Any

import pytest

from lictor_bus import NoLeaderError, NoSpaceError, OutcomeUnknownError, OverloadedError, Proposer, frames
from lictor_bus.frames import ProposeAnswer, ProposeBatch
from lictor_state.commands import KVDelete, KVSet, Txn, TxnKV
from lictor_state.rows import KVRow
from lictor_state.txn_outcome import decode_outcome


def test_a_command_comes_back_with_its_index_and_result(in_world):
    async def story(world):
        first = await world.proposer.propose(KVSet("a", b"1"))
        second = await world.proposer.propose(KVSet("a", b"2", cas=0))
        assert (first.result.value, second.result.value) == (True, False)
        assert second.index > first.index

    in_world(story)


def test_commands_that_wait_at_one_moment_travel_as_one_message(in_world):
    async def story(world):
        await world.proposer.propose(KVSet("warm", b"up"))
        world.store.batches.clear()
        await asyncio.gather(*(world.proposer.propose(KVSet(f"k{n}", b"x")) for n in range(100)))
        assert world.store.batches == [100]

    in_world(story)


def test_writers_who_were_answered_together_go_together_again_though_they_come_in_several_turns(in_world):
    async def story(world):
        async def come_later(turns):
            for _ in range(turns):
                await asyncio.sleep(0)
            await world.proposer.propose(KVSet(f"later{turns}", b"x"))

        await asyncio.gather(*(world.proposer.propose(KVSet(f"k{n}", b"x")) for n in range(5)))
        world.store.batches.clear()
        await asyncio.gather(*map(come_later, range(5)))
        assert world.store.batches == [5]

    in_world(story)


def test_commands_whose_answers_would_not_fit_into_one_message_travel_in_several(in_world):
    async def story(world):
        await world.proposer.propose(KVSet("big", b"x" * 500_000))
        world.store.batches.clear()
        reading = Txn((TxnKV("set", "a"), TxnKV("get", "big")))
        done = await asyncio.gather(*(world.proposer.propose(reading) for _ in range(3)))
        assert world.store.batches == [1, 1, 1]
        assert [len(one.result.more) > 500_000 for one in done] == [True] * 3

    in_world(story)


def test_a_lost_answer_is_asked_again_and_applied_once(in_world, monkeypatch):
    monkeypatch.setattr("lictor_bus.proposer.ATTEMPT_TIMEOUT_S", 0.1)

    async def story(world):
        await world.proposer.propose(KVSet("warm", b"up"))
        world.store.lose_answers = 2
        done = await world.proposer.propose(KVSet("a", b"1", cas=0))
        assert done.result.value is True  # a second application would have answered False
        assert world.store.store.kv("a").create_index == done.index

    in_world(story)


def test_a_transaction_whose_answer_was_lost_shows_what_it_showed_the_first_time(in_world, monkeypatch):
    monkeypatch.setattr("lictor_bus.proposer.ATTEMPT_TIMEOUT_S", 0.1)

    async def story(world):
        await world.proposer.propose(KVSet("a", b"before"))
        world.store.lose_answers = 2
        done = await world.proposer.propose(
            Txn((TxnKV("get", "a"), TxnKV("cas", "new", b"1"), TxnKV("set", "a", b"x")))
        )
        rows = decode_outcome(done.result.more).results
        assert [row.value for row in rows if isinstance(row, KVRow)] == [
            b"before",
            None,
            None,
        ]  # a second run would have refused the cas
        assert world.store.store.kv("new").create_index == done.index

    in_world(story)


def test_no_leader_within_the_limit_is_told_as_consul_tells_it(in_world):
    async def story(world):
        await world.tracker.start()
        with pytest.raises(NoLeaderError, match=r"^No cluster leader$"):
            await world.proposer.propose(KVSet("a", b"1"), timeout_s=0.2)

    in_world(story, start=False)


def test_a_command_sent_but_never_answered_has_an_unknown_outcome(in_world):
    async def story(world):
        await world.proposer.propose(KVSet("warm", b"up"))
        world.store.lose_answers = 1000
        with pytest.raises(OutcomeUnknownError, match=r"^outcome unknown$"):
            await world.proposer.propose(KVSet("a", b"1"), timeout_s=0.2)
        world.store.lose_answers = 0
        assert (await world.proposer.propose(KVSet("b", b"1"))).result.value is True

    in_world(story)


def test_a_proposer_that_the_state_forgot_registers_anew(in_world):
    async def story(world):
        await world.proposer.propose(KVSet("a", b"1"))
        fresh = type(world.store)(world.store.bus)
        world.store.store = fresh.store  # a state that knows no proposer
        with pytest.raises(OutcomeUnknownError):
            await world.proposer.propose(KVSet("b", b"1"))
        assert (await world.proposer.propose(KVDelete("zzz"))).result.value is True

    in_world(story)


def test_a_new_leader_gets_what_the_old_one_never_answered(in_world):
    async def story(world):
        await world.proposer.propose(KVSet("warm", b"up"))
        world.store.lose_answers = 1
        asking = asyncio.ensure_future(world.proposer.propose(KVSet("a", b"1", cas=0)))
        await asyncio.sleep(0.05)
        assert not asking.done()
        world.store.term += 1
        await world.store.beacon()
        assert (await asyncio.wait_for(asking, 2)).result.value is True

    in_world(story)


def test_an_answer_lost_with_the_leaders_nats_connection_is_asked_for_again_at_its_next_beacon(in_world):
    async def story(world):
        await world.proposer.propose(KVSet("warm", b"up"))
        world.store.lose_answers = 1
        writing = asyncio.ensure_future(world.proposer.propose(KVSet("a", b"1", cas=0)))
        while world.store.lose_answers:  # noqa: ASYNC110  a test may poll
            await asyncio.sleep(0)
        world.store.bus.reconnects += 1
        await world.store.beacon()
        done = await asyncio.wait_for(writing, 1.0)  # and not after the attempt's timeout of five
        assert done.result.value is True

    in_world(story)


def test_a_leader_without_space_is_told_at_once_in_its_own_words_and_asked_again_with_the_next_command(in_world):
    async def story(world):
        world.store.refuse_with = ProposeAnswer("no-space", reason="No space left for the log of server-2")
        with pytest.raises(NoSpaceError, match=r"^No space left for the log of server-2$"):
            await world.proposer.propose(KVSet("a", b"1"))  # not registered yet
        world.store.refuse_with = None
        await world.proposer.propose(KVSet("warm", b"up"))
        world.store.refuse_with = ProposeAnswer("no-space", reason="No space left for the log of server-2")
        with pytest.raises(NoSpaceError):
            await world.proposer.propose(KVSet("a", b"1"))
        world.store.refuse_with = None
        assert (await world.proposer.propose(KVSet("a", b"2", cas=0))).result.value is True

    in_world(story)


def test_no_space_after_an_answer_that_was_lost_leaves_the_outcome_unknown(in_world, monkeypatch):
    monkeypatch.setattr("lictor_bus.proposer.ATTEMPT_TIMEOUT_S", 0.1)

    async def story(world):
        await world.proposer.propose(KVSet("warm", b"up"))
        world.store.lose_answers = 1
        asked = asyncio.ensure_future(world.proposer.propose(KVSet("a", b"1")))
        async with asyncio.timeout(5):
            while world.store.lose_answers:  # noqa: ASYNC110  the fake tells nobody
                await asyncio.sleep(0.001)
        world.store.refuse_with = ProposeAnswer("no-space", reason="No space left")
        with pytest.raises(OutcomeUnknownError):
            await asked

    in_world(story)


def test_submitted_commands_are_told_what_propose_returns_and_raises(in_world):
    async def story(world):
        told: list[Any] = []
        world.proposer.submit(KVSet("a", b"1"), told.append)
        await world.proposer.propose(KVSet("b", b"1"))
        assert [one.result.value for one in told] == [True]
        world.store.lose_answers = 1000
        world.proposer.submit(KVSet("a", b"2"), told.append, timeout_s=0.05)
        await asyncio.sleep(0.2)
        assert isinstance(told[1], OutcomeUnknownError)
        world.store.lose_answers = 0

    in_world(story)


def test_a_command_that_is_forgotten_before_it_is_sent_never_is(in_world):
    async def story(world):
        await world.proposer.propose(KVSet("warm", b"up"))
        told: list[Any] = []
        world.proposer.forget(world.proposer.submit(KVSet("a", b"1"), told.append))
        await world.proposer.propose(KVSet("b", b"1"))
        assert world.store.store.kv("a") is None
        assert told == []
        assert world.proposer.waiting == 0

    in_world(story)


def test_more_than_may_wait_is_refused_at_once_and_what_waits_is_told(in_world, monkeypatch):
    monkeypatch.setattr("lictor_bus.proposer.WAITING_MAX", 3)

    async def story(world):
        told: list[Any] = []
        for number in range(3):
            world.proposer.submit(KVSet(f"k{number}", b"1"), told.append, timeout_s=0.1)
        with pytest.raises(OverloadedError):
            world.proposer.submit(KVSet("k3", b"1"), told.append)
        await asyncio.sleep(0.2)
        assert [type(one) for one in told] == [NoLeaderError] * 3

    in_world(story, start=False)


def test_the_window_of_unanswered_commands_is_never_passed(in_world, monkeypatch):
    monkeypatch.setattr("lictor_bus.proposer.UNANSWERED_MAX", 4)

    async def story(world):
        await world.proposer.propose(KVSet("warm", b"up"))
        world.store.batches.clear()
        done = await asyncio.gather(*(world.proposer.propose(KVSet(f"k{n}", b"x", cas=0)) for n in range(30)))
        assert all(one.result.value for one in done)
        assert max(world.store.batches) <= 4
        assert sum(world.store.batches) == 30

    in_world(story)


def test_changes_that_an_answer_brings_are_handed_on_before_it_is_told(in_world):
    async def story(world):
        heard: list[Any] = []
        proposer = Proposer(world.bus, world.tracker, "with feed", feed=heard.append)
        world.spawn(proposer.run())
        await proposer.propose(KVSet("warm", b"up"))
        request = proposer._lane.request

        async def answer(member, verb, data, timeout_s):
            assert frames.decode(data, ProposeBatch).with_feed
            answered = frames.decode(await request(member, verb, data, timeout_s), ProposeAnswer)
            brought = ProposeAnswer("ok", answered.leader, answered.term, answered.results, feed=[b"changes"])
            return frames.encode(brought)

        proposer._lane.request = answer  # type: ignore[method-assign]
        proposer.submit(KVSet("a", b"1"), heard.append)
        await proposer.propose(KVSet("b", b"1"))
        assert heard[0] == b"changes"
        assert heard[1].result.value is True

    in_world(story)
