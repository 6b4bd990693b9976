"""The leader's duties, driven: asks, waits and proposes what the pure cores beside this module decide.

It runs on every member and does nothing while the member does not lead. Each leadership starts with a fresh judge.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from lictor_bus import Bus, BusError, Presence, frames, subjects
from lictor_bus.frames import AliveAnswer, FailureReport, FrameError, HoldRequest
from lictor_raft_store.leader_duties import servers
from lictor_raft_store.leader_duties.failure_judge import ASK_TIMEOUT_S, Ask, FailureJudge
from lictor_raft_store.leader_duties.idle_restore import IdleRestore
from lictor_raft_store.leader_duties.servers import Server
from lictor_raft_store.store_api import StoreApi
from lictor_state.commands import AgentDecision, Command
from lictor_state.rows import AgentRow, Table

ROUND_S = 0.5

log = structlog.get_logger()


class Leadership:
    """Drives the duties of one member; run `run()` as one of the process's tasks."""

    def __init__(
        self,
        bus: Bus,
        store: StoreApi,
        presence: Presence,
        list_servers: Callable[[], list[Server]],
        *,
        datacenter: str,
        version: str,
        brake_fraction: float,
        clock: Callable[[], float],
    ) -> None:
        self._bus, self._store, self._presence, self._list_servers = bus, store, presence, list_servers
        self._datacenter, self._version = datacenter, version
        self._brake_fraction, self._clock = brake_fraction, clock
        self.judge: FailureJudge | None = None
        self._idle_restore = IdleRestore()
        self._wake = asyncio.Event()
        self._namesakes: list[str] = []
        store.on_leadership.append(self._on_leadership)
        store.hold_reason = self.hold_reason

    def hold_reason(self) -> str:
        """Why decisions are held, for beacons and readiness; empty when they are not."""
        if self.judge and self.judge.brake_until > self._clock():
            return "most of the pool would fail at once: decisions wait for an operator"
        return ""

    def _on_leadership(self, leading: bool) -> None:
        self.judge = FailureJudge(self._clock(), self._brake_fraction) if leading else None
        self._idle_restore = IdleRestore()
        self._wake.set()

    async def run(self) -> None:
        """Do a leader's duties while this member leads."""
        cluster = self._store.cluster
        await self._bus.subscribe(subjects.failure_reports(cluster), self._on_report)
        await self._bus.subscribe(subjects.holds(cluster), self._on_hold)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), ROUND_S)
            self._wake.clear()
            if self.judge is not None and self._store.leading:
                await self._round(self.judge)

    def _on_report(self, _subject: str, data: bytes, _reply: str) -> None:
        try:
            report = frames.decode(data, FailureReport)
        except FrameError as error:
            log.warning("failure report not understood", reason=str(error))
            return
        if self.judge is not None and report.cluster == self._store.cluster:
            self.judge.report(report, self._clock())
            if report.failed or report.left:
                self._wake.set()

    def _on_hold(self, _subject: str, data: bytes, _reply: str) -> None:
        try:
            hold = frames.decode(data, HoldRequest)
        except FrameError as error:
            log.warning("hold not understood", reason=str(error))
            return
        if self.judge is not None:
            self.judge.hold(hold.node, hold.run_id, self._clock())

    async def _round(self, judge: FailureJudge) -> None:
        rows = [row for _, row in self._store.driver.machine.store.rows(Table.AGENTS) if isinstance(row, AgentRow)]
        by_node = {row.node.lower(): row for row in rows}
        members = self._list_servers()
        self._tell_namesakes(servers.namesakes(members))
        wanted = servers.commands(members, by_node, self._datacenter, self._version)
        present = {one.node.lower(): one.instance for one in self._presence.present("gossip")}
        nodes = [row for row in rows if row.role == "node"]
        decisions = judge.judge(nodes, present, self._clock())
        asks = [one for one in decisions if isinstance(one, Ask)]
        if asks:
            await asyncio.gather(*(self._ask(judge, one) for one in asks))
            decisions += judge.judge(nodes, present, self._clock())
        for one in decisions:
            if not isinstance(one, Ask):
                log.info("node decision", node=one.node, decision=one.decision, reason=one.reason)
                wanted.append(AgentDecision(one.node, one.run_id, one.status_index, one.decision, one.reason))
        given_up = self._idle_restore.judge(self._store.driver.machine.store, self._clock())
        if given_up is not None:
            log.warning("a restore is given up: nothing came for a while", restore=given_up.restore_id)
            wanted.append(given_up)
        for command in wanted:
            await self._propose(command)

    def _tell_namesakes(self, names: list[str]) -> None:
        if names and names != self._namesakes:
            log.error("several servers bear one name: set LICTOR_RAFT_STORE_NAME on each", names=names)
        self._namesakes = names

    async def _ask(self, judge: FailureJudge, ask: Ask) -> None:
        """Ask the node itself: an answer for this run means alive."""
        alive = False
        try:
            subject = subjects.node_question(self._store.cluster, ask.node)
            answer = frames.decode(await self._bus.request(subject, b"", ASK_TIMEOUT_S), AliveAnswer)
            alive = answer.run_id == ask.run_id and not answer.leaving
        except (BusError, FrameError) as error:
            log.debug("node did not answer", node=ask.node, reason=str(error) or type(error).__name__)
        judge.answer(ask.node, ask.run_id, alive=alive)

    async def _propose(self, command: Command) -> None:
        if self._store.room.reason:
            return  # told once where the shortage began; the decision is made again while it is due
        done = await self._store.propose_own(command)
        if done is None:
            log.warning("leader's decision was not applied in time", command=type(command).__name__)
        elif done[1].error:
            log.warning("leader's decision was refused", command=type(command).__name__, reason=done[1].error)
