"""Renewals go to the leader, whoever that is by now, and end in bounded time."""

import pytest

from lictor_bus import NoLeaderError, frames, subjects
from lictor_bus.fake_store import CLUSTER, MEMBER_ID
from lictor_bus.session_renewals import VERB, RenewAnswer, RenewAsk, SessionRenewals


class Renewer:
    """A member that answers renewals."""

    def __init__(self, world, member, *answers):
        self.bus, self.subject = world.store.bus, subjects.member(CLUSTER, member, VERB)
        self.answers = list(answers)
        self.asked = []

    async def open(self):
        await self.bus.subscribe(self.subject, self.answer)

    async def answer(self, _subject, data, reply):
        self.asked.append(frames.decode(data, RenewAsk))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await self.bus.publish(reply, frames.encode(answer))


def test_the_leader_says_whether_the_session_is_there(in_world):
    async def story(world):
        leader = Renewer(world, MEMBER_ID, RenewAnswer("ok"), RenewAnswer("unknown"))
        await leader.open()
        renewals = SessionRenewals(world.bus, world.tracker)
        assert await renewals.renew("s") is True
        assert await renewals.renew("t") is False
        assert leader.asked == [RenewAsk(CLUSTER, "s"), RenewAsk(CLUSTER, "t")]

    in_world(story)


def test_a_member_that_does_not_lead_any_more_names_the_one_that_does(in_world):
    async def story(world):
        old = Renewer(world, MEMBER_ID, RenewAnswer("not-leader", MEMBER_ID + 1, 9))
        new = Renewer(world, MEMBER_ID + 1, RenewAnswer("ok"))
        await old.open()
        await new.open()
        assert await SessionRenewals(world.bus, world.tracker).renew("s") is True

    in_world(story)


def test_a_leader_that_is_not_ready_yet_is_asked_again(in_world):
    async def story(world):
        leader = Renewer(world, MEMBER_ID, RenewAnswer("not-leader"), RenewAnswer("not-leader"), RenewAnswer("ok"))
        await leader.open()
        assert await SessionRenewals(world.bus, world.tracker).renew("s") is True

    in_world(story)


def test_without_a_leader_it_ends_in_bounded_time(in_world):
    async def story(world):
        with pytest.raises(NoLeaderError):
            await SessionRenewals(world.bus, world.tracker, give_up_s=0.2).renew("s")

    in_world(story)
