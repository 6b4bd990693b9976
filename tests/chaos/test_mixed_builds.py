"""Members of an earlier build and of this one in one cluster: an upgrade, and the way back, while clients work.

The members are killed, not stopped: what a build finds on disk is then whatever the other happened to leave there.
"""

import json

import pytest

from lictor_state.levels import LEVEL_MAX
from tests.chaos import earlier_build
from tests.chaos.earlier_build import EarlierBuild
from tests.chaos.histories import Clients, at_work
from tests.chaos.real_cluster import RealCluster, get, wait_until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(bool(earlier_build.missing()), reason=f"no earlier build: {earlier_build.missing()}"),
]

STORES = ("raft-store-1", "raft-store-2", "raft-store-3")
SMALL = {"LICTOR_RAFT_STORE_SEGMENT_MIB": "1", "LICTOR_RAFT_STORE_SNAPSHOT_ENTRIES": "200"}
SMALL |= {"LICTOR_RAFT_STORE_TRAILING_ENTRIES": "50"}
"""Snapshots of either build are then found by the other, and sent to it."""

LEVEL_KEPT = {"LICTOR_RAFT_STORE_LEVEL_MAX": "1"}
EARLIER_CATALOG, PRESENT_CATALOG = "catalog-1", "catalog-2"


class Fleet:
    """The cluster, and which of its processes run which build."""

    def __init__(self, cluster, earlier):
        self.cluster, self.earlier = cluster, earlier

    def begin(self):
        for name in (*STORES, EARLIER_CATALOG):
            self.cluster.programs[name].environment |= self.earlier.environment()
        self.cluster.start()
        self.leader()

    def leader(self):
        return self.cluster.leader()

    def followers_first(self):
        """The stores, the leader second: it leads over the other build for a while, and so may its successor."""
        leader = self.leader()
        one, other = (name for name in STORES if name != leader)
        return one, leader, other

    def earlier_ones(self):
        """The stores that answer as the earlier build does, which does not tell the end of its log."""
        return {one["Name"] for one in self.store().get("Members", []) if not one["LastIndex"]}

    def exchange(self, name, *, earlier=False, settings=None):
        """Kill a process and start the other build with the same data."""
        program = self.cluster.programs[name]
        assert program.pid, f"{name} ended by itself\n{program.tail()}"
        self.cluster.kill(name)
        for variable in ("PYTHONPATH", *LEVEL_KEPT):
            program.environment.pop(variable, None)
        program.environment |= (self.earlier.environment() if earlier else {}) | (settings or {})
        self.cluster.start(name)

    def store(self):
        """The store as a catalog of this build sees it."""
        return json.loads(get(f"{self.cluster.http(2)}/v1/internal/store") or "{}")

    def level(self):
        return self.store().get("Level", 0)

    def all_run(self):
        for program in self.cluster.programs.values():
            assert program.pid, f"{program.name} ended by itself\n{program.tail()}"

    def agree(self):
        """Wait until all members have applied the same; then their digests are the same."""

        def settled():
            members = self.store().get("Members", [])
            return members if len(members) == 3 and len({one["AppliedIndex"] for one in members}) == 1 else None

        members = wait_until(settled, 30.0, "all members have applied the same")
        assert len({one["Digest"] for one in members}) == 1, members


@pytest.fixture
def fleet(tmp_path):
    with EarlierBuild(tmp_path) as earlier, RealCluster(tmp_path, stores=3, catalogs=2, settings=SMALL) as cluster:
        fleet = Fleet(cluster, earlier)
        fleet.begin()
        yield fleet


def clients_of(fleet, seed):
    return Clients([fleet.cluster.http(1), fleet.cluster.http(2)], seed=seed)


def test_three_members_are_upgraded_one_by_one_and_the_level_rises_once_all_are(fleet):
    with clients_of(fleet, 21) as clients:
        at_work(2.0)
        for done, name in enumerate(fleet.followers_first()):
            assert len(fleet.earlier_ones()) == 3 - done
            assert fleet.level() <= 1, f"raised with {done} of 3 upgraded"
            fleet.exchange(name)
            fleet.leader()
            clients.go_on()
            at_work(2.0)
        wait_until(lambda: fleet.level() == LEVEL_MAX, 15.0, "the level rises")
        fleet.exchange(EARLIER_CATALOG)
        clients.go_on()
    clients.judge()
    fleet.all_run()
    fleet.agree()
    print(f"upgrade: longest gap {clients.longest_gap_s():.2f} s, {clients.writes()} writes")


def test_an_upgrade_that_keeps_its_level_is_rolled_back_with_what_was_written_meanwhile(fleet):
    with clients_of(fleet, 22) as clients:
        at_work(2.0)
        for name in fleet.followers_first():
            fleet.exchange(name, settings=LEVEL_KEPT)
            fleet.leader()
            clients.go_on()
            at_work(1.0)
        at_work(2.0)
        assert fleet.level() == 1
        assert not fleet.earlier_ones()
        for name in fleet.followers_first():
            fleet.exchange(name, earlier=True)
            fleet.leader()
            clients.go_on()
            at_work(1.0)
        assert len(fleet.earlier_ones()) == 3
    clients.judge()
    fleet.all_run()
    fleet.agree()
    print(f"rollback: longest gap {clients.longest_gap_s():.2f} s, {clients.writes()} writes")
