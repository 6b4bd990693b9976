"""Long work on the loop, in slices: a little work, then a rest in which everything else runs.

A member that takes or loads a snapshot goes on answering heartbeats, votes and proposals; a slice is what each of these
may have to wait longer, once for every time that it comes back to the loop.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pace:
    """Call `breathe` after each small step of work."""

    def __init__(self, clock: Callable[[], float], slice_s: float, rest_s: float) -> None:
        self._clock, self._slice_s, self._rest_s = clock, slice_s, rest_s
        self._began = clock()

    async def breathe(self) -> None:
        """Rest, if the present slice is over."""
        if self._clock() - self._began >= self._slice_s:
            await asyncio.sleep(self._rest_s)
            self._began = self._clock()


@contextmanager
def spared_collector() -> Iterator[None]:
    """Build something large that lives long: the collector neither looks at it meanwhile nor ever again.

    Rows refer to nothing that refers back to them, so there is nothing to find, and one look at a million of them holds
    up the loop for more than a hundred milliseconds.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
