"""Proposals: transitions on their way to the store.

One transition per check waits, the newest; all that wait go to the proposer together, which sends them to the leader
as one message. Nothing is sent while this process's own presence echo is too old (design §4): what waits is dropped
then, and whoever owns the check decides anew. It repeats nothing itself: an outcome is told, the driver judges.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

import structlog

from lictor_bus import Committed, ProposeError
from lictor_healthcheck.checks import CheckKey, Verdict
from lictor_state.commands import CheckTransition, Command

BATCH_MAX = 512
"""Transitions proposed together; the rest waits for one round trip. At most one waits per owned check."""

VIEW_WAIT_S = 1.0
"""After a commit the own view usually has it within milliseconds; beyond this we go on with what it shows."""

log = structlog.get_logger()


class TransitionProposer(Protocol):
    """What is needed of `lictor_bus.Proposer`."""

    async def propose(self, command: Command, timeout_s: float = 10.0) -> Committed:
        """Have one command applied."""
        ...


class Result(Enum):
    """What became of a transition."""

    COMMITTED = "committed"
    REFUSED = "refused"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a proposal; `reason` says why it did not commit, `seen` whether the own view shows it."""

    result: Result
    reason: str = ""
    seen: bool = True


@dataclass(slots=True, eq=False)
class _Waiting:
    transition: CheckTransition
    outcome: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Proposals:
    """Sends transitions; run `run()` as one of the process's tasks.

    Args:
        proposer: takes commands to the leader.
        may_speak: whether this process's presence is fresh enough to propose.
        wait_for_view: waits until the own view has reached an index, or a time limit in seconds.
        on_settled: told of each outcome, with the check's key and what had been proposed.
    """

    def __init__(
        self,
        proposer: TransitionProposer,
        may_speak: Callable[[], bool],
        wait_for_view: Callable[[int, float], Awaitable[bool]],
        on_settled: Callable[[CheckKey, Verdict, Outcome], None],
    ) -> None:
        self._proposer = proposer
        self._may_speak = may_speak
        self._wait_for_view = wait_for_view
        self._on_settled = on_settled
        self._waiting: dict[CheckKey, _Waiting] = {}
        self._in_flight: dict[CheckKey, _Waiting] = {}
        self._work = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def submit(self, transition: CheckTransition) -> asyncio.Future[Outcome]:
        """Propose a transition; one of the same check that still waits is replaced and shares the outcome."""
        key = (transition.node.lower(), transition.check_id)
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(transition)
        else:
            waiting.transition = transition
        self._work.set()
        return waiting.outcome

    def pending(self, key: CheckKey) -> tuple[Verdict, asyncio.Future[Outcome]] | None:
        """The newest transition of a check that has no outcome yet."""
        entry = self._waiting.get(key) or self._in_flight.get(key)
        if entry is None:
            return None
        return Verdict(entry.transition.status, entry.transition.output), entry.outcome

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting:
                await self._send()

    async def drain(self, limit_s: float) -> None:
        """Wait until everything submitted has an outcome, at most `limit_s`; `run` must be running."""
        outcomes = [entry.outcome for entry in (*self._waiting.values(), *self._in_flight.values())]
        if outcomes:
            await asyncio.wait(outcomes, timeout=limit_s)

    async def _send(self) -> None:
        for key in list(self._waiting)[:BATCH_MAX]:
            self._in_flight[key] = self._waiting.pop(key)
        batch = dict(self._in_flight)
        if not self._may_speak():
            for key, entry in batch.items():
                self._settle(key, entry, Outcome(Result.DROPPED, "cut off from the cluster"))
            return
        answers = await asyncio.gather(*(self._propose(entry.transition) for entry in batch.values()))
        newest = max(index for index, _ in answers)
        seen = not newest or await self._wait_for_view(newest, VIEW_WAIT_S)
        for (key, entry), (_, outcome) in zip(batch.items(), answers, strict=True):
            self._settle(key, entry, outcome if seen else replace(outcome, seen=False))

    async def _propose(self, transition: CheckTransition) -> tuple[int, Outcome]:
        try:
            committed = await self._proposer.propose(transition)
        except ProposeError as error:
            return 0, Outcome(Result.FAILED, str(error))
        if committed.result.error:
            return committed.index, Outcome(Result.REFUSED, committed.result.error)
        return committed.index, Outcome(Result.COMMITTED)

    def _settle(self, key: CheckKey, entry: _Waiting, outcome: Outcome) -> None:
        del self._in_flight[key]
        if not entry.outcome.done():
            entry.outcome.set_result(outcome)
        transition = entry.transition
        if outcome.result is not Result.COMMITTED:
            log.warning(
                "transition not stored",
                check_node=transition.node,
                check=transition.check_id,
                result=outcome.result.value,
                reason=outcome.reason,
            )
        self._on_settled(key, Verdict(transition.status, transition.output), outcome)
