"""The load generators: programs that we did not write, run for a few seconds, and what they printed."""

from benchmarks.load.outcome import LoadError, Outcome
from benchmarks.load.tools import MissingToolError

__all__ = ["LoadError", "MissingToolError", "Outcome"]
