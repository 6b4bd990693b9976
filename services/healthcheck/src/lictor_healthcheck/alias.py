"""Alias checks: the health of another service instance, or of a node, mirrored.

The worst of the checks that count wins: those of the service and of its node, or, without a service, those of the
node alone. An alias never counts itself (it would keep itself critical for ever). Pure: rows in, verdict out.
"""

from collections.abc import Iterable

from lictor_healthcheck.checks import CRITICAL, PASSING, WARNING, Verdict, key_of
from lictor_state.rows import CheckRow

_SEVERITY = {PASSING: 0, WARNING: 1, CRITICAL: 2}


def target_node(row: CheckRow) -> str:
    """The node that an alias looks at, in lower case; its own unless it names another."""
    return (row.definition.alias_node or row.node).lower()


def mirror(row: CheckRow, node_checks: Iterable[CheckRow], service_exists: bool) -> Verdict:
    """What an alias check shows.

    Args:
        row: the alias check.
        node_checks: all checks of its target node.
        service_exists: whether the aliased service is registered there; meaningless for an alias of a node.
    """
    service_id = row.definition.alias_service
    if service_id and not service_exists:
        node = row.definition.alias_node or row.node
        return Verdict(CRITICAL, f"Service {service_id} could not be found on node {node}")
    counted = [check for check in node_checks if check.service_id in {"", service_id} and key_of(check) != key_of(row)]
    if not counted:
        return Verdict(PASSING, "No checks found.")
    # The smallest id among equals, so that the output does not depend on the order of rows.
    worst = min(counted, key=lambda check: (-_SEVERITY.get(check.status, 2), check.check_id))
    severity = _SEVERITY.get(worst.status, 2)
    if severity == 0:
        return Verdict(PASSING, "All checks passing.")
    return Verdict(WARNING if severity == 1 else CRITICAL, f'Aliased check "{worst.name}" failing: {worst.output}')
