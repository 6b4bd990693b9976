"""Metrics: one Prometheus registry per process, and names that follow one rule.

A metric is called `lictor_<service>_<noun>_<unit>`; counters end in `_total`. Labels must come from small closed
sets (a table, a status), never from names that users choose. Serving them is `operations`' work.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

# Latencies here run from a read in memory (0.1 ms) to a write's time limit (10 s).
SECONDS_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
UNITS = ("seconds", "bytes", "total", "count", "ratio", "index", "timestamp")
_BOUNDS = (*map(str, map(float, SECONDS_BUCKETS)), "+Inf")
_NAME = re.compile(rf"^[a-z][a-z0-9_]*_({'|'.join(UNITS)})$")


class Tally:
    """Events and how long they took, counted in plain numbers by one thread and put together when somebody looks.

    A counter and a histogram of prometheus-client take a lock and several calls each for an event: a tenth of the time
    that a read in memory takes altogether. This shows the same series: the counter for each set of labels, and the
    histogram by the first label alone.
    """

    def __init__(self, counter: str, histogram: str, texts: tuple[str, str], labels: Sequence[str]) -> None:
        self._names = counter, histogram
        self._texts = texts
        self._labels = tuple(labels)
        self._cells: dict[tuple[str, ...], list[float]] = {}

    def add(self, labels: tuple[str, ...], seconds: float) -> None:
        """One event."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = [0.0] * (len(SECONDS_BUCKETS) + 2)
        cell[bisect_left(SECONDS_BUCKETS, seconds)] += 1
        cell[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks for at a scrape."""
        counter = CounterMetricFamily(self._names[0], self._texts[0], labels=self._labels)
        histogram = HistogramMetricFamily(self._names[1], self._texts[1], labels=self._labels[:1])
        together: dict[str, list[float]] = {}
        for labels, cell in self._cells.items():
            counter.add_metric(labels, sum(cell[:-1]))
            known = together.get(labels[0])
            together[labels[0]] = cell if known is None else [a + b for a, b in zip(known, cell, strict=True)]
        for label, cell in together.items():
            buckets = list(zip(_BOUNDS, accumulate(cell[:-1]), strict=True))
            histogram.add_metric([label], buckets=buckets, sum_value=cell[-1])
        yield counter
        yield histogram


class Count:
    """Events counted in a plain number by one thread; a `counter` takes a lock and 0.6 us for each."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self.total = 0

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks for at a scrape."""
        yield CounterMetricFamily(self._name, self._text, value=self.total)


class Spans:
    """How long something took, sorted into plain numbers by one thread; a `histogram` takes 0.9 us for each."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._counts = [0] * (len(SECONDS_BUCKETS) + 1)
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Something has taken so long."""
        self._counts[bisect_left(SECONDS_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks for at a scrape."""
        buckets = list(zip(_BOUNDS, map(float, accumulate(self._counts)), strict=True))
        yield HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=self._seconds)


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

    def count(self, name: str, text: str) -> Count:
        """Make a counter for what happens with every write; `name` ends in `_total`."""
        if not name.endswith("_total"):
            raise ValueError(f"counter {name!r} must end in _total")
        made = Count(self._full(name), text)
        self.registry.register(made)
        return made

    def spans(self, name: str, text: str) -> Spans:
        """Make a histogram of seconds for what happens with every write; `name` ends in `_seconds`."""
        if not name.endswith("_seconds"):
            raise ValueError(f"histogram {name!r} must end in _seconds")
        made = Spans(self._full(name), text)
        self.registry.register(made)
        return made

    def tally(self, counter: str, histogram: str, texts: tuple[str, str], labels: Sequence[str]) -> Tally:
        """Make a counter by `labels` and a histogram by the first of them that are counted together."""
        if not counter.endswith("_total"):
            raise ValueError(f"counter {counter!r} must end in _total")
        made = Tally(self._full(counter), self._full(histogram), texts, labels)
        self.registry.register(made)
        return made

    def add_process_metrics(self) -> None:
        """Add what the process itself shows: CPU, memory, open files, garbage collections, the Python version."""
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _full(self, name: str) -> str:
        if not _NAME.match(name):
            raise ValueError(f"metric {name!r} must be <noun>_<unit> with a unit of {', '.join(UNITS)}")
        return self._prefix + name
