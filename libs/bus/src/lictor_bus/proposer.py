"""Proposing commands to the leader, exactly once (design rules 3.1 to 3.3).

A proposer registers itself with the store (its id is the index of that entry) and numbers its commands. All commands
that wait at one moment go to the leader as one message; an unanswered batch is sent again, with the same numbers, to
whoever leads next, and the state answers a number it has seen from its record instead of applying it twice.

What it does not do: it does not judge commands, and it does not wait for any view.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
import structlog

from lictor_bus import frames
from lictor_bus.connection import Bus, BusError
from lictor_bus.frames import MESSAGE_BYTES_MAX, ProposeAnswer, ProposeBatch
from lictor_bus.lanes import Lane, NatsLane
from lictor_bus.leader import LeaderTracker
from lictor_bus.proposal_gathering import ProposalGathering
from lictor_state.commands import Command, Envelope, RegisterProposer, Result
from lictor_state.levels import too_early
from lictor_state.txn_outcome import answer_bytes_max

BATCHES_IN_FLIGHT_MAX = 4
"""More would only queue at the leader, which groups what waits during its disk write anyway."""

UNANSWERED_MAX = 1000
"""The state remembers 1,024 results per proposer; a number further ahead than that could be forgotten."""

WAITING_MAX = 16_384
"""Commands waiting to be sent; beyond it callers are refused at once instead of timing out later."""

NOT_TAKEN = frozenset({"not-leader", "full", "no-space"})
"""Answers after which a batch is certainly in no log by this try."""

TIMEOUT_S = 10.0
"""How long a command waits for its answer unless its caller says otherwise."""

ATTEMPT_TIMEOUT_S = 5.0
RETRY_WAIT_S = 0.05
RESULTS_KEPT, RESULT_KEPT_BYTES_MAX = 64, 64
"""Short results kept decoded by their bytes: nearly every command comes to the same few."""

log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_results = msgspec.msgpack.Decoder(Result).decode
_short_results = lru_cache(RESULTS_KEPT)(_results)


class ProposeError(Exception):
    """A command was not answered by the store."""


class NoLeaderError(ProposeError):
    """No leader took the command within the time limit: it was not applied and will not be."""

    def __init__(self) -> None:
        super().__init__("No cluster leader")


class OutcomeUnknownError(ProposeError):
    """The command was sent but its answer did not come: it may or may not take effect."""

    def __init__(self) -> None:
        super().__init__("outcome unknown")


class RefusedError(ProposeError):
    """Members of the store could not read the command: builds that do not fit together."""


class NoSpaceError(ProposeError):
    """The leader's disk is full: the command was not applied and will not be. The text is the leader's."""


class OverloadedError(ProposeError):
    """Too many commands wait already; this one was not sent."""

    def __init__(self) -> None:
        super().__init__("too many writes are waiting, try again later")


class Committed(msgspec.Struct, frozen=True, gc=False):
    """A command's store index and what apply said."""

    index: int
    result: Result


Outcome = Committed | ProposeError
Done = Callable[[Outcome], None]
"""Told what became of a command, once, from the loop; must not raise."""


class Waiting:
    """A submitted command; `done` is None once it was told, or nobody wants to hear it."""

    __slots__ = ("command", "deadline", "done", "number", "sent")

    def __init__(self, command: Command, deadline: float, done: Done) -> None:
        self.command = command
        self.deadline = deadline
        self.done: Done | None = done
        self.number = 0
        self.sent = False


@dataclass(slots=True)
class _Line:
    """One numbered line of commands, under one proposer id."""

    proposer: int
    next_number: int = 1
    unanswered: dict[int, Waiting] = field(default_factory=dict)

    def answered_below(self) -> int:
        return next(iter(self.unanswered), self.next_number)


