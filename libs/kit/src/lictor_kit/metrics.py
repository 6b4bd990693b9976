"""Metrics: one Prometheus registry per process, and names that follow one rule.

A metric is called `lictor_<service>_<noun>_<unit>`; counters end in `_total`. Labels must come from small closed
sets (a table, a status), never from names that users choose. Serving them is `operations`' work.
"""

import re
from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

# Latencies here run from a read in memory (0.1 ms) to a write's time limit (10 s).
SECONDS_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
UNITS = ("seconds", "bytes", "total", "count", "ratio", "index", "timestamp")
_NAME = re.compile(rf"^[a-z][a-z0-9_]*_({'|'.join(UNITS)})$")


class Metrics:
    """The metrics of one process.

    Args:
        service: the role; hyphens become underscores.
        registry: where they are kept; a new one unless given.
    """

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self._prefix = f"lictor_{service.replace('-', '_')}_"
        self.registry = registry if registry is not None else CollectorRegistry()

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """Make a counter; `name` ends in `_total`."""
        if not name.endswith("_total"):
            raise ValueError(f"counter {name!r} must end in _total")
        return Counter(self._full(name), text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """Make a gauge; `name` ends in its unit."""
        return Gauge(self._full(name), text, labels, registry=self.registry)

    def histogram(
        self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS_BUCKETS
    ) -> Histogram:
        """Make a histogram; `name` ends in its unit."""
        return Histogram(self._full(name), text, labels, buckets=buckets, registry=self.registry)

    def add_process_metrics(self) -> None:
        """Add what the process itself shows: CPU, memory, open files, garbage collections, the Python version."""
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _full(self, name: str) -> str:
        if not _NAME.match(name):
            raise ValueError(f"metric {name!r} must be <noun>_<unit> with a unit of {', '.join(UNITS)}")
        return self._prefix + name
