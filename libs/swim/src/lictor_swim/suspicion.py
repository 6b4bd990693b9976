"""Suspicion: the time a node has to refute before it is declared dead.

SWIM §4.2 introduces it; Lifeguard §IV.B shortens it as independent confirmations come in. A lone accuser may be wrong,
so its suspicion lasts long; each further member that accuses independently brings the end nearer, on a logarithmic
scale, until `confirmations_wanted` reach the shortest time.
"""

import math

from lictor_swim.config import SwimConfig

_SCALE_STEPS = 1000
"""memberlist computes times in whole milliseconds and scales in thousandths; we follow, so that pools agree."""


class Suspicion:
    """One running suspicion.

    Args:
        accuser: who raised it; its further accusations do not count.
        now: when it was raised, seconds.
        config: multipliers and the probe interval.
        pool_size: members known, dead ones included.
    """

    __slots__ = ("_longest_s", "_shortest_s", "_started", "accusers", "confirmations_wanted", "deadline")

    def __init__(self, accuser: str, now: float, config: SwimConfig, pool_size: int) -> None:
        wanted = config.suspicion_mult - 2
        # With too few others to confirm, waiting for them would only be late.
        self.confirmations_wanted = max(wanted, 0) if pool_size - 2 >= wanted else 0
        self._shortest_s = shortest_suspicion_s(config, pool_size)
        self._longest_s = self._shortest_s * config.suspicion_max_mult
        self._started = now
        self.accusers = {accuser}
        self.deadline = now + (self._longest_s if self.confirmations_wanted else self._shortest_s)

    def confirm(self, accuser: str, now: float) -> bool:
        """Count another accuser; whether it was new and still counts (and so deserves to be passed on).

        The end comes nearer, but is never before `now`: a time in the past would look like a timer that fired late.
        """
        confirmations = len(self.accusers) - 1
        if confirmations >= self.confirmations_wanted or accuser in self.accusers:
            return False
        self.accusers.add(accuser)
        lasts_s = suspicion_s(confirmations + 1, self.confirmations_wanted, self._shortest_s, self._longest_s)
        self.deadline = min(self.deadline, max(self._started + lasts_s, now))
        return True

    def postpone(self, seconds: float) -> None:
        """End so much later: the observer stood still for that long and heard nothing."""
        self._started += seconds
        self.deadline += seconds


def shortest_suspicion_s(config: SwimConfig, pool_size: int) -> float:
    """Multiplier x log10 of the pool's size x probe interval."""
    scale = max(1.0, math.log10(max(1, pool_size)))
    return config.suspicion_mult * math.floor(scale * _SCALE_STEPS) / _SCALE_STEPS * config.probe_interval_s


def suspicion_s(confirmations: int, wanted: int, shortest_s: float, longest_s: float) -> float:
    """How long a suspicion lasts in all, with this many confirmations of `wanted`."""
    share = math.log(confirmations + 1) / math.log(wanted + 1) if wanted else 1.0
    span_s = longest_s - share * (longest_s - shortest_s)
    return max(shortest_s, math.floor(span_s * 1000) / 1000)
