"""Design §4 over the bus: reports, the leader's own question, what it decides, and what it tells of it."""

import asyncio

import pytest
from store_members import Cluster, run, until

from lictor_bus import FakeBus, Presence, frames, subjects
from lictor_bus.frames import AliveAnswer, FailureReport, HoldRequest
from lictor_bus.store_operator import StoreOperator
from lictor_raft_store.leader_duties import failure_judge
from lictor_state import commands as c

NODES = [f"n{number}" for number in range(8)]


class Pool:
    """Gossips of nodes: present on the bus, reporting, and answering the leader unless they are silent."""

    def __init__(self, cluster: Cluster, client, cluster_id):
        self.bus, self.client, self.cluster_id = FakeBus(cluster.hub), client, cluster_id
        self.presences: dict[str, Presence] = {}
        self.buses: list[FakeBus] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.failed: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[str] = []

    async def start(self, names):
        for name in names:
            index = await self.client.proposer.propose(
                c.AgentJoin(name, f"id-{name}", f"run-{name}", "1.1.1.1", 1, "dc1")
            )
            assert not index.result.error
            bus = FakeBus(self.bus.hub)
            presence = self.presences[name] = Presence(bus, "gossip", name, f"run-{name}")
            self.buses.append(bus)
            self.tasks.append(asyncio.ensure_future(presence.run()))
            await bus.subscribe(subjects.node_question(self.cluster_id, name), self._answer(bus, name))
        self.tasks.append(asyncio.ensure_future(self._report()))

    def _answer(self, bus, name):
        async def answer(_subject, _data, reply):
            self.asked.append(name)
            if name not in self.silent:
                await bus.publish(reply, frames.encode(AliveAnswer(name, f"run-{name}")))

        return answer

    async def _report(self):
        while True:
            for name in self.presences:
                others = tuple(one for one in self.presences if one != name)
                failed = dict.fromkeys(self.failed - {name}, 1)
                report = FailureReport(self.cluster_id, name, f"run-{name}", 0, failed, others)
                if name not in self.silent:
                    await self.bus.publish(subjects.failure_reports(self.cluster_id), frames.encode(report))
            await asyncio.sleep(0.1)

    async def close(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for bus in (*self.buses, self.bus):
            await bus.close()

    def status(self, name):
        row = self.client.view.store.agent(name)
        return row.status if row else ""

    async def judgements(self):
        operator = StoreOperator(self.client.bus, self.client.tracker)
        leader = next((one for one in await operator.statuses() if one.role == "leader"), None)
        return {one.node: one for one in leader.judgements} if leader else {}


@pytest.fixture
def story(tmp_path, monkeypatch):
    """Runs a story with a pool of so many nodes."""
    monkeypatch.setattr(failure_judge, "NEW_LEADER_WAIT_S", 0.5)

    def tell(size, told):
        async def main(cluster, client):
            pool = Pool(cluster, client, client.tracker.cluster)
            try:
                await pool.start(NODES[:size])
                await until(lambda: all(pool.status(name) == "alive" for name in NODES[:size]))
                await told(pool, cluster)
            finally:
                await pool.close()

        run(tmp_path, main)

    return tell


def test_a_node_that_reporters_find_failed_is_asked_and_its_silence_decides(story):
    async def told(pool, _cluster):
        pool.silent, pool.failed = {"n3"}, {"n3"}
        await until(lambda: pool.status("n3") == "failed")
        assert "n3" in pool.asked
        check = pool.client.view.store.check("n3", "serfHealth")
        assert check.status == "critical"
        assert check.output.startswith("reported failed by n")
        assert [pool.status(name) for name in NODES[:3]] == ["alive"] * 3
        pool.failed, pool.silent = set(), set()
        await until(lambda: pool.status("n3") == "alive")

    story(4, told)


def test_a_node_that_answers_stays_is_shown_as_disputed_and_counted(story):
    async def told(pool, cluster):
        pool.failed = {"n2"}

        async def disputed():
            found = await pool.judgements()
            return found.get("n2") if "n2" in found and found["n2"].disputed else None

        async with asyncio.timeout(10):
            while (judged := await disputed()) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert set(judged.found_by) <= {"n0", "n1", "n3"}
        assert (len(judged.found_by) >= 2, judged.watchers) == (True, 3)
        assert cluster.running[cluster.leader()].member.leadership._metrics.disputed._value.get() == 1
        assert pool.status("n2") == "alive"

    story(4, told)


def test_nodes_that_gossip_does_not_know_are_never_judged(story):
    async def told(pool, _cluster):
        done = await pool.client.proposer.propose(c.CatalogRegister("external", "9.9.9.9", "dc1"))
        assert not done.result.error
        pool.failed, pool.silent = {"external", "n3"}, {"n3"}
        await until(lambda: pool.status("n3") == "failed")  # the same reports had an effect
        assert "external" not in pool.asked
        assert pool.client.view.store.node("external") is not None
        assert pool.client.view.store.check("external", "serfHealth") is None
        assert pool.status("external") == ""

    story(4, told)


def test_a_node_that_stops_on_purpose_is_held_and_that_is_told(story):
    async def told(pool, _cluster):
        await pool.bus.publish(subjects.holds(pool.cluster_id), frames.encode(HoldRequest("n1", "run-n1")))
        pool.failed, pool.silent = {"n1", "n3"}, {"n1", "n3"}
        await until(lambda: pool.status("n3") == "failed")
        assert pool.status("n1") == "alive"
        assert 10 < (await pool.judgements())["n1"].held_s <= failure_judge.HOLD_S

    story(5, told)


def test_the_brake_holds_when_most_of_a_pool_would_fail_and_says_so_until_an_operator_confirms(story):
    async def told(pool, cluster):
        lost = set(NODES[3:])
        pool.failed, pool.silent = lost, set(lost)
        leadership = cluster.running[cluster.leader()].member.leadership
        await until(leadership.hold_reason)
        await until(lambda: leadership._metrics.decisions_held._value.get() == 1)
        assert [pool.status(name) for name in NODES] == ["alive"] * 8
        await until(lambda: "most of the pool" in (pool.client.tracker.beacon.held or ""))
        assert await StoreOperator(pool.client.bus, pool.client.tracker).order("confirm-brake") == ""
        await until(lambda: all(pool.status(name) == "failed" for name in lost))
        await until(lambda: leadership._metrics.decisions_held._value.get() == 0)

    story(8, told)
