"""What the xds service counts."""

from lictor_kit import Metrics
from lictor_xdsproto import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

SHORT_NAMES = {LISTENER: "lds", ROUTE: "rds", CLUSTER: "cds", ENDPOINT: "eds", SECRET: "sds"}


def short_name(type_url: str) -> str:
    """A type's short name; clients may ask for any type, and labels come from a closed set."""
    return SHORT_NAMES.get(type_url, "other")


class XdsMetrics:
    """The metrics of one process."""

    def __init__(self, metrics: Metrics) -> None:
        self.streams = metrics.gauge("streams_count", "Open xDS streams by variant.", ("variant",))
        self.streams_refused = metrics.counter(
            "streams_refused_total", "Streams refused or ended by reason.", ("reason",)
        )
        self.proxies = metrics.gauge("proxies_count", "Connected proxies by status.", ("status",))
        self.responses = metrics.counter("responses_total", "xDS responses sent by type.", ("type",))
        self.answers = metrics.counter(
            "answers_total", "Answers to responses by type and outcome.", ("type", "outcome")
        )
        self.answer_seconds = metrics.histogram("answer_seconds", "From a response to its ACK or NACK.", ("type",))
        self.rebuilds = metrics.counter("rebuilds_total", "Proxies rebuilt by outcome.", ("outcome",))
        self.rebuild_seconds = metrics.histogram("rebuild_seconds", "Building one proxy's snapshot.")
        self.leaves = metrics.counter("leaves_total", "Leaf certificates obtained.")
        self.leaf_failures = metrics.counter("leaf_failures_total", "Attempts to obtain a leaf that failed.")
