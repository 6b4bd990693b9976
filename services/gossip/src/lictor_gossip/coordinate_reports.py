"""Where this node is, told to the store when it has moved, at a bounded rate (Consul's HTTP API, coordinates).

A report goes to one of the catalogs, which writes those of many nodes together. The whole pool sends at most
`REPORTS_PER_S`, as Consul's agents do: the larger it is, the seldomer each member reports.
"""

import asyncio
import math
import random
from collections.abc import Callable

from lictor_bus import Bus, View, frames, subjects
from lictor_bus.pool_frames import CoordinateReport
from lictor_swim import Coordinate

REPORTS_PER_S = 64.0
"""Of the whole pool; Consul's `SyncCoordinateRateTarget`."""

INTERVAL_S_MIN = 15.0
"""Consul's `SyncCoordinateIntervalMin`."""

SETTLE_S = 3.0
"""Between two looks before the first report: a few probes, so that it says something."""

MOVED_S_MIN = 0.0001
"""Nearer is the same place: a tenth of a millisecond is the noise of a network's shortest paths."""

MOVED_FRACTION = 0.05
ERROR_CHANGE_MIN = 0.1
"""A position that has become this much surer, or less sure, is news too."""


def has_moved(told: Coordinate | None, now: Coordinate) -> bool:
    """Whether a coordinate is worth a report after the one that was told last."""
    if told is None:
        return now != Coordinate()
    apart = math.dist(told.vector, now.vector) + abs(told.height - now.height) + abs(told.adjustment - now.adjustment)
    far = math.hypot(*now.vector) + now.height
    return apart > max(MOVED_S_MIN, MOVED_FRACTION * far) or abs(told.error - now.error) > ERROR_CHANGE_MIN


def interval_s(members: int) -> float:
    """Seconds between two reports of one member of a pool."""
    return max(INTERVAL_S_MIN, members / REPORTS_PER_S)


class CoordinateReports:
    """Reports one node's coordinate; run `run()` as one of the process's tasks.

    Args:
        coordinate: where the node is now.
        members: how many members the pool has.
    """

    def __init__(
        self,
        bus: Bus,
        view: View,
        node: str,
        coordinate: Callable[[], Coordinate],
        members: Callable[[], int],
        dice: random.Random,
    ) -> None:
        self.sent = 0
        self._bus, self._view, self._node = bus, view, node
        self._coordinate, self._members, self._dice = coordinate, members, dice
        self._told: Coordinate | None = None
        self._told_at_index = 0

    async def run(self) -> None:
        """Report for as long as the process lives."""
        await self._view.leader.wait_for_cluster()
        await asyncio.sleep(SETTLE_S)
        while True:
            await self._report()
            wait_s = interval_s(self._members()) if self._told else SETTLE_S
            await asyncio.sleep(wait_s * (0.75 + 0.5 * self._dice.random()))

    async def _report(self) -> None:
        row = self._view.store.agent(self._node)
        if row is None or not self._bus.connected:
            return
        if row.status_index != self._told_at_index and row.status == "alive":
            # A node that was registered anew has a new row, and its coordinate went with the old one.
            self._told, self._told_at_index = None, row.status_index
        now = self._coordinate()
        if not has_moved(self._told, now):
            return
        made = CoordinateReport(self._node, now.vector, now.error, now.adjustment, now.height)
        await self._bus.publish(subjects.pool_coordinates(self._view.cluster), frames.encode(made))
        self._told = now
        self.sent += 1