class Proposer:
    """Sends commands to the leader; run `run()` as one of the process's tasks."""

    def __init__(
        self,
        bus: Bus,
        leader: LeaderTracker,
        name: str,
        clock: Callable[[], float] = time.monotonic,
        lane: Lane | None = None,
        feed: Callable[[bytes], None] | None = None,
    ) -> None:
        """Proposals travel on `lane`; without one, over NATS.

        With `feed`, answers bring the changes that they speak of; it is handed them before anybody hears the answer.
        """
        self._feed = feed
        self._lane = lane or NatsLane(bus, lambda: leader.cluster)
        self._leader = leader
        self._name = name
        self._clock = clock
        self._queue: list[Waiting] = []
        self._batches: asyncio.TaskGroup | None = None
        self._pumping = False
        self._gathering = ProposalGathering()
        self._in_flight = 0
        self._wants_line = asyncio.Event()
        self._line: _Line | None = None
        self._timed: dict[Waiting, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._asking: dict[asyncio.Task[None], None] = {}
        self._moved: set[asyncio.Task[None]] = set()
        leader.on_change(self._leader_changed)

    @property
    def waiting(self) -> int:
        """Commands not yet answered."""
        return len(self._queue) + (len(self._line.unanswered) if self._line else 0)

    async def propose(self, command: Command, timeout_s: float = TIMEOUT_S) -> Committed:
        """Have one command applied.

        Raises:
            NoLeaderError: nobody took it in time.
            OutcomeUnknownError: it was sent, and no answer came in time.
            NoSpaceError: the leader's disk is full.
            OverloadedError: too many wait already.
            RefusedError: not every member of the store can read it yet.
        """
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not answer.done():
                answer.set_result(outcome)

        waiting = self.submit(command, done, timeout_s)
        try:
            outcome = await answer
        except asyncio.CancelledError:
            self.forget(waiting)
            raise
        if isinstance(outcome, ProposeError):
            raise outcome
        return outcome

    def submit(self, command: Command, done: Done, timeout_s: float = TIMEOUT_S) -> Waiting:
        """Have one command applied, and `done` told what `propose` returns or raises.

        Raises:
            OverloadedError: too many wait already.
            RefusedError: not every member of the store can read it yet.
        """
        beacon = self._leader.beacon
        if beacon is not None and (early := too_early(command, beacon.level)):
            raise RefusedError(early)
        if len(self._queue) >= WAITING_MAX:
            raise OverloadedError
        now = self._clock()
        waiting = Waiting(command, now + timeout_s, done)
        self._queue.append(waiting)
        self._timed[waiting] = None
        if self._timer is None or waiting.deadline < self._timer_at:
            self._wait_until(waiting.deadline, now)
        if not self._pumping:
            self._wake()
        return waiting

    def forget(self, waiting: Waiting) -> None:
        """Nobody wants to hear of this command any more; if it has not been sent it never will be."""
        if waiting.done is None:
            return
        self._close(waiting)
        if waiting in self._queue:
            self._queue.remove(waiting)
        elif self._line:
            self._line.unanswered.pop(waiting.number, None)

    def _close(self, waiting: Waiting) -> None:
        waiting.done = None
        del self._timed[waiting]

    def _tell(self, waiting: Waiting, outcome: Outcome) -> None:
        done = waiting.done
        if done is not None:
            self._close(waiting)
            done(outcome)

    def _wait_until(self, deadline: float, now: float) -> None:
        """One timer for all that wait, at the earliest deadline that was heard of: one for each costs 3 us a write."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = asyncio.get_running_loop().call_later(max(0.0, deadline - now), self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._clock()
        next_at = 0.0
        for waiting in list(self._timed):
            done = waiting.done
            if done is None:  # told by the callback of one before it
                continue
            if waiting.deadline <= now:
                self.forget(waiting)
                done(OutcomeUnknownError() if waiting.sent else NoLeaderError())
            elif not next_at or waiting.deadline < next_at:
                next_at = waiting.deadline
        if next_at and self._timer is None:
            self._wait_until(next_at, now)

    async def run(self) -> None:
        """Send what waits, for ever."""
        try:
            async with asyncio.TaskGroup() as self._batches:
                self._wake()
                while True:
                    await self._wants_line.wait()
                    if self._line is None:
                        await self._register()
                    if self._line is not None:
                        self._wants_line.clear()
                        self._wake()
        finally:
            self._batches = None

    def _wake(self) -> None:
        """Send at the end of this turn of the loop, together with whatever else comes in it (`proposal_gathering`)."""
        if not self._pumping and self._batches is not None:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Send as many batches as may be under way, unless there is more to come."""
        if self._gathering.goes_on(len(self._queue)):
            asyncio.get_running_loop().call_soon(self._pump)
            return
        self._pumping = False
        line = self._line
        if line is None:
            if self._queue:
                self._wants_line.set()
            return
        while self._queue and self._in_flight < BATCHES_IN_FLIGHT_MAX and self._batches is not None:
            batch, payload = self._take(line)
            if not batch:
                return  # held back by the unanswered ones: on it goes with the next answer
            self._in_flight += 1
            self._batches.create_task(self._deliver(line, batch, payload), name="propose batch")

    def _take(self, line: _Line) -> tuple[list[Waiting], list[bytes]]:
        """Number and encode as many waiting commands as one message and the line's window may hold."""
        batch: list[Waiting] = []
        payload: list[bytes] = []
        size = answers = 0
        proposer, number, unanswered, below = line.proposer, line.next_number, line.unanswered, line.answered_below()
        for waiting in self._queue:
            if number - below >= UNANSWERED_MAX:
                break
            command = waiting.command
            encoded = _encode(Envelope(proposer, number, below, command))
            length = len(encoded)
            answer = answer_bytes_max(command, length)  # the answers come in one message too
            if payload and (size + length > MESSAGE_BYTES_MAX or answers + answer > MESSAGE_BYTES_MAX):
                break
            size += length + 5
            answers += answer
            waiting.number = number
            unanswered[number] = waiting
            number += 1
            batch.append(waiting)
            payload.append(encoded)
        line.next_number = number
        del self._queue[: len(batch)]
        return batch, payload

    async def _deliver(self, line: _Line, batch: list[Waiting], payload: list[bytes]) -> None:
        """Send one batch until it is answered or nobody waits for it any more."""
        try:
            data = frames.encode(ProposeBatch(self._leader.cluster, payload, self._feed is not None))
            deadline = max([one.deadline for one in batch])
            while any(one.done is not None for one in batch):
                answer = await self._attempt(batch, data, deadline)
                if answer is None:
                    if self._clock() >= deadline:
                        return
                    await asyncio.sleep(RETRY_WAIT_S)
                    continue
                self._settle(line, batch, answer)
                return
        finally:
            for one in batch:
                line.unanswered.pop(one.number, None)
            self._in_flight -= 1
            if self._queue:
                self._wake()

    async def _attempt(self, batch: list[Waiting], data: bytes, deadline: float) -> ProposeAnswer | None:
        """One try with whoever leads now; None means: try again."""
        leader = self._leader.leader
        if not leader:
            await self._wait_for_leader(deadline)
            return None
        hops = 0
        while leader and hops < 3:
            doubtful = bool(batch) and batch[0].sent  # all of a batch are sent together
            for one in batch:
                one.sent = True
            answer = await self._ask(leader, data, min(ATTEMPT_TIMEOUT_S, max(0.05, deadline - self._clock())))
            if answer is not None and answer.status in NOT_TAKEN:
                for one in batch:
                    one.sent = doubtful
            if answer is None or answer.status in {"ok", "refused", "no-space"}:
                return answer
            if answer.status != "not-leader":
                return None
            hops += 1
            hinted = self._leader.hint(answer.leader, answer.term)
            leader = hinted if hinted != leader else 0
        return None

    async def _ask(self, member: int, data: bytes, timeout_s: float) -> ProposeAnswer | None:
        """Ask one member; a new leader's beacon ends the wait, since the old one may never answer."""
        task = asyncio.current_task()
        assert task is not None, "called from a task"
        self._asking[task] = None
        try:
            return frames.decode(await self._lane.request(member, "propose", data, timeout_s), ProposeAnswer)
        except (BusError, frames.FrameError) as error:
            log.debug("propose attempt failed", reason=str(error) or type(error).__name__)
            return None
        except asyncio.CancelledError:
            if task not in self._moved or task.uncancel():
                raise
            return None
        finally:
            del self._asking[task]
            self._moved.discard(task)

    def _leader_changed(self) -> None:
        for task in list(self._asking):
            if task not in self._moved:
                self._moved.add(task)
                task.cancel()

    async def _wait_for_leader(self, deadline: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, min(0.5, deadline - self._clock()))):
                await self._leader.changed()
        except TimeoutError:
            return

    def _settle(self, line: _Line, batch: list[Waiting], answer: ProposeAnswer) -> None:
        """Hand every command its result; an unknown outcome means that the state forgot this line: register anew."""
        if answer.status == "refused":
            for one in batch:
                self._tell(one, RefusedError(answer.reason))
            return
        if answer.status == "no-space":
            for one in batch:  # an earlier try may have been taken by a leader before this one
                self._tell(one, OutcomeUnknownError() if one.sent else NoSpaceError(answer.reason))
            return
        if self._feed is not None:
            for changes in answer.feed:
                self._feed(changes)
        timed = self._timed
        for one, (index, encoded) in zip(batch, answer.results, strict=True):
            result = _short_results(encoded) if len(encoded) <= RESULT_KEPT_BYTES_MAX else _results(encoded)
            done = one.done
            if done is None:
                continue
            one.done = None  # as `_tell` does, without its two calls for each command of the round
            del timed[one]
            if result.error == "outcome unknown":
                if self._line is line:
                    self._line = None
                done(OutcomeUnknownError())
            else:
                done(Committed(index, result))

    async def _register(self) -> None:
        """Open a new line; commands wait in the queue meanwhile."""
        deadline = self._clock() + ATTEMPT_TIMEOUT_S
        if not self._leader.cluster:
            await self._wait_for_leader(deadline)
            return
        envelope = _encode(Envelope(0, 0, 0, RegisterProposer(self._name)))
        answer = await self._attempt([], frames.encode(ProposeBatch(self._leader.cluster, [envelope])), deadline)
        if answer is not None and answer.status == "no-space":
            queue, self._queue = self._queue, []
            for one in queue:
                self._tell(one, NoSpaceError(answer.reason))
        if answer is None or answer.status != "ok":
            await asyncio.sleep(RETRY_WAIT_S)
            return
        index, encoded = answer.results[0]
        result = _results(encoded)
        if not result.error:
            self._line = _Line(proposer=int(result.value or index))
