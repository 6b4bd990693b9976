"""What is counted in plain numbers shows the same series as what prometheus-client counts."""

import pytest
from prometheus_client import generate_latest

from lictor_kit.metrics import Metrics

SECONDS = (0.0, 0.0001, 0.00011, 0.3, 10.0, 11.0)


def _shown(metrics: Metrics) -> list[str]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


def test_a_count_shows_what_a_counter_shows() -> None:
    plain, real = Metrics("raft-store"), Metrics("raft-store")
    count, counter = plain.count("entries_applied_total", "Entries."), real.counter("entries_applied_total", "Entries.")
    assert _shown(plain) == _shown(real)
    count.total += 3
    counter.inc(3)
    assert _shown(plain) == _shown(real)


def test_spans_show_what_a_histogram_shows() -> None:
    plain, real = Metrics("raft-store"), Metrics("raft-store")
    spans, histogram = plain.spans("sync_seconds", "Syncs."), real.histogram("sync_seconds", "Syncs.")
    assert _shown(plain) == _shown(real)
    for seconds in SECONDS:
        spans.add(seconds)
        histogram.observe(seconds)
    assert _shown(plain) == _shown(real)


def test_their_names_say_their_units() -> None:
    with pytest.raises(ValueError, match="must end in _total"):
        Metrics("dns").count("entries_count", "")
    with pytest.raises(ValueError, match="must end in _seconds"):
        Metrics("dns").spans("sync_count", "")
