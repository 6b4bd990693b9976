"""Seeds of whole members that hold, the same run from the same seed, and states that are equal everywhere."""

import os
import subprocess
import sys

import pytest

from lictor_sim.__main__ import main
from lictor_sim.members_cluster import MembersCluster
from lictor_sim.members_faults import usual_faults
from lictor_sim.members_founding import FoundingCluster, halves
from lictor_sim.members_run import run_seed
from lictor_sim.replay import write_log

FOUND_A_DEFECT = {
    6: "a view whose snapshot could not be fetched ended its process",
    10: "two snapshots of one index shared a temporary file",
    21: "a received snapshot that the log did not know of made the member refuse its data",
    32: "the same, after another crash",
    63: "power lost while the log was made, before the founding was in it",
    209: "a follower that was killed while it fetched a snapshot got no other one for two minutes",
}


@pytest.mark.parametrize("seed", range(8))
def test_a_seed_holds_under_faults_and_recovers(seed):
    report = run_seed(seed)
    assert report.broken is None
    assert report.counts["entries committed"] > 3


@pytest.mark.parametrize("seed", FOUND_A_DEFECT)
def test_a_seed_that_has_found_a_defect_holds(seed):
    assert MembersCluster(seed).run(8.0, usual_faults).broken is None


@pytest.mark.parametrize("size", [3, 5, 7])
def test_without_faults_one_leader_serves_everything(size):
    report = MembersCluster(1, size).run(4.0)
    assert report.broken is None
    assert report.counts["terms led"] == 1
    assert report.counts["writes"] > 100
    assert report.counts["undecided histories"] == 0


def test_the_short_run_reaches_what_it_is_there_for():
    cluster_counts: dict[str, int] = {}
    for seed in range(12):
        for what, count in run_seed(seed).counts.items():
            cluster_counts[what] = cluster_counts.get(what, 0) + count
    assert cluster_counts["terms led"] > 24
    assert cluster_counts["strong reads"] > 200
    assert cluster_counts["power lost inside an operation"] > 4
    assert cluster_counts["undecided histories"] == 0


@pytest.mark.parametrize("seed", [6, 9, 25, 36, 1391])  # 1391: two sets that each lacked a promise of the other
def test_five_machines_on_a_network_in_halves_found_one_cluster(seed):
    report = FoundingCluster(seed).run(4.0, halves)
    assert report.broken is None
    assert report.counts["founders"] >= 3


def python(*arguments, hash_seed="0"):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, env=environment
    ).stdout


def test_a_seed_gives_the_same_run_in_any_process():
    program = "from lictor_sim.members_run import run_seed; print(run_seed(2, 4.0), run_seed(7))"
    here = f"{run_seed(2, 4.0)} {run_seed(7)}\n"
    assert python("-c", program, hash_seed="1") == python("-c", program, hash_seed="2") == here


def test_one_log_gives_the_same_digests_in_any_process_and_through_a_snapshot(tmp_path):
    cluster = MembersCluster(4)
    assert cluster.run(6.0, usual_faults).broken is None
    log = tmp_path / "log"
    write_log(log, cluster.oracle.entries.values())
    told = [python("-m", "lictor_sim.replay", str(log), hash_seed=seed) for seed in ("0", "1", "777")]
    midway = str(len(cluster.oracle.entries) // 2)
    told.append(python("-m", "lictor_sim.replay", str(log), "--restore-at", midway, hash_seed="5"))
    assert len(told[0].splitlines()) == len(cluster.oracle.entries)
    assert len(set(told)) == 1


def test_the_command_line_runs_the_member_level(capsys):
    assert main(["--level", "member", "--seeds", "1", "--seconds", "2", "--workers", "1"]) == 0
    assert "member: 1 seeds, 0 failed" in capsys.readouterr().out
