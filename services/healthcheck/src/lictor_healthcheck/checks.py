"""What a check is to the one who runs it: its kind, its key, its intervals and limits.

Consul's check types and their defaults, as in its HTTP API's check definitions. A definition may give several types;
the first of ttl, http, tcp, alias is run, as Consul's agent does. Types that this service does not run have no kind
and keep the status they have. Pure.
"""

from enum import Enum
from typing import NamedTuple

from lictor_state.rows import CheckDefinition, CheckRow

CheckKey = tuple[str, str]
"""Node name in lower case, check id: the key of the table of checks."""

PASSING, WARNING, CRITICAL = "passing", "warning", "critical"

INTERVAL_S_MIN = 1.0
"""Consul raises shorter intervals to one second."""

TIMEOUT_S_DEFAULT = 10.0
OUTPUT_BYTES_DEFAULT = 4096


class Kind(Enum):
    """How a check is run."""

    HTTP = "http"
    TCP = "tcp"
    TTL = "ttl"
    ALIAS = "alias"


class Verdict(NamedTuple):
    """What a check came to."""

    status: str
    output: str


def key_of(row: CheckRow) -> CheckKey:
    """The key of a check's row."""
    return (row.node.lower(), row.check_id)


def kind_of(definition: CheckDefinition) -> Kind | None:
    """How to run a definition, None when there is nothing here that runs it."""
    if definition.ttl_ns > 0:
        return Kind.TTL
    if definition.interval_ns > 0 and definition.http:
        return Kind.HTTP
    if definition.interval_ns > 0 and definition.tcp:
        return Kind.TCP
    if definition.alias_node or definition.alias_service:
        return Kind.ALIAS
    return None


def interval_s(definition: CheckDefinition) -> float:
    """Seconds between the end of one probe and the start of the next."""
    return max(INTERVAL_S_MIN, definition.interval_ns / 1e9)


def timeout_s(definition: CheckDefinition) -> float:
    """Seconds that one probe may take."""
    return definition.timeout_ns / 1e9 if definition.timeout_ns > 0 else TIMEOUT_S_DEFAULT


def output_bytes_max(definition: CheckDefinition, limit: int = OUTPUT_BYTES_DEFAULT) -> int:
    """How much output is kept: the smaller of the check's own limit and this process's."""
    return min(limit, definition.output_max_size) if definition.output_max_size > 0 else limit
