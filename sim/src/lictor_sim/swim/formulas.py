"""What memberlist's, SWIM's and Serf's own formulas promise, to stand beside what was measured."""

import math

from lictor_swim import SwimConfig
from lictor_swim.broadcast_queue import retransmit_limit
from lictor_swim.suspicion import shortest_suspicion_s

CONVERGED = 0.9999
"""Serf's convergence simulator calls a pool informed at this share."""

_SIMULATED_LOSS_HALF = 0.5
"""Serf's simulator lets half of the contacts meet a member that gossips to it at the same time."""


def first_suspicion_s(config: SwimConfig, size: int) -> float:
    """Expected time from a crash to the first suspicion: SWIM's expected detection period, and one probe that fails.

    One member or more probes the dead one in an interval with chance 1 - (1 - 1/(n-1))^(n-1), towards 1 - 1/e (SWIM
    §3.1); the probe that finds it waits one interval before it accuses. The crash falls anywhere in an interval, so
    half an interval less is waited for the first one.
    """
    chance = 1 - (1 - 1 / (size - 1)) ** (size - 1)
    return (1 / chance - 0.5) * config.probe_interval_s + config.probe_interval_s


def suspicion_s(config: SwimConfig, size: int) -> tuple[float, float]:
    """The shortest suspicion (enough confirmations) and the longest (none)."""
    shortest = shortest_suspicion_s(config, size)
    return shortest, shortest * config.suspicion_max_mult


def convergence_s(config: SwimConfig, size: int, loss: float) -> float:
    """Serf's convergence simulator: rounds of gossip until 99.99 % are informed.

    The share after x rounds is 1 / (1 + (n + 1) e^(-c n x)), with c n = fanout · (1 - loss) / 2.
    """
    rate = config.gossip_nodes * (1 - loss) * _SIMULATED_LOSS_HALF
    rounds = 1
    while 1 / (1 + (size + 1) * math.exp(-rate * rounds)) < CONVERGED:
        rounds += 1
    return rounds * config.gossip_interval_s


def idle_packets_s(config: SwimConfig) -> float:
    """Packets that a member sends in a second when nothing happens: a ping, and an ack for whoever pings it."""
    return 2 / config.probe_interval_s


def copies(config: SwimConfig, size: int) -> int:
    """How often each member sends one claim: memberlist's retransmit limit."""
    return retransmit_limit(config.retransmit_mult, size)
