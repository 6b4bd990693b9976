"""Drives autopilot and the feature level: observes every round, proposes one change at a time."""

import asyncio

import structlog

from lictor_raft import Role
from lictor_raft_store.leader_duties.autopilot import Autopilot, Change
from lictor_raft_store.leader_duties.levels import behind, raise_level
from lictor_raft_store.leader_duties.servers import Server
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.node_driver import NodeDriver
from lictor_state.commands import RaiseLevel
from lictor_state.levels import LEVEL_MAX
from lictor_state.rows import AutopilotRow

log = structlog.get_logger()

DEFAULTS = AutopilotRow()


class AutopilotDriver:
    """The autopilot of one member, while it leads."""

    def __init__(
        self, driver: NodeDriver, *, expect: int, heartbeat_s: float, dead_s: float, metrics: StoreMetrics
    ) -> None:
        self._driver, self._expect, self._heartbeat_s, self._metrics = driver, expect, heartbeat_s, metrics
        self._dead_s = dead_s
        self.autopilot: Autopilot | None = None
        self._changing: asyncio.Task[None] | None = None
        self._behind: list[str] = []

    def lead(self, now: float) -> None:
        """A leadership begins: observe anew."""
        self.autopilot = Autopilot(now, self._expect, self._heartbeat_s, self._dead_s)

    def follow(self) -> None:
        """Leadership is over."""
        self.autopilot = None
        self._metrics.failure_tolerance.set(0)
        self._metrics.unhealthy_members.set(0)

    def round(self, servers: list[Server], now: float) -> RaiseLevel | None:
        """Observe, and begin a change if one is due and none under way; the level to raise, if any."""
        autopilot, node, store = self.autopilot, self._driver.node, self._driver.machine.store
        status = node.status()
        if autopilot is None or status.role is not Role.LEADER:
            return None
        settings = store.autopilot() or DEFAULTS
        autopilot.observe(servers, status.id, status.last_index, settings, now)
        self._metrics.failure_tolerance.set(autopilot.failure_tolerance)
        self._metrics.unhealthy_members.set(sum(not one.healthy for one in autopilot.healths))
        if self._changing is None or self._changing.done():
            change = autopilot.decide(servers, status.conf_state, settings, store.level, now)
            if change is not None:
                self._changing = asyncio.create_task(self._change(change), name="change of the configuration")
        self._tell_behind(behind(servers, LEVEL_MAX) if store.level < LEVEL_MAX else [])
        return raise_level(servers, store.level)

    def _tell_behind(self, names: list[str]) -> None:
        if names and names != self._behind:
            log.info("these members hold the feature level down, with an older build or by their setting", names=names)
        self._behind = names

    async def _change(self, change: Change) -> None:
        log.warning("autopilot changes the configuration", reason=change.reason)
        done = await self._driver.change_members(change.change)
        self._metrics.autopilot_changes.labels("done" if done else "refused").inc()
        if not done:
            log.warning("autopilot's change was not taken", reason=change.reason)

    async def close(self) -> None:
        """End a change under way; what becomes of it in the log is seen by the next leader."""
        if self._changing is not None:
            self._changing.cancel()
            await asyncio.wait([self._changing])
