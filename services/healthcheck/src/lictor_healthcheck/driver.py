"""The driver: runs the checks that this process owns and proposes what they come to.

It waits (for the next due check, the next TTL, a change of rows or of presence) and acts; what to do is decided by
the pure parts: `ownership`, `schedule`, `thresholds`, `ttl`, `alias`, `transitions`. What a check should show is
compared with what the store shows each time either changes (level-triggered), so that a lost proposal, an overwritten
row or a new leader needs no case of its own. Probes run side by side up to a bound; those beyond it wait in order.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from lictor_healthcheck import alias, ttl
from lictor_healthcheck.checks import CRITICAL, CheckKey, Kind, Verdict, output_bytes_max
from lictor_healthcheck.metrics import HealthcheckMetrics
from lictor_healthcheck.ownership import EchoGuard, Replica, Voice, owns
from lictor_healthcheck.probes import probe_http, probe_tcp
from lictor_healthcheck.projection import Projection
from lictor_healthcheck.proposals import Outcome, Proposals, Result, TransitionProposer
from lictor_healthcheck.running import RunningCheck, RunningChecks
from lictor_healthcheck.thresholds import weigh
from lictor_healthcheck.transitions import Transitions
from lictor_state import Store
from lictor_state.commands import CheckTransition
from lictor_state.rows import Change

TICK_S = 0.25
"""How often the own presence echo is looked at when nothing else happens."""

RETRY_S = 1.0
"""After a proposal that did not come through: the proposer itself has tried for seconds already."""

log = structlog.get_logger()


class CheckDriver:
    """Runs checks; run `run()` as one of the process's tasks, after the first `reset`.

    Args:
        own: this process, as it is known in presence.
        proposer: takes transitions to the leader.
        replicas: the healthchecks that are present.
        echo_age_s: seconds since this process last heard its own announcement.
        wait_for_view: waits until the own view has reached an index.
        metrics: counts.
        clock: seconds, never going back.
        dice: random numbers in [0, 1).
        probes_max: probes at once.
        output_interval_s: see `Transitions`.
        output_bytes_max: output kept per check.
        echo_age_s_max: see `EchoGuard`.
    """

    def __init__(
        self,
        *,
        own: Replica,
        proposer: TransitionProposer,
        replicas: Callable[[], Iterable[Replica]],
        echo_age_s: Callable[[], float],
        wait_for_view: Callable[[int, float], Awaitable[bool]],
        metrics: HealthcheckMetrics,
        clock: Callable[[], float],
        dice: Callable[[], float],
        probes_max: int,
        output_interval_s: float,
        output_bytes_max: int,
        echo_age_s_max: float,
    ) -> None:
        self.own = own
        self.projection = Projection()
        self.proposals = Proposals(proposer, self.may_speak, wait_for_view, self._on_settled)
        self._replicas = replicas
        self.sharers: list[Replica] = []
        self._echo_age_s = echo_age_s
        self._echo_age_s_max = echo_age_s_max
        self._guard = EchoGuard(echo_age_s_max)
        self._metrics = metrics
        self._clock = clock
        self._probes_max = probes_max
        self._output_bytes_max = output_bytes_max
        self._transitions = Transitions(output_interval_s)
        self.running = RunningChecks(self._transitions, dice)
        self._queue: deque[tuple[float, CheckKey, int]] = deque()
        self._probing: dict[CheckKey, asyncio.Task[None]] = {}
        self._retry_at: dict[CheckKey, float] = {}
        self._wake = asyncio.Event()
        self._swept_at = float("-inf")
        self._tasks: asyncio.TaskGroup | None = None

    # -- what happens around us

    def may_speak(self) -> bool:
        """Whether this process's presence is fresh enough to propose."""
        return not self._guard.cut and self._echo_age_s() <= self._echo_age_s_max

    def reset(self, store: Store) -> None:
        """Start from a whole store: the view is complete, or was replaced."""
        self.projection.follow(store)
        if not self._guard.cut:
            self._share()
            for key in self.running.held():
                self._look(key)
        self._wake.set()

    def load(self, changes: Sequence[Change]) -> None:
        """Take the changes of one index, which the store has loaded."""
        keys, nodes = self.projection.take(changes)
        if self._guard.cut:
            return  # everything is placed and looked at when we are back
        for key in sorted(keys):
            self._place(key)
            self._look(key)
        mirrors = [key for node in sorted(nodes) for key in self.running.aliases_of(node)]
        for key in mirrors:
            self._look(key)
        if keys or mirrors:
            self._wake.set()

    def presence_changed(self) -> None:
        """A healthcheck came or went."""
        # While we are cut off everybody seems gone: what we own is decided when we are back.
        if not self._guard.cut and list(self._replicas()) != self.sharers:
            self._share()
            self._wake.set()

    def ttl_update(self, key: CheckKey, status: str, output: str) -> asyncio.Future[Outcome] | None:
        """Take an update of a TTL check of ours.

        Returns:
            The outcome to wait for; None when the store shows it already.

        Raises:
            KeyError: the check is not ours, or no TTL check.
        """
        now = self._clock()
        self.running.deadlines.touch(key, now)
        check = self.running.get(key)
        assert check is not None, "deadlines are kept for running checks only"
        check.wanted = Verdict(status, self._cut(check, output))
        self._reconcile(key, check, now)
        pending = self.proposals.pending(key)
        return None if pending is None else pending[1]

    # -- the loop

    async def run(self) -> None:
        """Run checks until cancelled; every probe is cancelled with it."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            while True:
                self._turn()
                await self._sleep()

    def _turn(self) -> None:
        now = self._clock()
        was_cut = self._guard.cut
        voice = self._guard.observe(now, self._echo_age_s())
        if voice is Voice.CUT and not was_cut:
            log.warning("own presence echo is too old: nothing is proposed", age_s=round(self._echo_age_s(), 3))
            self._metrics.echo_gap()
        if voice is Voice.RETURNED:
            log.info("own presence echo is fresh: every TTL starts afresh", ttl_checks=len(self.running.deadlines))
            self.running.deadlines.touch_all(now)
            self._share()
            for key in self.running.held():
                self._look(key)
        if voice is not Voice.CUT:
            self._expire(now)
            self._sweep(now)
        for due, key in self.running.schedule.take_due(now):
            check = self.running.get(key)
            if check is not None:
                self._queue.append((due, key, check.row.definition_index))
        self._start_probes(now)

    def _sweep(self, now: float) -> None:
        """Look again at what was put off; once a tick, since each pass goes over all of it."""
        if now < self._swept_at + TICK_S:
            return
        self._swept_at = now
        for key in self._transitions.ripe(now):
            self._look(key)
        for key in [key for key, at in self._retry_at.items() if at <= now]:
            del self._retry_at[key]
            self._look(key)

    async def _sleep(self) -> None:
        times = (self.running.schedule.next_due(), self.running.deadlines.next_deadline())
        now = self._clock()
        wait_s = min([TICK_S, *(max(0.0, at - now) for at in times if at is not None)])
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    # -- probes

    def _start_probes(self, now: float) -> None:
        assert self._tasks is not None, "probes start inside run"
        while self._queue and len(self._probing) < self._probes_max:
            due, key, definition_index = self._queue.popleft()
            check = self.running.get(key)
            if check is None or check.row.definition_index != definition_index:
                continue
            self._metrics.probe_started(now - due)
            self._probing[key] = self._tasks.create_task(self._probe(key, check), name=f"probe {key[0]}/{key[1]}")

    async def _probe(self, key: CheckKey, check: RunningCheck) -> None:
        started = self._clock()
        try:
            if check.kind is Kind.HTTP:
                verdict = await probe_http(check.row.definition, self._output_bytes_max)
            else:
                verdict = await probe_tcp(check.row.definition)
        except Exception as error:  # one check's definition must not be able to stop everybody else's checks
            log.exception("probe failed", check_node=key[0], check=key[1])
            verdict = Verdict(CRITICAL, f"the probe failed: {type(error).__name__}")
        finally:
            if self._probing.get(key) is asyncio.current_task():
                del self._probing[key]
            self._wake.set()
        now = self._clock()
        self._metrics.probe_ended(check.kind, verdict.status, now - started)
        if self.running.get(key) is not check:
            return  # redefined or handed over while we probed
        check.tally, shows = weigh(check.tally, verdict, check.row.definition)
        if shows is not None:
            check.wanted = shows
            self._reconcile(key, check, now)
        self.running.schedule.finished(key, now)

    # -- verdicts

    def _expire(self, now: float) -> None:
        for key in self.running.deadlines.take_expired(now):
            check = self.running.get(key)
            assert check is not None, "deadlines are kept for running checks only"
            self._metrics.ttl_expired()
            check.wanted = ttl.expired_verdict(check.wanted or check.shown)
            self._reconcile(key, check, now)

    def _look(self, key: CheckKey) -> None:
        """Compare what a check of ours should show with what it shows."""
        check = self.running.get(key)
        if check is None:
            return
        if check.kind is Kind.ALIAS:
            node = alias.target_node(check.row)
            exists = self.projection.service_exists(node, check.row.definition.alias_service)
            mirrored = alias.mirror(check.row, self.projection.of_node(node), exists)
            # Aliases of aliases quote each other: without a limit a circle of them would grow for ever.
            check.wanted = Verdict(mirrored.status, self._cut(check, mirrored.output))
        self._reconcile(key, check, self._clock())

    def _reconcile(self, key: CheckKey, check: RunningCheck, now: float) -> None:
        if check.wanted is None or not self.may_speak():
            return
        pending = self.proposals.pending(key)
        shown = check.shown if pending is None else pending[0]
        if not self._transitions.judge(key, shown, check.wanted, now):
            return
        if check.wanted.status != shown.status:
            log.info(
                "check changes", check_node=check.row.node, check=check.row.check_id, was=shown.status,
                status=check.wanted.status, output=check.wanted.output[:200],
            )  # fmt: skip
        row = check.row
        self.proposals.submit(CheckTransition(row.node, row.check_id, row.definition_index, *check.wanted))

    def _on_settled(self, key: CheckKey, proposed: Verdict, outcome: Outcome) -> None:
        self._metrics.transition(outcome.result.value)
        check = self.running.get(key)
        if check is None:
            return
        if outcome.result is Result.COMMITTED:
            if outcome.seen or check.wanted != proposed:  # somebody may have written over it meanwhile
                self._look(key)
        elif outcome.result is Result.FAILED:
            self._retry_at[key] = self._clock() + RETRY_S
        # REFUSED: the row has changed or gone, its change tells. DROPPED: everything is looked at when we are back.

    # -- ownership

    def _share(self) -> None:
        self.sharers = list(self._replicas())
        for key in {*self.projection.keys(), *self.running.held()}:
            self._place(key)
        self._metrics.owned(self.running.counts)

    def _place(self, key: CheckKey) -> None:
        row = self.projection.check(key)
        if row is None or not owns(self.own, row, self.sharers):
            if self.running.release(key):
                self._stop_probe(key)
                self._metrics.owned(self.running.counts)
            return
        if self.running.hold(row, self._clock()):
            self._stop_probe(key)
            self._metrics.owned(self.running.counts)
            self._look(key)

    def _stop_probe(self, key: CheckKey) -> None:
        self._retry_at.pop(key, None)
        task = self._probing.pop(key, None)
        if task is not None:
            task.cancel()

    def _cut(self, check: RunningCheck, output: str) -> str:
        return ttl.cut_output(output, output_bytes_max(check.row.definition, self._output_bytes_max))
