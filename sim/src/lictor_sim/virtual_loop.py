"""An asyncio event loop whose time is virtual: what the real members and clients run on in a simulation.

When nothing is ready it jumps to the next timer. There is no selector and no thread, and the order of callbacks follows
from the order in which they were asked for, so one seed gives one run. Two ways of hanging are found: nothing ready and
no timer (deadlock), and too many callbacks at one moment (a loop that never sleeps).

Every callback belongs to an `Owner`, the process that asked for it (a context variable, so that tasks inherit it). An
owner that is held keeps what is due for it until it is released, as a process under SIGSTOP does; one that has been
killed is held for ever, so not even its `finally` blocks run. Timers run at the rate of their owner's clock.

It does no I/O: what asks for sockets, threads or signals fails.
"""

import asyncio
import heapq
import warnings
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

CALLBACKS_PER_MOMENT_MAX = 200_000
"""More callbacks than this without time going on is a loop that never sleeps; a busy moment has a few hundred."""

ENDING_TURNS_MAX = 2_000
"""Cancelled tasks end within a few turns; one that refuses is left behind when the loop closes."""


class DeadlockError(AssertionError):
    """Nothing is ready and no timer runs, so what is waited for will never come."""


class RunawayError(AssertionError):
    """Callbacks go on and on while time stands still."""


class Owner:
    """A process, as the loop sees it; `rate` is how fast its timers run (1.05 is five percent fast)."""

    def __init__(self, name: str, rate: float = 1.0) -> None:
        self.name = name
        self.rate = rate
        self.held = False
        self.parked: list[_Call] = []
        self.context = copy_context()
        self.context.run(OWNER.set, self)


OWNER: ContextVar[Owner | None] = ContextVar("OWNER", default=None)
"""The process that the running callback belongs to; None is the simulation itself."""


class _Call(asyncio.TimerHandle):
    """One callback that is asked for; `order` keeps equal times in the order of asking."""

    __slots__ = ("at", "order", "owner", "timed")

    def __init__(
        self,
        when: float,
        order: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: "VirtualLoop",
        context: Context | None,
        *,
        timed: bool,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.at = when
        self.order = order
        self.timed = timed
        self.owner = OWNER.get() if context is None else context.get(OWNER)

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, _Call)
        return (self.at, self.order) < (other.at, other.order)


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. `run_until_complete` runs as always; `now` moves only here."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.callbacks = 0
        self._soon: deque[_Call] = deque()
        self._timers: list[_Call] = []
        self._order = 0
        self._at_this_moment = 0
        self._ending = False

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self.now

    # -- what asyncio asks of a loop

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        """As asyncio's."""
        self._order += 1
        call = _Call(self.now, self._order, callback, args, self, context, timed=False)
        self._soon.append(call)
        return call

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's; `delay` is measured by the clock of whoever asks."""
        owner = OWNER.get()
        return self.call_at(self.now + (delay / owner.rate if owner else delay), callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's."""
        self._order += 1
        call = _Call(max(when, self.now), self._order, callback, args, self, context, timed=True)
        heapq.heappush(self._timers, call)
        return call

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asyncio's handles tell of their end; a cancelled one is dropped when its time comes."""

    def _run_once(self) -> None:
        """Run what is ready now; if nothing is, let time go on to the next timer."""
        if not self._soon:
            self._jump()
        for _ in range(len(self._soon)):
            call = self._soon.popleft()
            if call.cancelled():
                continue
            owner = call.owner
            if owner is not None and owner.held and not self._ending:
                owner.parked.append(call)
                continue
            self.callbacks += 1
            self._at_this_moment += 1
            call._run()  # noqa: SLF001  the loop is who runs a handle
        if self._at_this_moment > CALLBACKS_PER_MOMENT_MAX:
            raise RunawayError(f"{self._at_this_moment} callbacks at {self.now:.6f} s, and time stands still")

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise DeadlockError(f"nothing is ready and no timer runs at {self.now:.6f} s")
        when = timers[0].at
        if when > self.now:
            self.now = when
            self._at_this_moment = 0
        while timers and timers[0].at <= self.now:
            self._soon.append(heapq.heappop(timers))

    # -- processes

    def hold(self, owner: Owner) -> None:
        """From now on keep what is due for `owner`."""
        owner.held = True

    def release(self, owner: Owner, *, timers_first: bool = False) -> None:
        """Run what was kept for `owner` and go on; with `timers_first`, its timers before what it was sent."""
        owner.held = False
        parked, owner.parked = owner.parked, []
        if timers_first:
            parked.sort(key=lambda call: not call.timed)  # stable: each kind stays in its order
        self._soon.extend(parked)

    def end(self, owners: list[Owner]) -> None:
        """Cancel all tasks and let them end, killed processes' too, so that nothing is left to the collector."""
        self._ending, self._at_this_moment = True, 0
        self.set_exception_handler(lambda _loop, _context: None)
        for owner in owners:
            self.release(owner)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a task that was killed before its first step
            self._end_tasks()
        self.close()

    def _end_tasks(self) -> None:
        turns = 0
        while turns < ENDING_TURNS_MAX and (tasks := sorted(asyncio.all_tasks(self), key=asyncio.Task.get_name)):
            for task in tasks:
                task.cancel()
            while (self._soon or self._timers) and turns < ENDING_TURNS_MAX and not all(task.done() for task in tasks):
                turns += 1
                self.call_soon(self.stop)
                self.run_forever()

    def close(self) -> None:
        """Forget everything that was asked for."""
        self._soon.clear()
        self._timers.clear()
        super().close()
