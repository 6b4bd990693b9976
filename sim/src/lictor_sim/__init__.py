"""A whole cluster in one process, from one seed."""

from lictor_sim.linearizability import UNKNOWN, Operation, Outcome, Verdict, check
from lictor_sim.seeds import SeedReport, run_seeds

__all__ = ["UNKNOWN", "Operation", "Outcome", "SeedReport", "Verdict", "check", "run_seeds"]
