"""Which instances DNS may hand out, and how many records one answer has (Consul's DNS interface). Pure.

`dns` and `dns explain` share these rules, so that what is explained is what is answered.
"""

from dataclasses import dataclass

from lictor_state.queries.answer import Instance
from lictor_state.rows import CheckRow

PASSING, WARNING, CRITICAL = "passing", "warning", "critical"

SRV_WEIGHT_MAX = 65_535
UNKNOWN_WEIGHT = 1

TCP_ANSWERS_MAX = 4_096
"""Records in one answer over TCP, as in Consul: more would not fit its 64 KiB anyway."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """What cuts an answer: `udp_answers` over UDP without EDNS, `addresses` in lists of addresses (0: no limit)."""

    udp_answers: int = 3
    addresses: int = 0

    def of(self, count: int, *, addresses: bool, plain_udp: bool) -> int:
        """How many of `count` records are answered.

        Args:
            count: records found.
            addresses: they are addresses (A, AAAA, ANY), and not SRV.
            plain_udp: the client takes 512 bytes over UDP and no more.
        """
        limit = min(count, TCP_ANSWERS_MAX)
        if plain_udp:
            limit = min(limit, self.udp_answers)
        if addresses and self.addresses:
            limit = min(limit, self.addresses)
        return limit


def kept_out_by(instance: Instance, *, only_passing: bool) -> CheckRow | None:
    """The check that keeps an instance out of every answer: a critical one, with `only_passing` any that fails."""
    worst = next((check for check in instance.checks if check.status == CRITICAL), None)
    if worst is None and only_passing:
        worst = next((check for check in instance.checks if check.status != PASSING), None)
    return worst


def is_usable(instance: Instance, *, only_passing: bool) -> bool:
    """Whether DNS hands this instance out."""
    return kept_out_by(instance, only_passing=only_passing) is None


def srv_weight(instance: Instance) -> int:
    """An instance's weight by the worst of its checks; 1 where a status says nothing.

    One with a critical check is only ever answered by a prepared query that ignores the check; it weighs nothing.
    """
    statuses = {check.status for check in instance.checks}
    if statuses - {PASSING, WARNING, CRITICAL}:
        return UNKNOWN_WEIGHT
    if CRITICAL in statuses:
        return 0
    weights = instance.service.weights
    return min(max(weights.warning if WARNING in statuses else weights.passing, 0), SRV_WEIGHT_MAX)
