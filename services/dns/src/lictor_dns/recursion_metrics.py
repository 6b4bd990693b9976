"""What a dns shows of its recursors to Prometheus; counted where they are asked, and copied from there now and then."""

from lictor_dns.recursion import Recursion
from lictor_kit import Metrics


class RecursionMetrics:
    """The metrics of one `Recursion`."""

    def __init__(self, metrics: Metrics) -> None:
        self._questions = metrics.counter("recursions_total", "Questions for recursors, by outcome.", ["outcome"])
        self._failures = metrics.counter("recursor_failures_total", "Recursors that were silent.", ["recursor"])
        self._in_flight = metrics.gauge("recursions_in_flight_count", "Questions that recursors have now.")
        self._seen: dict[str, int] = {}

    def copy(self, recursion: Recursion) -> None:
        """Bring the metrics up to date."""
        counts = recursion.counts
        for outcome, count in (
            ("answered", counts.answered),
            ("failed", counts.failed),
            ("overloaded", counts.overloaded),
            ("shared", counts.shared),
            ("over_tcp", counts.over_tcp),
        ):
            self._questions.labels(outcome).inc(count - self._seen.get(outcome, 0))
            self._seen[outcome] = count
        for address, failures in recursion.recursors.failures.items():
            name = str(address)
            self._failures.labels(name).inc(failures - self._seen.get(name, 0))
            self._seen[name] = failures
        self._in_flight.set(recursion.in_flight)
