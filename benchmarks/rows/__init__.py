"""The rows of the table: what is asked of both systems."""

from benchmarks.rows.dns import DnsAddresses, mixed_case
from benchmarks.rows.http import HealthService, KvGet, KvPut, Registrations
from benchmarks.rows.memory import MEMORY, Memory, read_memory
from benchmarks.rows.row import Row

ROWS: tuple[Row, ...] = (DnsAddresses(), mixed_case(), HealthService(), KvGet(), KvPut(), Registrations())
"""In this order: what grows the state comes last."""

__all__ = ["MEMORY", "ROWS", "Memory", "Row", "read_memory"]
