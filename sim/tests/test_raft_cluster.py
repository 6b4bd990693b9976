"""Seeds that hold, faults that really happen, and the same seed as the same run."""

import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from lictor_raft import ConfState, Entry, HardState, MemoryStorage
from lictor_sim.__main__ import main
from lictor_sim.faults import CALM, Plan
from lictor_sim.process import Failpoint
from lictor_sim.raft_cluster import RaftCluster
from lictor_sim.raft_run import run_plan, run_seed
from lictor_sim.seeds import SeedReport, run_seeds
from lictor_sim.sim_disk import SimDisk


@pytest.mark.parametrize("seed", range(10))
def test_a_seed_holds_under_faults_and_recovers(seed: int) -> None:
    report = run_seed(seed, 5.0)
    assert report.broken is None
    assert report.counts["entries committed"] > 50


def test_the_seeds_reach_elections_leases_rounds_and_crashes_at_failpoints() -> None:
    counts: Counter[str] = Counter()
    for seed in range(20, 26):
        counts.update(run_seed(seed, 5.0).counts)
    assert counts["terms led"] > 10
    assert counts["leased reads"] > 50
    assert counts["confirmed reads"] > 50
    assert counts["operations"] > 300
    assert counts["deaths at failpoints"] > 0
    assert counts["undecided histories"] == 0


def test_plans_cover_sizes_kinds_of_storage_leases_and_both_ends() -> None:
    plans = [Plan.of(seed) for seed in range(40)]
    assert {plan.size for plan in plans} == {3, 5, 7}
    for of in ("asynchronous", "lease", "core_only"):
        assert {getattr(plan, of) for plan in plans} == {True, False}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_process_dies_at_every_step_of_its_work(asynchronous: bool) -> None:
    deaths: Counter[Failpoint] = Counter()
    plan = Plan(asynchronous=asynchronous, actions=("fuse", "bounce"), orders=())
    for seed in range(12):
        cluster = RaftCluster(seed, plan)
        cluster.world.run(5.0)
        for process in cluster.members.values():
            deaths.update(process.deaths)
    assert min(deaths[point] for point in Failpoint) > 0


def test_a_world_without_faults_has_one_leader_for_all_time() -> None:
    report = run_plan(5, Plan(faults=CALM), 10.0)
    assert report.broken is None
    assert report.counts["terms led"] == 1


# --- the same again --------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_run_again() -> None:
    for seed in (3, 4):
        assert run_seed(seed, 3.0) == run_seed(seed, 3.0)


def test_other_processes_with_other_hash_seeds_give_the_same_run() -> None:
    program = "from lictor_sim.raft_run import run_seed; print(*[run_seed(s, 3.0).trace for s in (6, 7, 8)])"
    traces = set()
    for hash_seed in ("0", "1", "4711"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        traces.add(subprocess.check_output([sys.executable, "-c", program], env=environment, text=True))
    assert len(traces) == 1


def test_different_seeds_give_different_runs() -> None:
    assert len({run_seed(seed, 1.0).trace for seed in range(5)}) == 5


def test_several_workers_report_in_the_order_of_the_seeds_what_one_reports() -> None:
    alone = list(run_seeds(run_seed, range(4), 1.0, workers=1))
    assert list(run_seeds(run_seed, range(4), 1.0, workers=2)) == alone
    assert [report.seed for report in alone] == [0, 1, 2, 3]


# --- disks and the command line --------------------------------------------------------------------------------


def test_a_crash_keeps_a_prefix_of_the_unsynced_writes_and_all_synced_ones() -> None:
    kept = set()
    for seed in range(30):
        disk = SimDisk(MemoryStorage(ConfState((1,))))
        disk.write_log(None, (Entry(1, 1),), HardState(1, 0, 0))
        disk.sync()
        for index in (2, 3, 4):
            disk.write_log(None, (Entry(1, index),), HardState(1, 0, 0))
        assert disk.view.last_index() == 4
        disk.crash(random.Random(seed))
        kept.add(disk.view.last_index())
    assert kept == {1, 2, 3, 4}


def test_the_command_line_reports_a_summary_and_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--level", "group", "--seeds", "1", "--seconds", "1", "--workers", "1"]) == 0
    assert "group: 1 seeds, 0 failed" in capsys.readouterr().out


def test_the_command_line_prints_a_failing_seed_and_how_to_run_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(seed: int, _seconds: float) -> SeedReport:
        return SeedReport(level="group", seed=seed, broken="two leaders" if seed == 6 else None)

    monkeypatch.setattr("lictor_sim.raft_run.run_seed", broken)
    assert main(["--level", "group", "--first", "5", "--seeds", "3", "--seconds", "1", "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert "seed 6 failed: two leaders" in out
    assert "--level group --first 6 --seeds 1 --seconds 1" in out
    assert "3 seeds, 1 failed" in out
