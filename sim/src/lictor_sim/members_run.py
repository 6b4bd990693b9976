"""One seed of the member level: which world it is, and its run.

Most seeds are clusters that have been founded and that the usual faults break; every eighth is a founding on a network
that falls into halves.
"""

import gc

from lictor_sim.members_cluster import MembersCluster
from lictor_sim.members_faults import usual_faults
from lictor_sim.members_founding import FoundingCluster, halves
from lictor_sim.seeds import SeedReport

SECONDS = 8.0
"""Virtual seconds under faults: two dozen faults, half a dozen elections, a snapshot for somebody who fell behind."""

FOUNDING_EVERY = 8
FOUNDING_SECONDS = 4.0
"""Foundings take a second where the network lets them; longer than this they are over."""


def run_seed(seed: int, seconds: float = SECONDS) -> SeedReport:
    """Run one seed: some virtual seconds under faults, then the recovery, then the verdicts."""
    try:
        if seed % FOUNDING_EVERY == FOUNDING_EVERY - 1:
            return FoundingCluster(seed).run(min(seconds, FOUNDING_SECONDS), halves)
        return MembersCluster(seed).run(seconds, usual_faults)
    finally:
        gc.unfreeze()  # members freeze what they load, and here one process outlives thousands of them
        gc.collect()
