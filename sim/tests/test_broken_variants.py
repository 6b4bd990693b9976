"""Each broken member is caught within a few seeds, in worlds in which the unbroken one holds."""

from functools import cache

import pytest

from lictor_sim.broken import VARIANTS
from lictor_sim.faults import Plan
from lictor_sim.raft_run import SECONDS, run_plan

SEEDS_MAX = 24
"""Of two hundred in the short run. Most variants are caught by the first or second seed."""


FINDINGS = ("PropertyBrokenError", "InvariantViolated", "LogDamaged", "key ")
"""A checker of the group or of a member, the core's own guard, or the judge of histories; not an accident."""


@cache
def holds(seed: int, plan: Plan) -> bool:
    return run_plan(seed, plan, SECONDS).broken is None


@pytest.mark.parametrize("name", VARIANTS)
def test_a_broken_variant_is_caught_and_the_unbroken_core_passes_the_same_seeds(name: str) -> None:
    variant = VARIANTS[name]
    tried = []
    for seed in range(SEEDS_MAX):
        tried.append(seed)
        broken = run_plan(seed, variant.plan(seed), SECONDS, variant.parts).broken
        if broken is not None and broken.startswith(FINDINGS) and "no progress" not in broken:
            break
    else:
        pytest.fail(f"{name} was not caught within {SEEDS_MAX} seeds: the simulation is too weak")
    assert all(holds(seed, variant.plan(seed)) for seed in tried)
