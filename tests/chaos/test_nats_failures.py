"""A NATS server dies or freezes under a running store: at most one election, a short gap, nothing acknowledged lost."""

import asyncio
import time

import pytest

from tests.chaos.real_cluster import RealCluster, wait_until
from tests.chaos.steady_writer import SteadyWriter

pytestmark = pytest.mark.chaos

GAP_S_MAX = 5.0
"""Detection 0.6 s, an election of up to two timeouts of a second, and a busy machine; usually well below one second."""

LANES = ("off", "on")


def run_story(tmp_path, story, lane="off", **options):
    async def main(cluster):
        await asyncio.to_thread(cluster.start)
        await asyncio.to_thread(cluster.leader)
        writer = SteadyWriter(cluster.nats_url(3))
        await writer.start()
        await writer.until_more(200)
        try:
            await asyncio.wait_for(story(cluster, writer), 90)
        finally:
            await writer.finish()

    with RealCluster(tmp_path, nats=3, stores=3, settings={"LICTOR_DIRECT": lane}, **options) as cluster:
        asyncio.run(main(cluster))


def server_of(cluster, *, leads):
    """The NATS server of the leader, or of a follower; never the writer's own, so that the gap is the store's."""
    leader = cluster.leader()
    for store in cluster.named("raft-store"):
        server = cluster.nats_of(store.name)
        if (store.name == leader) is leads and (leads or server != cluster.nats_of(leader)):
            return server
    raise AssertionError("no such server")


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("leads", [True, False], ids=["leader's", "follower's"])
@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_one_nats_server_of_three_costs_at_most_one_election_and_no_acknowledged_write(tmp_path, how, leads, lane):
    async def story(cluster, writer):
        term = await asyncio.to_thread(cluster.term)
        server = await asyncio.to_thread(server_of, cluster, leads=leads)
        began = time.monotonic()
        getattr(cluster, how)(server)
        await asyncio.sleep(
            3
        )  # the failure's whole effect, not a wait for a condition: what is judged is the gap in it
        await writer.until_more(100)
        gap_s = writer.longest_gap_s(began)
        elections = await asyncio.to_thread(cluster.term) - term
        print(f"{how} of the {'leader' if leads else 'follower'}'s NATS, direct lane {lane}: "
              f"longest gap {gap_s * 1000:.0f} ms, {elections} elections, {len(writer.failed)} failed")  # fmt: skip
        assert gap_s < GAP_S_MAX
        assert elections <= 1
        if how == "freeze":
            cluster.thaw(server)
        await writer.until_more(50)
        await writer.finish()
        assert await writer.missing(cluster.nats_url(2)) == set()

    run_story(tmp_path, story, lane)


def test_with_direct_lanes_a_leader_without_nats_hands_over_to_a_member_that_has_it(tmp_path):
    async def story(cluster, writer):
        leader = await asyncio.to_thread(cluster.leader)
        began = time.monotonic()
        cluster.freeze(f"nats-{leader.rsplit('-', 1)[1]}")
        another = await asyncio.to_thread(
            wait_until, lambda: (now := cluster.find_leader()) not in {"", leader} and now, 15, "another leader"
        )
        print(f"{leader} handed over to {another} after {time.monotonic() - began:.1f} s")
        assert "leadership is handed over" in cluster.programs[leader].log.read_text()

    run_story(tmp_path, story, "on", own_nats_only=True)


def test_with_direct_lanes_and_no_nats_at_all_the_leader_stays_and_goes_on_when_nats_is_back(tmp_path):
    async def story(cluster, writer):
        leader, term = await asyncio.to_thread(cluster.leader), await asyncio.to_thread(cluster.term)
        servers = [one.name for one in cluster.named("nats")]
        cluster.freeze(*servers)
        await asyncio.sleep(4)  # four election timeouts, in which nothing may happen
        assert await asyncio.to_thread(cluster.find_leader) == leader
        assert await asyncio.to_thread(cluster.term) == term
        cluster.thaw(*servers)
        await writer.until_more(100)
        await writer.finish()
        assert await writer.missing(cluster.nats_url()) == set()
        assert await asyncio.to_thread(cluster.term) == term

    run_story(tmp_path, story, "on")
