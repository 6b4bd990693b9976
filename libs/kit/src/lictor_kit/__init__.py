"""What every Lictor process has in common."""

from lictor_kit.backoff import Backoff
from lictor_kit.metrics import SECONDS_BUCKETS, Metrics
from lictor_kit.operations import OperationsServer
from lictor_kit.readiness import Readiness
from lictor_kit.service import Context, run
from lictor_kit.settings import Port, Settings, load
from lictor_kit.soft_state import (
    MemorySoftState,
    RedisSoftState,
    SoftState,
    SoftStateUnavailable,
    open_soft_state,
)

__all__ = [
    "SECONDS_BUCKETS",
    "Backoff",
    "Context",
    "MemorySoftState",
    "Metrics",
    "OperationsServer",
    "Port",
    "Readiness",
    "RedisSoftState",
    "Settings",
    "SoftState",
    "SoftStateUnavailable",
    "load",
    "open_soft_state",
    "run",
]
