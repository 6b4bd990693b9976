"""Seeds that hold, and wrong worlds that must be found."""

import random

import pytest

from lictor_raft import ConfState, Entry, HardState, MemoryStorage, RaftError, Ready, Role
from lictor_sim import Faults, RaftCluster, run_seed
from lictor_sim.__main__ import main
from lictor_sim.raft_cluster import SimMember
from lictor_sim.sim_disk import SimDisk, Write


@pytest.mark.parametrize("seed", range(8))
def test_a_seed_holds_under_faults_and_recovers(seed: int) -> None:
    report = run_seed(seed, 8.0)
    assert report.broken is None
    assert report.committed > 50


def test_the_seeds_reach_elections_leases_and_confirmed_reads() -> None:
    reports = [run_seed(seed, 8.0) for seed in range(20, 24)]
    assert sum(report.terms_led for report in reports) > 8
    assert sum(report.lease_reads for report in reports) > 50
    assert sum(report.reads_confirmed for report in reports) > 50


def test_a_seed_gives_the_same_run_again() -> None:
    assert run_seed(3, 3.0) == run_seed(3, 3.0)


def test_a_world_without_faults_has_one_leader_for_all_time() -> None:
    calm = Faults(loss=0, repetition=0, long_delay=0, slow_sync=0, nemesis_every_s=1e9, conf_changes=False)
    report = run_seed(5, 10.0, calm)
    assert report.broken is None
    assert report.terms_led == 1


class LyingDisk(SimDisk):
    """Says that it has synced, and has not."""

    def __init__(self, image: MemoryStorage) -> None:
        super().__init__(image)
        self.honest_writes = 0

    def write(self, write: Write) -> None:
        write(self.view)
        self.honest_writes += 1


def test_disks_that_lie_about_syncing_are_found() -> None:
    found = 0
    for seed in range(4):
        cluster = RaftCluster(seed)
        for member in cluster.members.values():
            cluster.crash(member)
            member.disk = LyingDisk(member.disk.view)
            cluster.restart(member)
        try:
            cluster.run(10.0)
            cluster.must_make_progress()
        except (AssertionError, RaftError):  # a checker's finding, or a member that refuses its log
            found += 1
    assert found >= 2


class FrozenLeaders(RaftCluster):
    """Whoever leads has a clock that stands still: its lease never ends."""

    def local_now(self, member: SimMember) -> float:
        now = super().local_now(member)
        if hasattr(member, "node") and member.node.core.role is Role.LEADER:
            return min(now, member.node.core.now)
        return now


def test_clocks_out_of_bounds_make_leases_stale_and_that_is_found() -> None:
    stale = 0
    for seed in range(1, 16, 2):
        cluster = FrozenLeaders(seed, faults=Faults(conf_changes=False))
        try:
            cluster.run(10.0)
        except AssertionError as error:
            stale += "leased read" in str(error)
    assert stale


def test_a_crash_keeps_a_prefix_of_the_unsynced_writes_and_all_synced_ones() -> None:
    def appended(index: int) -> Ready:
        return Ready(
            hard_state=HardState(1, 0, 0),
            soft_state=None,
            entries=(Entry(1, index),),
            snapshot=None,
            committed_entries=(),
            messages=(),
            messages_after_append=(),
            read_states=(),
            reads_dropped=(),
            must_sync=True,
        )

    kept = set()
    for seed in range(30):
        disk = SimDisk(MemoryStorage(ConfState((1,))))
        disk.write_ready(appended(1))
        disk.sync()
        for index in (2, 3, 4):
            disk.write_ready(appended(index))
        assert disk.view.last_index() == 4
        disk.crash(random.Random(seed))
        kept.add(disk.view.last_index())
    assert kept == {1, 2, 3, 4}


def test_the_command_line_reports_a_summary_and_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1", "--seconds", "1"]) == 0
    assert "1 seeds, 0 failed" in capsys.readouterr().out
