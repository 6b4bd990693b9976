"""The store of a running suite is hurt while clients work: no acknowledged write is lost or applied twice, no strong
read is stale, and a leader is back in time."""

import time

import pytest

from tests.chaos.histories import Clients, at_work
from tests.chaos.real_cluster import RealCluster, wait_until

pytestmark = pytest.mark.chaos

LEADER_BACK_S = 3.0


@pytest.fixture
def cluster(tmp_path):
    with RealCluster(tmp_path, nats=3, stores=3, catalogs=2) as running:
        running.start()
        running.leader()
        yield running


def catalogs(cluster):
    return [cluster.http(1), cluster.http(2)]


def test_the_leader_is_killed_four_times_and_is_replaced_each_time_within_three_seconds(cluster):
    with Clients(catalogs(cluster), seed=1) as clients:
        for _ in range(4):
            at_work(1.5)
            leader = cluster.leader()
            cluster.kill(leader)
            killed = time.monotonic()
            wait_until(cluster.find_leader, LEADER_BACK_S, "a new leader")
            print(f"killed: a new leader after {time.monotonic() - killed:.2f} s")
            clients.go_on()
            assert time.monotonic() - killed < LEADER_BACK_S + 2.0
            cluster.start(leader)
        at_work(1.5)
    clients.judge()


def test_a_leader_that_is_paused_beyond_its_lease_answers_no_stale_read_when_it_wakes(cluster):
    with Clients(catalogs(cluster), seed=2) as clients:
        for _ in range(3):
            at_work(1.0)
            leader = cluster.leader()
            cluster.freeze(leader)
            wait_until(lambda old=leader: cluster.find_leader() not in ("", old), 10.0, "a new leader")
            clients.go_on()
            cluster.thaw(leader)
            at_work(1.0)
    clients.judge()


def test_all_stores_are_killed_at_once_and_everything_is_there_afterwards(cluster):
    with Clients(catalogs(cluster), seed=3) as clients:
        at_work(2.0)
        cluster.kill("raft-store-1", "raft-store-2", "raft-store-3")
        cluster.start("raft-store-1", "raft-store-2", "raft-store-3")
        clients.go_on(30.0)
        at_work(1.0)
    clients.judge()


def test_one_of_three_nats_servers_is_killed_and_later_another_freezes(cluster):
    with Clients(catalogs(cluster), seed=4) as clients:
        at_work(1.0)
        term = cluster.term()
        gone = cluster.nats_of(cluster.leader())
        cluster.kill(gone)
        clients.go_on()
        at_work(1.0)
        cluster.start(gone)
        frozen = cluster.nats_of(cluster.leader())
        cluster.freeze(frozen)
        clients.go_on()
        at_work(2.0)
        cluster.thaw(frozen)
        at_work(1.0)
        assert cluster.term() <= term + 2, "each costs at most one election"
    clients.judge()


def test_every_store_restarts_in_turn_as_in_an_upgrade_and_leadership_is_handed_over(cluster):
    with Clients(catalogs(cluster), seed=5) as clients:
        for name in ("raft-store-1", "raft-store-2", "raft-store-3"):
            at_work(1.0)
            cluster.terminate(name)
            clients.go_on()
            cluster.start(name)
            cluster.leader()
        at_work(1.0)
    print(f"restarts in turn: longest gap {clients.longest_gap_s():.2f} s, {clients.writes()} writes")
    assert clients.longest_gap_s() < LEADER_BACK_S
    clients.judge()
