"""Presence: which processes of each role are there (design §4, last rule).

Each process announces itself twice a second and at once when somebody says hello; it says goodbye when it ends. A
record not renewed for three seconds is gone. A process that does not hear its own announcements is cut off, and
`echo_age_s` tells how long already: whoever owns work by presence stops proposing then.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from lictor_bus import frames, subjects
from lictor_bus.connection import Bus
from lictor_bus.frames import FrameError, PresenceFrame

ANNOUNCE_EVERY_S = 0.5
FRESH_S = 3.0
RECORDS_MAX = 16_384
"""Processes remembered at once; a flood of announcements beyond it is ignored, known ones are still renewed."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PresenceRecord:
    """One process that is there."""

    role: str
    node: str
    instance: str
    record: dict[str, Any]
    seen_at: float


class Presence:
    """Announces this process and remembers the others; run `run()` as one of the process's tasks."""

    def __init__(
        self,
        bus: Bus,
        role: str,
        node: str,
        instance: str,
        record: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self.role, self.node, self.instance = role, node, instance
        self.record = record or {}
        self._seen: dict[tuple[str, str], PresenceRecord] = {}
        self._echo_at = float("-inf")
        self._listeners: list[Callable[[], None]] = []
        self._nudge = asyncio.Event()
        self._closed = False

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when a process appears, changes its record or disappears."""
        self._listeners.append(listener)

    def update(self, record: dict[str, Any]) -> None:
        """Change what this process tells, and tell it now."""
        if record != self.record:
            self.record = record
            self._nudge.set()

    def present(self, role: str) -> list[PresenceRecord]:
        """The fresh processes of one role, ordered by node and instance."""
        now = self._clock()
        found = [one for one in self._seen.values() if one.role == role and now - one.seen_at < FRESH_S]
        return sorted(found, key=lambda one: (one.node, one.instance))

    def silent_s(self, role: str, instance: str) -> float:
        """Seconds since a process announced itself; infinite for one that said goodbye or is not known."""
        seen = self._seen.get((role, instance))
        return float("inf") if seen is None else self._clock() - seen.seen_at

    def echo_age_s(self) -> float:
        """Seconds since this process last heard itself; infinite before the first time."""
        return self._clock() - self._echo_at

    async def run(self) -> None:
        """Announce until cancelled or closed."""
        await self._bus.subscribe(subjects.presence("*"), self._on_presence)
        await self._bus.subscribe(subjects.PRESENCE_HELLO, self._on_hello)
        await self._bus.publish(subjects.PRESENCE_HELLO, self.instance.encode())
        while True:
            if not self._closed:
                await self._announce(leaving=False)
            self._expire()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANNOUNCE_EVERY_S):  # `wait_for` loses a cancel that comes with the nudge
                    await self._nudge.wait()
            self._nudge.clear()

    async def close(self) -> None:
        """Say goodbye: the others forget this process at once."""
        self._closed = True
        await self._announce(leaving=True)

    async def _announce(self, *, leaving: bool) -> None:
        frame = PresenceFrame(self.role, self.node, self.instance, self.record, leaving)
        await self._bus.publish(subjects.presence(self.role), frames.encode(frame))

    def _on_hello(self, _subject: str, data: bytes, _reply: str) -> None:
        if data != self.instance.encode():
            self._nudge.set()

    def _on_presence(self, _subject: str, data: bytes, _reply: str) -> None:
        try:
            frame = frames.decode(data, PresenceFrame)
        except FrameError as error:
            log.warning("presence not understood", reason=str(error))
            return
        key = (frame.role, frame.instance)
        if frame.leaving:
            if self._seen.pop(key, None):
                self._tell()
            return
        if frame.instance == self.instance:
            self._echo_at = self._clock()
        known = self._seen.get(key)
        if known is None and len(self._seen) >= RECORDS_MAX:
            return
        record = PresenceRecord(frame.role, frame.node, frame.instance, frame.record, self._clock())
        self._seen[key] = record
        if known is None or known.record != frame.record:
            self._tell()

    def _expire(self) -> None:
        now = self._clock()
        stale = [key for key, one in self._seen.items() if now - one.seen_at >= FRESH_S]
        for key in stale:
            del self._seen[key]
        if stale:
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
