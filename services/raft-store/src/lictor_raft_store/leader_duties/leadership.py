"""The leader's duties, driven: asks, waits and proposes what the pure cores beside this module decide.

It runs on every member and does nothing while the member does not lead. Each leadership starts with a fresh judge, a
fresh autopilot, and all timers anew. A round comes every half second, and at once when there is something new.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from lictor_bus import Bus, BusError, Presence, frames, subjects
from lictor_bus.frames import AliveAnswer, FailureReport, FrameError, HoldRequest, NodeJudgement
from lictor_raft_store.leader_duties import servers
from lictor_raft_store.leader_duties.autopilot_driver import AutopilotDriver
from lictor_raft_store.leader_duties.duty import Duties
from lictor_raft_store.leader_duties.failure_judge import ASK_TIMEOUT_S, Ask, FailureJudge
from lictor_raft_store.leader_duties.lock_delays import LockDelays
from lictor_raft_store.leader_duties.long_critical import LongCritical
from lictor_raft_store.leader_duties.reaper import Reaper
from lictor_raft_store.leader_duties.restore_watch import RestoreWatch
from lictor_raft_store.leader_duties.servers import Server
from lictor_raft_store.leader_duties.session_timers import SessionTimers
from lictor_raft_store.leader_duties.tombstones import Tombstones
from lictor_raft_store.machine import AppliedBatch
from lictor_raft_store.metrics import StoreMetrics
from lictor_raft_store.renewal_api import RenewalApi
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.store_api import StoreApi
from lictor_raft_store.surroundings import Surroundings
from lictor_state.commands import AgentDecision, Command
from lictor_state.levels import too_early
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
        member_id: int,
        settings: RaftStoreSettings,
        around: Surroundings,
        metrics: StoreMetrics,
    ) -> None:
        self._bus, self._store, self._presence, self._list_servers = bus, store, presence, list_servers
        self._settings, self._metrics = settings, metrics
        self._clock, self._wall = around.clock, around.wall
        self.judge: FailureJudge | None = None
        self._wake = asyncio.Event()
        self._namesakes: list[str] = []
        self.sessions = SessionTimers()
        self._duties = Duties(
            (
                self.sessions,
                LockDelays(),
                LongCritical(),
                Tombstones(),
                Reaper(settings.raft_store_reap_hours * 3600, around.wall),
                RestoreWatch(),
            )
        )
        self._renewals = RenewalApi(bus, member_id, store, self.sessions, around.clock)
        self.members = AutopilotDriver(
            store.driver,
            expect=settings.bootstrap_expect,
            heartbeat_s=settings.raft_store_heartbeat_ms / 1000,
            dead_s=settings.raft_store_dead_after_s,
            metrics=metrics,
        )
        store.on_leadership.append(self._on_leadership)
        store.on_applied.append(self._on_applied)
        store.hold_reason = self.hold_reason

    def hold_reason(self) -> str:
        """Why decisions are held, for beacons and readiness; empty when they are not."""
        if self.judge and self.judge.brake_until > self._clock():
            return "most of the pool would fail at once; if that is so: lictor store confirm-failures"
        return ""

    def judgements(self) -> tuple[NodeJudgement, ...]:
        """What the leader holds of nodes that may have failed; nothing when this member does not lead."""
        if self.judge is None:
            return ()
        return tuple(self.judge.judgements(self._present(), self._clock()))

    def _present(self) -> dict[str, str]:
        """The gossips that are present, as node → run id."""
        return {one.node.lower(): one.instance for one in self._presence.present("gossip")}

    def confirm_failures(self) -> bool:
        """An operator confirms the failures that are held: they are decided at once. False if none are."""
        if self.judge is None or not self.hold_reason():
            return False
        self.judge.confirm_brake(self._clock())
        self._wake.set()
        return True

    def _on_leadership(self, leading: bool) -> None:
        now = self._clock()
        self._renewals.leadership_changed()
        if leading:
            self.judge = FailureJudge(now, self._settings.fail_brake)
            self._duties.begin(self._store.driver.machine.store, now)
            self.members.lead(now)
        else:
            self.judge = None
            self.members.follow()
            self._metrics.session_timers.set(0)
            self._metrics.decisions_held.set(0)
            self._metrics.disputed.set(0)
        self._wake.set()

    def _on_applied(self, batch: AppliedBatch) -> None:
        now = self._clock()
        if batch.restored_at:
            self._duties.begin(self._store.driver.machine.store, now)
        else:
            self._duties.changed(batch.changes, now)
        self._renewals.applied()

    async def run(self) -> None:
        """Do a leader's duties while this member leads."""
        cluster = self._store.cluster
        await self._bus.subscribe(subjects.failure_reports(cluster), self._on_report)
        await self._bus.subscribe(subjects.holds(cluster), self._on_hold)
        await self._renewals.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._renewals.run(), name="session renewals")
                tasks.create_task(self._rounds(), name="leader's rounds")
        finally:
            await self.members.close()

    async def _rounds(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND_S):  # `wait_for` loses a cancel that comes with the wake
                    await self._wake.wait()
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
        now, store = self._clock(), self._store.driver.machine.store
        members = self._list_servers()
        raised = self.members.round(members, now)
        if raised is not None:
            await self._propose(raised)
        expired = self.sessions.expired
        wanted = self._duties.round(store, now)
        self._metrics.sessions_expired.inc(self.sessions.expired - expired)
        self._metrics.session_timers.set(len(self.sessions))
        wanted += await self._nodes(judge, members)
        await asyncio.gather(*(self._propose(command) for command in wanted))

    async def _nodes(self, judge: FailureJudge, members: list[Server]) -> list[Command]:
        """What to decide about servers and nodes, after asking those that may have failed."""
        rows = [row for _, row in self._store.driver.machine.store.rows(Table.AGENTS) if isinstance(row, AgentRow)]
        at = int(self._wall())
        by_node = {row.node.lower(): row for row in rows}
        self._tell_namesakes(servers.namesakes(members))
        wanted = servers.commands(members, by_node, self._settings.datacenter, self._settings.consul_version, at)
        present = self._present()
        nodes = [row for row in rows if row.role == "node"]
        decisions = judge.judge(nodes, present, self._clock())
        self._metrics.disputed.set(len(judge.disputed))
        self._metrics.decisions_held.set(bool(self.hold_reason()))
        asks = [one for one in decisions if isinstance(one, Ask)]
        if asks:
            await asyncio.gather(*(self._ask(judge, one) for one in asks))
            decisions += judge.judge(nodes, present, self._clock())
        for one in decisions:
            if not isinstance(one, Ask):
                log.info("node decision", node=one.node, decision=one.decision, reason=one.reason)
                wanted.append(AgentDecision(one.node, one.run_id, one.status_index, one.decision, one.reason, at))
        return wanted

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
        if too_early(command, self._store.driver.machine.store.level) or self._store.room.reason:
            return  # some member could not read it yet, or the disk is short, which was told: the duty asks again
        self._metrics.own_commands.labels(type(command).__name__).inc()
        done = await self._store.propose_own(command)
        if done is None:
            log.warning("leader's decision was not applied in time", command=type(command).__name__)
        elif done[1].error:
            log.warning("leader's decision was refused", command=type(command).__name__, reason=done[1].error)
