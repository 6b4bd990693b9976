"""Switches a dns's answers on and off by how fresh they are, as `freshness` judges, and tells operators.

The store is asked first: a saved view takes the place of a complete one only when that has not come for a while, and
gives way to it whole.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import structlog

from lictor_bus import SavedView, View, ViewSaver
from lictor_bus.saved_view_file import load
from lictor_dns.freshness import Standing, judge
from lictor_dns.responder import Responder
from lictor_kit import Metrics, Readiness
from lictor_state import Table
from lictor_state.snapshot import Narrow

SAVED_AFTER_S: Final = 2.0
"""How long the store may take before answers come from the saved view: a store that is there needs less."""

LOOK_EVERY_S: Final = 0.5

log = structlog.get_logger()


class FailStatic:
    """Keeps one responder honest; `run` is a task of the process."""

    def __init__(
        self,
        view: View,
        responder: Responder,
        readiness: Readiness,
        metrics: Metrics,
        age_max_s: float,
        clock: Callable[[], float],
    ) -> None:
        """Watch `view` for `responder`; answer up to `age_max_s`; `clock` tells seconds since 1970."""
        self._view, self._responder, self._readiness = view, responder, readiness
        self._age_max_s, self._clock = age_max_s, clock
        self._held: SavedView | None = None
        self._saver: ViewSaver | None = None
        self._seen = 0
        self.answering = asyncio.Event()
        """Set once there are answers for the first time."""
        self._age = metrics.gauge("answers_age_seconds", "Age of what answers are made of.")
        self._stale = metrics.counter("stale_replies_total", "Replies while what they are made of may be behind.")
        self._saved = metrics.gauge("saved_view_timestamp", "When the view on disk was true; 0: none.")

    async def run(self) -> None:
        """Judge for ever."""
        while True:
            self._apply()
            await self._ready_within(LOOK_EVERY_S)
            if self._view.ready.is_set():
                self._apply()  # at once, the first time
                await asyncio.sleep(LOOK_EVERY_S)

    async def save_with(self, saver: ViewSaver) -> None:
        """Save the view for ever with `saver`."""
        self._saver = saver
        await saver.run()

    async def start_from(self, path: Path, tables: Iterable[Table] = Table, narrow: Narrow | None = None) -> None:
        """Hold the view that is saved at `path` until the store's own has come, if that takes long.

        `tables` and `narrow` are the view's.
        """
        saved = await load(path, self._view.stream, tables, narrow)
        if saved is None:
            return
        self._saved.set(saved.header.true_at)
        if await self._ready_within(SAVED_AFTER_S):
            return
        pinned = self._view.cluster
        if pinned and saved.header.cluster != pinned:
            log.warning("saved view ignored", reason=f"it is of cluster {saved.header.cluster}, this is {pinned}")
        elif self._view.start_from(saved.store):
            self._held = saved
            log.warning("answering from the saved view", index=saved.header.index, age_s=self._saved_age_s())

    async def _ready_within(self, seconds: float) -> bool:
        """Wait for the view's first complete state; whether it has come."""
        try:
            async with asyncio.timeout(seconds):
                await self._view.ready.wait()
        except TimeoutError:
            return False
        return True

    def _saved_age_s(self) -> float | None:
        """Age of the saved view that is held; a clock that was set back makes nothing younger than new."""
        return None if self._held is None else max(0.0, self._clock() - self._held.header.true_at)

    def _apply(self) -> None:
        if self._view.ready.is_set():
            self._held = None
        standing = judge(
            complete=self._view.ready.is_set(),
            silence_s=self._view.last_contact_s(),
            saved_age_s=self._saved_age_s(),
            age_max_s=self._age_max_s,
        )
        self._readiness.set("view", ok=standing.answers, reason=standing.reason)
        self._readiness.note("saved view", standing.note)
        if standing.answers != self._responder.complete:
            self._responder.complete = standing.answers
            self._responder.forget()
            if standing.answers:
                self.answering.set()
        self._count(standing)

    def _count(self, standing: Standing) -> None:
        counts = self._responder.counts
        replies = self._responder.found_ready + sum(counts.by_rcode.values())
        if standing.stale:
            self._stale.inc(replies - self._seen)
        self._seen = replies
        self._age.set(min(standing.age_s, 1e9))
        if self._saver is not None and self._saver.saved_true_at:
            self._saved.set(self._saver.saved_true_at)
