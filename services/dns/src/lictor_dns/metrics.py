"""What a dns shows to Prometheus."""

from lictor_dns.responder import Counts
from lictor_dnswire import Rcode
from lictor_kit import Metrics

_NAMES = {int(rcode): rcode.name.lower() for rcode in Rcode}


class DnsMetrics:
    """The metrics of one dns; counted where the work is done, and copied from there now and then."""

    def __init__(self, metrics: Metrics) -> None:
        self._replies = metrics.counter("replies_total", "Replies made, by rcode.", ["rcode"])
        self._ready = metrics.counter("ready_replies_total", "Replies that had been made before.")
        self._dropped = metrics.gauge("udp_dropped_count", "Replies that the kernel did not take.")
        self._age = metrics.gauge("view_age_seconds", "Time since the leader was last heard.")
        self._seen: dict[int, int] = {}
        self._seen_ready = 0

    def copy(self, counts: Counts, dropped: int, age_s: float) -> None:
        """Bring the metrics up to date."""
        for rcode, count in counts.by_rcode.items():
            name = _NAMES.get(rcode, str(rcode))
            self._replies.labels(name).inc(count - self._seen.get(rcode, 0))
            self._seen[rcode] = count
        self._ready.inc(counts.ready - self._seen_ready)
        self._seen_ready = counts.ready
        self._dropped.set(dropped)
        self._age.set(min(age_s, 1e9))
