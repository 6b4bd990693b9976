"""One seed of the group level, from founding to verdict."""

from collections import Counter

from lictor_sim.faults import Plan
from lictor_sim.linearizability import Outcome
from lictor_sim.process import Failpoint
from lictor_sim.raft_cluster import Parts, RaftCluster
from lictor_sim.seeds import SeedReport

SECONDS = 10.0
"""Virtual seconds under faults: eight changes of leadership, and two hundred seeds in a minute on two processors."""


def run_seed(seed: int, seconds: float = SECONDS) -> SeedReport:
    """Run one seed: some virtual seconds under faults, then the recovery, then the verdict on what clients saw."""
    return run_plan(seed, Plan.of(seed), seconds)


def run_plan(seed: int, plan: Plan, seconds: float = SECONDS, parts: Parts | None = None) -> SeedReport:
    """Run one seed in a world of your choice."""
    cluster = RaftCluster(seed, plan, parts)
    broken = None
    undecided = False
    try:
        cluster.world.run(seconds)
        cluster.must_make_progress()
        verdict = cluster.judge()
        undecided = verdict.outcome is Outcome.UNDECIDED
        broken = verdict.text() if verdict.outcome is Outcome.ILLEGAL else None
    except Exception as error:  # noqa: BLE001 - whatever a member raises here is a finding that belongs to the seed
        broken = f"{type(error).__name__}: {error} at {cluster.world.now:.3f} s"
    return SeedReport(
        level="group",
        seed=seed,
        broken=broken,
        counts={**_counts(cluster), "undecided histories": int(undecided)},
        trace=cluster.world.trace,
    )


def _counts(cluster: RaftCluster) -> dict[str, int]:
    checker = cluster.checker
    deaths: Counter[Failpoint] = Counter()
    for process in cluster.members.values():
        deaths.update(process.deaths)
    return {
        "terms led": len(checker.leaders),
        "entries committed": len(checker.committed),
        "leased reads": checker.lease_reads,
        "confirmed reads": checker.reads_confirmed,
        "operations": len(cluster.workload.history),
        "messages": cluster.network.carried,
        "deaths at failpoints": deaths.total(),
    }
