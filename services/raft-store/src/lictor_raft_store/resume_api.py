"""Answering views that resume (design rule 3.9): changes while they are kept, else a snapshot in parts.

A member behind the asked target declines. Two snapshots are served at a time; each is encoded once, in slices that
let the loop breathe, and forgotten when nobody asks for a part any more. Changes that arrive after the cut reach the
view through the feed, which it buffers meanwhile.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from lictor_bus import Bus, frames
from lictor_bus.frames import MESSAGE_BYTES_MAX, FrameError, ResumeAnswer, ResumeAsk
from lictor_raft_store.feed_log import FeedLog
from lictor_raft_store.pacing import Pace
from lictor_raft_store.snapshot_dump import WRITE_SLICE_S
from lictor_state import Store
from lictor_state.snapshot import dump_stream_slices
from lictor_state.streams import STREAM_TABLES, Stream

SESSIONS_MAX = 2
"""At once: each holds its parts in memory. A view that finds both taken is told so, and asks another member."""

SESSION_IDLE_S = 6.0
"""A view gives up a part after five seconds and never comes back to that snapshot: its place is for the next."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Session:
    """One snapshot being served."""

    parts: list[bytes]
    touched: float
    complete: bool = False


class ResumeApi:
    """Serves `resume` asks of one member."""

    def __init__(
        self,
        bus: Bus,
        cluster: str,
        state: Callable[[], tuple[Store, FeedLog]],
        clock: Callable[[], float],
    ) -> None:
        self._bus = bus
        self._cluster = cluster
        self._state = state
        self._clock = clock
        self._sessions: dict[int, _Session] = {}
        self._session_ids = itertools.count(1)
        self.snapshots_served = 0

    async def answer(self, _subject: str, data: bytes, reply: str) -> None:
        """Answer one ask."""
        try:
            ask = frames.decode(data, ResumeAsk)
        except FrameError as error:
            log.warning("resume ask not understood", reason=str(error))
            return
        answer = await self._decide(ask)
        await self._bus.publish(reply, frames.encode(answer))

    async def _decide(self, ask: ResumeAsk) -> ResumeAnswer:
        if ask.cluster != self._cluster or ask.stream not in STREAM_TABLES:
            return ResumeAnswer("declined")
        stream: Stream = ask.stream
        if ask.session:
            return self._part(ask)
        store, feed_log = self._state()
        if not store.index or store.index < ask.target:
            return ResumeAnswer("declined")
        if ask.epoch == store.meta.epoch:
            kept = feed_log.since(stream, ask.index, MESSAGE_BYTES_MAX)
            if kept is not None:
                groups, last, more = kept
                return ResumeAnswer(
                    "changes", store.meta.epoch, last if more else max(store.index, last), groups, more=more
                )
        return await self._begin(store, stream)

    async def _begin(self, store: Store, stream: Stream) -> ResumeAnswer:
        now = self._clock()
        self._sessions = {
            session: kept
            for session, kept in self._sessions.items()
            if not kept.complete or now - kept.touched <= SESSION_IDLE_S
        }
        if len(self._sessions) >= SESSIONS_MAX:
            return ResumeAnswer("busy")
        session = next(self._session_ids)
        kept = self._sessions[session] = _Session([], now)
        index, epoch = store.index, store.meta.epoch
        pace = Pace(self._clock, WRITE_SLICE_S, 0.0)  # a view waits for the first answer: no rest beyond a turn
        for part in dump_stream_slices(store, stream):  # the cut is taken by the call; the rest only encodes
            if part:
                kept.parts.append(part)
            await pace.breathe()
        kept.touched, kept.complete = self._clock(), True
        self.snapshots_served += 1
        return ResumeAnswer("snapshot", epoch, index, session=session, parts=len(kept.parts))

    def _part(self, ask: ResumeAsk) -> ResumeAnswer:
        kept = self._sessions.get(ask.session)
        if kept is None or not 0 <= ask.part < len(kept.parts):
            return ResumeAnswer("gone")
        kept.touched = self._clock()
        body = kept.parts[ask.part]
        if ask.part == len(kept.parts) - 1:
            del self._sessions[ask.session]
        return ResumeAnswer("part", body=body, session=ask.session, parts=len(kept.parts))
