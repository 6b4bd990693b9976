"""The rows of the table: what is asked of both systems."""

from benchmarks.rows.dns import DnsChanges, DnsLatency, DnsManyNames, DnsRecords, mixed_case, srv
from benchmarks.rows.http import (
    HealthService,
    KvGet,
    KvPut,
    Registrations,
    health_alone,
    health_stale,
    kv_get_alone,
    kv_put_alone,
)
from benchmarks.rows.memory import MEMORY, Memory, read_memory
from benchmarks.rows.row import Row
from benchmarks.rows.waiting import WakeUp

ROWS: tuple[Row, ...] = (
    DnsRecords(),
    srv(),
    mixed_case(),
    DnsLatency(),
    HealthService(),
    health_stale(),
    health_alone(),
    KvGet(),
    kv_get_alone(),
    KvPut(),
    kv_put_alone(),
    DnsManyNames(),
    DnsChanges(),
    Registrations(),
    WakeUp(),
)
"""In this order: what grows the state comes late, and what leaves the machine slower last."""

__all__ = ["MEMORY", "ROWS", "Memory", "Row", "read_memory"]
