"""What a gossip shows to Prometheus."""

import asyncio

from lictor_gossip.coordinate_reports import CoordinateReports
from lictor_gossip.event_bridge import EventBridge
from lictor_gossip.refusals import HINTS, Refusals
from lictor_gossip.reporting import LICTOR_TAG
from lictor_gossip.snapshot_file import SnapshotFile
from lictor_gossip.swim_driver import SwimDriver
from lictor_kit.metrics import Metrics
from lictor_swim import Status

MEASURE_EVERY_S = 1.0


class GossipMetrics:
    """The metrics of one gossip."""

    def __init__(self, metrics: Metrics) -> None:
        self.members = metrics.gauge("members_count", "Members of the pool, by status.", ["status"])
        self.plain_members = metrics.gauge("plain_members_count", "Members that have no row: plain Serf agents.")
        self.health_score = metrics.gauge("health_score_count", "This member's own health score; 0 is best.")
        self.packets_dropped = metrics.gauge("packets_dropped_count", "Packets that the kernel did not take.")
        self.streams_refused = metrics.gauge("streams_refused_count", "Streams of peers that were refused.")
        self.reports = metrics.counter("reports_total", "Failure reports sent to the leader.")
        self.refused = metrics.gauge("refused_count", "Inputs from the pool that were not taken, by kind.", ["kind"])
        self.queued = metrics.gauge("queue_count", "Messages that wait to be gossiped, by kind.", ["queue"])
        self.queue_age = metrics.gauge("queue_oldest_seconds", "Age of the oldest of them, by kind.", ["queue"])
        self.keys = metrics.gauge("keys_count", "Keys that open messages; 0 when the pool is not encrypted.")
        self.events = metrics.gauge("events_count", "User events between pool and store, by outcome.", ["outcome"])
        self.coordinates = metrics.gauge("coordinates_sent_count", "Reports of this node's coordinate.")
        self.snapshot_failures = metrics.gauge("snapshot_failures_count", "Times that the disk did not take it.")

    async def measure(
        self,
        driver: SwimDriver,
        refusals: Refusals,
        bridge: EventBridge,
        coordinates: CoordinateReports,
        snapshot: SnapshotFile,
    ) -> None:
        """Bring everything up to date, once a second."""
        while True:
            self._pool(driver)
            for kind in HINTS:
                self.refused.labels(kind).set(refusals.counts[kind])
            for outcome, count in (
                ("to_pool", bridge.to_pool),
                ("from_pool", bridge.from_pool),
                ("malformed", bridge.malformed),
                ("dropped", bridge.dropped),
            ):
                self.events.labels(outcome).set(count)
            self.coordinates.set(coordinates.sent)
            self.snapshot_failures.set(snapshot.failures)
            await asyncio.sleep(MEASURE_EVERY_S)

    def _pool(self, driver: SwimDriver) -> None:
        members = driver.members()
        for status in Status:
            self.members.labels(status.name.lower()).set(sum(member.status is status for member in members))
        self.plain_members.set(sum(LICTOR_TAG not in member.tags for member in members))
        self.health_score.set(driver.health_score)
        self.packets_dropped.set(driver.packets_dropped)
        self.streams_refused.set(driver.streams_refused)
        self.keys.set(len(driver.keyring.keys) if driver.keyring else 0)
        for queue, measure in driver.queues().items():
            self.queued.labels(queue).set(measure.depth)
            self.queue_age.labels(queue).set(measure.oldest_age_s)
