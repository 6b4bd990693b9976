"""What a gossip shows to Prometheus."""

from lictor_kit.metrics import Metrics


class GossipMetrics:
    """The metrics of one gossip."""

    def __init__(self, metrics: Metrics) -> None:
        self.members = metrics.gauge("members_count", "Members of the pool, by status.", ["status"])
        self.health_score = metrics.gauge("health_score_count", "This member's own health score; 0 is best.")
        self.packets_dropped = metrics.gauge("packets_dropped_count", "Packets that the kernel did not take.")
        self.streams_refused = metrics.gauge("streams_refused_count", "Streams of peers that were refused.")
        self.reports = metrics.counter("reports_total", "Failure reports sent to the leader.")
