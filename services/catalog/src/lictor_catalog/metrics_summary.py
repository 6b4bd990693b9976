"""Prometheus metrics as `agent/metrics` shows them: what an interval added, in Consul's JSON.

Two looks at one registry make an interval. Gauges are shown as they are; of counters and histograms only those that
moved. A counter's increments count as one each. A histogram keeps buckets and not values: `Min`, `Max` and `Stddev` are
those of values in the middle of their buckets, and a mean is exact. Pure: looks and times come from outside.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from prometheus_client import Metric

INTERVAL_S = 10
Labels = tuple[tuple[str, str], ...]


class Histogram(NamedTuple):
    """Cumulative counts by upper bound, and the sum of the values."""

    buckets: tuple[tuple[float, float], ...]
    sum: float


class Look(NamedTuple):
    """A registry at one moment."""

    gauges: dict[tuple[str, Labels], float]
    counters: dict[tuple[str, Labels], float]
    histograms: dict[tuple[str, Labels], Histogram]


NOTHING = Look({}, {}, {})


def look(families: Iterable[Metric]) -> Look:
    """Sort a registry's metrics by their kind; names get a dot behind `lictor` and behind the role."""
    found = Look({}, {}, {})
    for family in families:
        name = dotted(family.name)
        if family.type == "histogram":
            _histograms(name, family, found.histograms)
            continue
        into = found.counters if family.type == "counter" else found.gauges
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                into[name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def dotted(name: str) -> str:
    """`lictor_catalog_requests` as `lictor.catalog.requests`; a name that is not ours keeps its underscores."""
    head, _, rest = name.partition("_")
    if head != "lictor":
        return f"lictor.{head}.{rest}" if rest else f"lictor.{head}"
    role, _, rest = rest.partition("_")
    return f"lictor.{role}.{rest}"


def _histograms(name: str, family: Metric, into: dict[tuple[str, Labels], Histogram]) -> None:
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    sums: dict[Labels, float] = {}
    for sample in family.samples:
        labels = tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))
        if sample.name.endswith("_bucket"):
            buckets.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    for labels, counts in buckets.items():
        into[name, labels] = Histogram(tuple(counts), sums.get(labels, 0.0))


def summary(before: Look, after: Look, timestamp: str, seconds: float) -> dict[str, Any]:
    """The interval between two looks, `seconds` long, as Consul's JSON value."""
    return {
        "Timestamp": timestamp,
        "Gauges": [
            {"Name": name, "Value": _finite(value), "Labels": dict(labels)}
            for (name, labels), value in sorted(after.gauges.items())
        ],
        "Points": [],
        "Counters": [
            shown
            for key, value in sorted(after.counters.items())
            if (shown := _counted(key, value - before.counters.get(key, 0.0), seconds))
        ],
        "Samples": [
            shown
            for key, value in sorted(after.histograms.items())
            if (shown := _sampled(key, before.histograms.get(key), value, seconds))
        ],
    }


def _counted(key: tuple[str, Labels], added: float, seconds: float) -> dict[str, Any] | None:
    if added <= 0:
        return None
    return _shown(key, round(added), added, seconds, least=1.0, most=1.0, deviation=0.0)


def _sampled(
    key: tuple[str, Labels], before: Histogram | None, after: Histogram, seconds: float
) -> dict[str, Any] | None:
    was = dict(before.buckets) if before is not None else {}
    middles: list[tuple[float, float]] = []
    lower, below = 0.0, 0.0
    for upper, cumulative in after.buckets:
        total = cumulative - was.get(upper, 0.0)
        if total > below:
            middles.append((lower if math.isinf(upper) else (lower + upper) / 2, total - below))
        lower, below = upper, total
    if not middles:
        return None
    added = after.sum - (before.sum if before is not None else 0.0)
    mean = sum(middle * count for middle, count in middles) / below
    variance = sum(count * (middle - mean) ** 2 for middle, count in middles) / below
    least, most = middles[0][0], middles[-1][0]
    return _shown(key, round(below), added, seconds, least=least, most=most, deviation=math.sqrt(variance))


def _shown(
    key: tuple[str, Labels], count: int, added: float, seconds: float, *, least: float, most: float, deviation: float
) -> dict[str, Any]:
    name, labels = key
    return {
        "Name": name,
        "Count": count,
        "Rate": added / seconds if seconds > 0 else 0.0,
        "Sum": added,
        "Min": least,
        "Max": most,
        "Mean": added / count if count else 0.0,
        "Stddev": deviation,
        "Labels": dict(labels),
    }


def _finite(value: float) -> float:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else 0.0
