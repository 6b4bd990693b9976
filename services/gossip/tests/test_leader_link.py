"""Design §4, Reporters: when a member reports, what it answers the leader in person, and what its stop says."""

import asyncio
from typing import Any

import pytest
from serf_agents import until

from lictor_bus import FakeBus, Hub, LeaderTracker, View, frames
from lictor_bus.fake_store import FakeStore
from lictor_bus.frames import AliveAnswer, FailureReport, HoldRequest
from lictor_bus.subjects import failure_reports, holds, node_question
from lictor_gossip import leader_link
from lictor_gossip.leader_link import LeaderLink
from lictor_gossip.metrics import GossipMetrics
from lictor_gossip.reporting import LICTOR_TAG, REPORT_EVERY_S
from lictor_kit.metrics import Metrics
from lictor_swim import SerfMember, Status


def member(name, status=Status.ALIVE):
    return SerfMember(name, bytes(4), 8301, {LICTOR_TAG: "1"}, status, 0, bytes(6), 3, 0.0)


class FakeDriver:
    health_score = 2

    def __init__(self):
        self.listed = [member("n1"), member("n2"), member("n3", Status.FAILED)]

    def members(self):
        return self.listed


class Link:
    """A link whose reports are taken by a leader that a test plays."""

    def __init__(self, hub):
        self.store, self.bus, self.leader = FakeStore(FakeBus(hub)), FakeBus(hub), FakeBus(hub)
        self.tracker = LeaderTracker(self.bus)
        self.view = View(self.bus, self.tracker, "discovery")
        self.driver = FakeDriver()
        driver: Any = self.driver
        self.link = LeaderLink(self.bus, self.view, driver, "n1", "run-1", GossipMetrics(Metrics("gossip")))
        self.reports, self.held = [], []

    async def open(self):
        cluster = self.store.cluster
        await self.tracker.start()
        await self.store.open()
        await self.leader.subscribe(
            failure_reports(cluster), lambda _s, data, _r: self.reports.append(frames.decode(data, FailureReport))
        )
        await self.leader.subscribe(
            holds(cluster), lambda _s, data, _r: self.held.append(frames.decode(data, HoldRequest))
        )

    async def ask(self):
        raw = await self.leader.request(node_question(self.store.cluster, "N1"), b"", 0.3)
        return frames.decode(raw, AliveAnswer)


@pytest.fixture
def story(monkeypatch):
    """Runs a story with an open link; reports come every `every_s`."""

    def run(told, every_s):
        monkeypatch.setattr(leader_link, "REPORT_EVERY_S", every_s)
        monkeypatch.setattr(leader_link, "SPACING_S", 0.01)

        async def main():
            link = Link(Hub())
            await link.open()
            tasks = [asyncio.ensure_future(one.run()) for one in (link.view, link.link)]
            try:
                await until(lambda: link.reports, "the first report")
                await asyncio.wait_for(told(link), 10)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for bus in (link.bus, link.leader, link.store.bus):
                    await bus.close()

        asyncio.run(main())

    return run


def test_a_member_sends_its_whole_list_with_incarnations_and_its_own_health(story):
    async def told(link):
        assert link.reports[0] == FailureReport(link.store.cluster, "n1", "run-1", 2, {"n3": 3}, ("n2", "n3"), ())

    story(told, 60)


def test_it_reports_every_two_seconds_though_nothing_changes(story):
    async def told(link):
        await until(lambda: len(link.reports) >= 4, "three more")
        assert REPORT_EVERY_S == 2.0

    story(told, 0.05)


def test_it_reports_at_once_when_something_changes(story):
    async def told(link):
        before = len(link.reports)
        link.driver.listed = [member("n1"), member("n2", Status.FAILED), member("n3", Status.LEFT)]
        link.link.changed()
        await until(lambda: len(link.reports) > before, "a report on change")
        assert (link.reports[-1].failed, link.reports[-1].left) == ({"n2": 3}, ("n3",))

    story(told, 60)


def test_many_changes_at_once_are_one_report_and_large_pools_are_reported_too(story):
    async def told(link):
        link.driver.listed = [member(f"n{number}") for number in range(400)]
        await asyncio.sleep(0.03)
        before = len(link.reports)
        for _ in range(100):
            link.link.changed()
        await until(lambda: len(link.reports) > before, "a report of the large pool")
        assert len(link.reports) == before + 1
        assert 1 <= len(link.reports[-1].watched) <= 20

    story(told, 60)


def test_it_reports_to_each_new_leader_at_once_and_not_with_every_beacon(story):
    async def told(link):
        await link.store.beacon()  # the first that it hears: this leader is new to it
        await asyncio.sleep(0.05)
        before = len(link.reports)
        for _ in range(3):
            await link.store.beacon()
        await asyncio.sleep(0.05)
        assert len(link.reports) == before
        link.store.term += 1
        await link.store.beacon()
        await until(lambda: len(link.reports) == before + 1, "a report to the new leader")

    story(told, 60)


def test_it_answers_the_leaders_question_in_person_for_its_run_and_says_when_it_leaves(story):
    async def told(link):
        assert await link.ask() == AliveAnswer("n1", "run-1", leaving=False)
        link.link.leaving = True
        assert await link.ask() == AliveAnswer("n1", "run-1", leaving=True)

    story(told, 60)


def test_its_stop_asks_the_leader_to_hold_decisions_about_this_run(story):
    async def told(link):
        await link.link.hold()
        await until(lambda: link.held, "the hold")
        assert link.held == [HoldRequest("n1", "run-1")]

    story(told, 60)
