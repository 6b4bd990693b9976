"""What a catalog process counts."""

from lictor_kit import Metrics


class CatalogMetrics:
    """Requests by route and status, blocking queries, and how much work sharing saves."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.tally(
            "requests_total",
            "request_seconds",
            ("HTTP requests answered", "Time from a request to its answer, waits of blocking queries included"),
            ("route", "status"),
        )
        self._labels: dict[tuple[str, int], tuple[str, str]] = {}
        self._waiting = metrics.gauge("blocking_queries_count", "Blocking queries waiting now")
        self._computed = metrics.gauge("answers_computed_count", "Answers computed and encoded since the start")
        self._shared = metrics.gauge("answers_shared_count", "Answers given from shared bytes since the start")
        self._streams = metrics.gauge("event_streams_count", "Event streams open now")
        self._told = metrics.gauge("events_told_count", "Events sent on streams since the start")
        self._slow = metrics.gauge("events_slow_count", "Events that a slow client held up since the start")
        self._lines_dropped = metrics.counter("log_lines_dropped_total", "Log lines that slow readers have missed")
        self._refused = metrics.gauge(
            "refused_count", "Refused with 429 since the start, by what there was too much of", ("what",)
        )
        self._signed = metrics.counter("certificates_total", "Certificate requests by outcome", ("outcome",))

    def request(self, route: str, status: int, seconds: float) -> None:
        """One request has ended."""
        labels = self._labels.get((route, status))
        if labels is None:  # routes and statuses are few
            labels = self._labels[route, status] = (route, str(status))
        self._requests.add(labels, seconds)

    def queries(self, waiting: int, computed: int, shared: int) -> None:
        """The state of the shared answers."""
        self._waiting.set(waiting)
        self._computed.set(computed)
        self._shared.set(shared)

    def refused(self, connections: int, requests: int, queries: int) -> None:
        """How much was too much, since the start."""
        for what, count in (("connections", connections), ("requests", requests), ("blocking queries", queries)):
            self._refused.labels(what).set(count)

    def streams(self, count: int, told: int, slow: int) -> None:
        """The state of the event streams."""
        self._streams.set(count)
        self._told.set(told)
        self._slow.set(slow)

    def lines_dropped(self, count: int) -> None:
        """A reader of the log has missed lines."""
        self._lines_dropped.inc(count)

    def certificate(self, outcome: str) -> None:
        """A request for a certificate was `signed`, `refused` or could not be answered (`unavailable`)."""
        self._signed.labels(outcome).inc()
