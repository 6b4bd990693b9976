"""Design rule 3.9 at the member: changes while they are kept, else snapshots, two at a time."""

import asyncio

import msgspec
import pytest

from lictor_bus import FakeBus, Hub, frames
from lictor_bus.frames import ResumeAnswer, ResumeAsk
from lictor_raft_store.feed_log import FeedLog
from lictor_raft_store.resume_api import SESSION_IDLE_S, ResumeApi
from lictor_state import Store, apply
from lictor_state.commands import Envelope, KVSet


class Served:
    """One member's answers, with a clock of its own."""

    def __init__(self):
        self.now = 100.0
        self.store = Store("c")
        for number in range(1, 4):
            apply(self.store, number, Envelope(0, 0, 0, KVSet(f"k{number}", b"x")))
        self.bus = FakeBus(Hub())
        feed_log = FeedLog(self.store.index, 1000)
        self.api = ResumeApi(self.bus, "c", lambda: (self.store, feed_log), lambda: self.now)

    async def ask(self, **more):
        asked = msgspec.structs.replace(ResumeAsk("c", "all", 0, 0, 3), **more)
        await self.bus.subscribe("here", self.api.answer)
        data = await self.bus.request("here", frames.encode(asked), 1.0)
        for one in self.bus.hub.subscriptions[:]:
            await one.close()
        return frames.decode(data, ResumeAnswer)


@pytest.fixture
def in_a_loop():
    def run(story):
        async def main():
            await story(Served())

        asyncio.run(main())

    return run


def test_a_snapshot_is_fetched_in_parts_and_then_its_place_is_free(in_a_loop):
    async def story(member):
        for _ in range(3):
            offer = await member.ask()
            assert offer.status == "snapshot"
            for part in range(offer.parts):
                assert (await member.ask(session=offer.session, part=part)).status == "part"
        assert (await member.ask(session=offer.session, part=0)).status == "gone"

    in_a_loop(story)


def test_a_third_view_is_told_to_ask_another_until_an_abandoned_snapshot_is_forgotten(in_a_loop):
    async def story(member):
        offers = [await member.ask() for _ in range(2)]
        assert [one.status for one in offers] == ["snapshot"] * 2
        assert (await member.ask()).status == "busy"
        member.now += SESSION_IDLE_S
        assert (await member.ask(session=offers[1].session, part=0)).status == "part"
        assert (await member.ask()).status == "busy"
        member.now += 0.1
        assert (await member.ask()).status == "snapshot"
        assert (await member.ask(session=offers[0].session, part=0)).status == "gone"
        assert (await member.ask(session=offers[1].session, part=0)).status == "part"

    in_a_loop(story)


def test_a_member_behind_the_target_of_another_cluster_or_without_the_stream_declines(in_a_loop):
    async def story(member):
        for odd in ({"target": 4}, {"cluster": "other"}, {"stream": "odd"}):
            assert (await member.ask(**odd)).status == "declined"
        changes = await member.ask(epoch=1, index=3)
        assert (changes.status, changes.index, changes.groups) == ("changes", 3, [])

    in_a_loop(story)
