"""What a dns shows to Prometheus."""

from collections.abc import Callable
from dataclasses import dataclass

from lictor_bus import View
from lictor_dns.guard import Guard
from lictor_dns.rate_limit import RateLimit
from lictor_dns.responder import Responder
from lictor_dns.tcp_server import TcpServer
from lictor_dns.udp_server import UdpServer
from lictor_dnswire import Rcode
from lictor_kit import Metrics

_NAMES = {int(rcode): rcode.name.lower() for rcode in Rcode}


@dataclass(frozen=True, slots=True)
class Counted:
    """Where the parts of a dns count what they do."""

    responder: Responder
    guard: Guard
    limit: RateLimit
    udp: UdpServer
    tcp: TcpServer
    view: View


class DnsMetrics:
    """The metrics of one dns; counted where the work is done, and copied from there now and then."""

    def __init__(self, metrics: Metrics) -> None:
        self._replies = metrics.counter("replies_total", "Replies made, by rcode.", ["rcode"])
        self._ready = metrics.counter("ready_replies_total", "Replies that had been made before.")
        self._kept = metrics.gauge("ready_queries_count", "Queries whose replies are kept ready.")
        self._kept_bytes = metrics.gauge("ready_replies_bytes", "What the replies kept ready take.")
        self._evicted = metrics.counter("ready_evicted_total", "Queries that made room for others among those.")
        self._dropped = metrics.gauge("udp_dropped_count", "Replies that the kernel did not take.")
        self._limited = metrics.counter("rate_limited_total", "Replies over a rate, by what became of them.", ["fate"])
        self._cookies = metrics.counter("good_cookies_total", "Queries with a cookie that we had made.")
        self._connections = metrics.gauge("tcp_connections_count", "Connections open over TCP.")
        self._refused = metrics.counter("tcp_refused_total", "Connections closed at once: over a limit.")
        self._age = metrics.gauge("view_age_seconds", "Time since the leader was last heard.")
        self._seen: dict[str, int] = {}

    def copy(self, counted: Counted) -> None:
        """Bring the metrics up to date."""
        for rcode, count in counted.responder.counts.by_rcode.items():
            name = _NAMES.get(rcode, str(rcode))
            self._rise(name, self._replies.labels(name).inc, count)
        ready = counted.responder.ready
        self._rise("ready", self._ready.inc, ready.found + counted.responder.negatives.found)
        self._rise("evicted", self._evicted.inc, ready.evicted)
        self._kept.set(len(ready))
        self._kept_bytes.set(ready.bytes)
        self._rise("truncated", self._limited.labels("truncated").inc, counted.limit.slipped)
        self._rise("withheld", self._limited.labels("withheld").inc, counted.limit.withheld)
        self._rise("cookies", self._cookies.inc, counted.guard.good_cookies)
        self._dropped.set(counted.udp.dropped)
        self._connections.set(counted.tcp.connections)
        self._rise("refused connections", self._refused.inc, counted.tcp.refused)
        self._age.set(min(counted.view.last_contact_s(), 1e9))

    def _rise(self, name: str, rise: Callable[[float], None], count: int) -> None:
        """Add what has come since the last time."""
        rise(count - self._seen.get(name, 0))
        self._seen[name] = count
