"""What this service counts."""

from collections.abc import Mapping

from lictor_healthcheck.checks import Kind
from lictor_kit import Metrics


class HealthcheckMetrics:
    """The service's metrics, registered with the process's registry."""

    def __init__(self, metrics: Metrics) -> None:
        self._owned = metrics.gauge("owned_checks_count", "Checks that this process runs.", ("type",))
        self._probes = metrics.counter("probes_total", "Probes run, by what they came to.", ("type", "status"))
        self._probe_seconds = metrics.histogram("probe_seconds", "Time of one probe.", ("type",))
        self._lateness = metrics.histogram("probe_lateness_seconds", "From a probe's due time to its start.")
        self._transitions = metrics.counter("transitions_total", "Transitions proposed, by outcome.", ("result",))
        self._expired = metrics.counter("ttl_expired_total", "TTL checks that nobody spoke for in time.")
        self._updates = metrics.counter("ttl_updates_total", "TTL updates answered, by HTTP status.", ("code",))
        self._gaps = metrics.counter("echo_gaps_total", "Times that this process had lost its own presence echo.")

    def owned(self, counts: Mapping[Kind, int]) -> None:
        """How many checks of each kind are run now."""
        for kind in Kind:
            self._owned.labels(kind.value).set(counts.get(kind, 0))

    def probe_started(self, late_s: float) -> None:
        """A probe starts this long after it was due."""
        self._lateness.observe(late_s)

    def probe_ended(self, kind: Kind, status: str, seconds: float) -> None:
        """A probe has come to a status."""
        self._probes.labels(kind.value, status).inc()
        self._probe_seconds.labels(kind.value).observe(seconds)

    def transition(self, result: str) -> None:
        """A transition has an outcome."""
        self._transitions.labels(result).inc()

    def ttl_expired(self) -> None:
        """A TTL check expired."""
        self._expired.inc()

    def ttl_update(self, code: int) -> None:
        """An update was answered."""
        self._updates.labels(str(code)).inc()

    def echo_gap(self) -> None:
        """The own presence echo is back after a gap."""
        self._gaps.inc()
