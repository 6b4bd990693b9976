"""What one run of a load generator came to."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """One run: its rate, what the generator tells of latency, and in `void` why it must not be used, or nothing."""

    per_second: float
    completed: int
    latency_ms: dict[str, float]
    void: str = ""


class LoadError(Exception):
    """A load generator failed or printed something else than expected; the message shows it."""
