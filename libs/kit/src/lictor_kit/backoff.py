"""Backoff: delays that double up to a limit, spread by dice so that many waiters do not return together.

Pure: the dice are an argument and waiting is the caller's. Each delay lies between half of its step and all of it
("equal jitter"), so that the first retry is never immediate.
"""

from collections.abc import Callable, Iterator


class Backoff:
    """An endless iterator of delays in seconds.

    Args:
        base_s: the first step, above 0.
        max_s: the largest step, at least `base_s`.
        dice: returns a float in [0, 1).
    """

    def __init__(self, base_s: float, max_s: float, dice: Callable[[], float]) -> None:
        if not 0 < base_s <= max_s:
            raise ValueError(f"base_s ({base_s}) must be above 0 and at most max_s ({max_s})")
        self._base_s = base_s
        self._max_s = max_s
        self._dice = dice
        self._step_s = base_s

    def __iter__(self) -> Iterator[float]:
        return self

    def __next__(self) -> float:
        """The next delay, seconds."""
        step = self._step_s
        self._step_s = min(self._max_s, step * 2)
        return step * (0.5 + 0.5 * self._dice())

    def reset(self) -> None:
        """Start again from the first step: the last try succeeded."""
        self._step_s = self._base_s
