"""A whole cluster in one process, from one seed."""

from lictor_sim.raft_checks import GroupChecker, PropertyBrokenError
from lictor_sim.raft_cluster import Faults, RaftCluster, RunReport, run_seed
from lictor_sim.sim_disk import SimDisk

__all__ = [
    "Faults",
    "GroupChecker",
    "PropertyBrokenError",
    "RaftCluster",
    "RunReport",
    "SimDisk",
    "run_seed",
]
