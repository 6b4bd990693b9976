"""Local health awareness (Lifeguard §IV.A): a node that hears too little suspects itself first.

The score rises when answers that should have come did not, and when the node has to refute a suspicion about itself;
it falls with every successful probe. While it is above 0 the node waits longer before it accuses others.
"""


class Awareness:
    """The health score: 0 (well) up to, not including, `score_limit`."""

    __slots__ = ("_score_limit", "score")

    def __init__(self, score_limit: int) -> None:
        self._score_limit = score_limit
        self.score = 0

    def apply(self, delta: int) -> None:
        """Raise or lower the score within its bounds."""
        self.score = min(max(self.score + delta, 0), self._score_limit - 1)

    def scale(self, interval_s: float) -> float:
        """The interval, stretched by the score."""
        return interval_s * (self.score + 1)
