"""What every Lictor process has in common.

`lictor_kit.soft_state` is imported by those who keep soft state: it brings the Redis client with it.
"""

from lictor_kit.backoff import Backoff
from lictor_kit.metrics import SECONDS_BUCKETS, Metrics
from lictor_kit.operations import OperationsServer
from lictor_kit.readiness import Readiness
from lictor_kit.service import Context, run
from lictor_kit.settings import Port, Settings, load

__all__ = [
    "SECONDS_BUCKETS",
    "Backoff",
    "Context",
    "Metrics",
    "OperationsServer",
    "Port",
    "Readiness",
    "Settings",
    "load",
    "run",
]
