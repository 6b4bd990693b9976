"""Thresholds: how many results in a row it takes to change a check's status.

Consul's rules (success_before_passing, failures_before_warning, failures_before_critical of the check definition):

    result            counts as   needed in a row             then the status is
    passing, warning  success     success_before_passing      the result's
    critical          failure     failures_before_critical    critical
                      failure     failures_before_warning     warning (only when given, and below the other)

Zero and one mean the same, and failures_before_warning not given means failures_before_critical. A result that does
not reach its threshold changes nothing, the output included. Pure.
"""

from typing import NamedTuple

from lictor_healthcheck.checks import CRITICAL, WARNING, Verdict
from lictor_state.rows import CheckDefinition


class Tally(NamedTuple):
    """Results in a row; at most one of the two is above zero."""

    successes: int = 0
    failures: int = 0


def weigh(tally: Tally, result: Verdict, definition: CheckDefinition) -> tuple[Tally, Verdict | None]:
    """Count one result; returns the new tally and what the check now shows, None for no change."""
    if result.status != CRITICAL:
        successes = tally.successes + 1
        reached = successes >= definition.success_before_passing
        return Tally(successes=successes), result if reached else None
    failures = tally.failures + 1
    if failures >= definition.failures_before_critical:
        return Tally(failures=failures), result
    before_warning = definition.failures_before_warning or definition.failures_before_critical
    if failures >= before_warning:
        return Tally(failures=failures), Verdict(WARNING, result.output)
    return Tally(failures=failures), None
