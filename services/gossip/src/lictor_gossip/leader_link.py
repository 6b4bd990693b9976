"""The pool's line to the leader over the bus: reports, and answers to its question (design §4)."""

import asyncio
import contextlib
from functools import partial

from lictor_bus import Bus, View, frames, subjects
from lictor_bus.frames import AliveAnswer, HoldRequest
from lictor_gossip.metrics import GossipMetrics
from lictor_gossip.reporting import REPORT_EVERY_S, report
from lictor_gossip.swim_driver import SwimDriver

SPACING_S = 0.1
"""Between two reports: many changes at once are one, and a report of a large pool takes its time."""

AT_ONCE_MAX = 256
"""Members up to which a report is made on the spot, in a millisecond or two; larger ones must not delay acks."""


class LeaderLink:
    """Reports and answers for one node; run `run()` as one of the process's tasks."""

    def __init__(
        self,
        bus: Bus,
        view: View,
        driver: SwimDriver,
        node: str,
        run_id: str,
        metrics: GossipMetrics,
    ) -> None:
        self._bus, self._view, self._driver, self._metrics = bus, view, driver, metrics
        self._node, self._run_id = node, run_id
        self._changed = asyncio.Event()
        self._term = 0
        self.leaving = False

    def changed(self) -> None:
        """The member list has changed: report now."""
        self._changed.set()

    async def run(self) -> None:
        """Report every two seconds, on change, and to each new leader."""
        await self._view.leader.wait_for_cluster()
        cluster = self._view.cluster
        await self._bus.subscribe(subjects.node_question(cluster, self._node), self._on_question)
        self._view.leader.listen(lambda beacon: self._on_beacon(beacon.term))
        while True:
            await self._send(cluster)
            await asyncio.sleep(SPACING_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_EVERY_S):
                    await self._changed.wait()
            self._changed.clear()

    def _on_beacon(self, term: int) -> None:
        if term != self._term:
            self._term = term
            self._changed.set()

    async def _send(self, cluster: str) -> None:
        driver = self._driver
        whole = partial(report, cluster, self._node, self._run_id, driver.health_score, driver.members())
        made = await asyncio.to_thread(whole) if len(driver.members()) > AT_ONCE_MAX else whole()
        await self._bus.publish(subjects.failure_reports(cluster), frames.encode(made))
        self._metrics.reports.inc()

    async def _on_question(self, _subject: str, _data: bytes, reply: str) -> None:
        await self._bus.publish(reply, frames.encode(AliveAnswer(self._node, self._run_id, self.leaving)))

    async def hold(self) -> None:
        """This process ends on purpose: ask the leader to decide nothing about the node for a while."""
        if self._view.cluster:
            request = frames.encode(HoldRequest(self._node, self._run_id))
            await self._bus.publish(subjects.holds(self._view.cluster), request)
