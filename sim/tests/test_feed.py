"""Design rules 3.7 to 3.11, seen from the views: whatever is lost, repeated, mixed up, restarted or restored, every view
of every stream is the state at its index, never goes back, and comes to the end.
"""

from collections import Counter
from functools import cache

import pytest
from feed_world import run_seed

SEEDS = 24
ran = cache(run_seed)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_view_is_the_state_at_its_index_and_comes_to_the_end(seed):
    counts, _ = ran(seed)
    assert counts["loads"] > 0


def test_the_runs_reach_what_they_are_there_for():
    total: Counter[str] = Counter()
    for seed in range(SEEDS):
        total.update(ran(seed)[0])
    for what, least in {
        "loads": 2_000,
        "resumes": 500,
        "snapshots served": 100,
        "parts of a cut change": 50,
        "only announced": 20,
        "restores": 20,
        "views restarted": 50,
        "members restarted": 50,
        "rounds held": 300,
    }.items():
        assert total[what] >= least, what


def test_one_seed_is_one_run():
    assert run_seed(3) == ran(3)
