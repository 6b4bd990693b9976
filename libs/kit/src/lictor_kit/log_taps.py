"""Taps: whoever wants to read this process's log as it is written, from any level, without touching where it goes.

A tap keeps the newest lines in a bounded buffer until its reader takes them; a reader that is too slow loses the newest
ones and is told how many. While no tap is open nothing is kept and events below the process's own level cost nothing.
Events may come from any thread. How lines look is the reader's business.
"""

import asyncio
import threading
from collections import deque
from types import TracebackType
from typing import Any, Self

import structlog
from structlog.typing import EventDict, WrappedLogger

LINES_MAX = 512
"""Lines that one reader may be behind: seconds of a busy process, and less than a megabyte."""

TRACE = 5
NUMBERS = {"trace": TRACE, "debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class LogTap:
    """One reader's view of the log; open it with `async with` in the loop that reads."""

    def __init__(self, taps: "LogTaps", level: int) -> None:
        self.level = level
        self.dropped = 0
        self._taps = taps
        self._lines: deque[dict[str, Any]] = deque()
        self._ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        self._taps.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._taps.remove(self)

    def put(self, event: dict[str, Any]) -> None:
        """Keep an event, or count it as lost."""
        if len(self._lines) >= LINES_MAX:
            self.dropped += 1
            return
        self._lines.append(event)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ready.set)

    async def next(self) -> dict[str, Any]:
        """The next event, waited for; its keys are those of the process's JSON lines."""
        while not self._lines:
            self._ready.clear()
            if not self._lines:  # one may have come from another thread in between
                await self._ready.wait()
        return self._lines.popleft()


class LogTaps:
    """All open taps of the process."""

    def __init__(self) -> None:
        self._open: tuple[LogTap, ...] = ()
        self._lock = threading.Lock()
        self._own_level = NUMBERS["info"]

    def use(self, own_level: int) -> None:
        """The process's own level, from which on its log is written."""
        self._own_level = own_level
        self._set_filter()

    def add(self, tap: LogTap) -> None:
        """Hand events to a tap from now on."""
        with self._lock:
            self._open = (*self._open, tap)
        self._set_filter()

    def remove(self, tap: LogTap) -> None:
        """No longer."""
        with self._lock:
            self._open = tuple(one for one in self._open if one is not tap)
        self._set_filter()

    def _set_filter(self) -> None:
        lowest = min([self._own_level, *(one.level for one in self._open)])
        structlog.configure(
            **{**structlog.get_config(), "wrapper_class": structlog.make_filtering_bound_logger(lowest)}
        )

    def processor(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Between making an event and writing it: the taps' share; what is below the own level ends here."""
        number = NUMBERS.get(str(event.get("level", method)), NUMBERS["info"])
        for tap in self._open:
            if number >= tap.level:
                tap.put(dict(structlog.processors.format_exc_info(logger, method, dict(event))))
        if number < self._own_level:
            raise structlog.DropEvent
        return event


TAPS = LogTaps()
"""The process has one log, so it has one set of taps."""
