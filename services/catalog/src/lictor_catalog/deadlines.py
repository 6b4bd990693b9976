"""One timer for all whose time is up at the same moment, to a twentieth of a second.

Thousands of blocking queries wait for a minute or so each, and hardly one of them until its time is up: a timer of its
own for each costs more than all else that is done for it at its begin and at its end.
"""

import asyncio
import math
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

STEP_S = 0.05
"""How much later a long wait may end, so that others end with it."""

SHORT_S = 1.0
FINE_STEP_S = 0.001
"""Waits that are shorter end to the millisecond."""

T = TypeVar("T", bound=Hashable)


class Deadlines(Generic[T]):
    """Who waits until when."""

    def __init__(self, up: Callable[[T], None]) -> None:
        """Begin with nobody; `up` is called, by the loop, for each whose time is up, also if removed in that moment."""
        self._up = up
        self._waiting: dict[float, dict[T, None]] = {}
        self._timers: dict[float, asyncio.TimerHandle] = {}

    def add(self, one: T, seconds: float) -> float:
        """Begin to wait; returns the deadline on the loop's clock, by which it can be removed."""
        loop = asyncio.get_running_loop()
        step = FINE_STEP_S if seconds < SHORT_S else STEP_S
        deadline = math.ceil((loop.time() + seconds) / step) * step
        waiting = self._waiting.get(deadline)
        if waiting is None:
            waiting = self._waiting[deadline] = {}
            self._timers[deadline] = loop.call_at(deadline, self._ring, deadline)
        waiting[one] = None
        return deadline

    def remove(self, one: T, deadline: float) -> None:
        """End a wait early; nothing happens when its time was up."""
        waiting = self._waiting.get(deadline)
        if waiting is None:
            return
        waiting.pop(one, None)
        if not waiting:
            del self._waiting[deadline]
            self._timers.pop(deadline).cancel()

    def _ring(self, deadline: float) -> None:
        del self._timers[deadline]
        loop = asyncio.get_running_loop()
        for one in self._waiting.pop(deadline):
            loop.call_soon(self._up, one)  # a call of its own for each: what one raises is not another's matter
