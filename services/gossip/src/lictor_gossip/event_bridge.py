"""Carries out what `event_exchange` decides: rows for the pool's events, and word to the pool of the store's."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from lictor_bus import Bus, Presence, ProposeError, Proposer, View, frames, subjects
from lictor_bus.frames import FrameError
from lictor_bus.pool_frames import EventNotice
from lictor_gossip.event_exchange import EventExchange, Propose, Tell
from lictor_gossip.event_format import from_pool, to_pool
from lictor_gossip.shown_text import shown
from lictor_state.commands import EventFire
from lictor_swim import UserEvent, WireError

PROPOSE_TIMEOUT_S = 5.0

PROPOSALS_PER_S = 50
"""Rows made at most: an agent of the pool that sends events without end must not fill the log."""

log = structlog.get_logger()


class EventBridge:
    """Between one gossip's pool and the store; run `run()` as one of the process's tasks.

    Args:
        tell: sends a user event to the pool; ValueError when it is too large.
    """

    def __init__(
        self,
        bus: Bus,
        view: View,
        proposer: Proposer,
        tell: Callable[[str, bytes], None],
        presence: Presence,
    ) -> None:
        self.malformed = 0
        self.from_pool = 0
        self.to_pool = 0
        self._bus, self._view, self._proposer, self._tell = bus, view, proposer, tell
        self._presence = presence
        self._exchange = EventExchange(presence.instance)
        self._nudge = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def dropped(self) -> int:
        """Events that were too many or too old."""
        return self._exchange.dropped

    def on_pool_event(self, event: UserEvent) -> None:
        """The pool has brought an event to this member; our own come back this way too."""
        try:
            command = from_pool(event)
        except WireError as error:
            self.malformed += 1
            log.debug("event of the pool not understood", name=shown(event.name), reason=str(error))
            return
        if command is not None:
            self._exchange.heard(command, self._present, self._loop.time())
            self._nudge.set()

    def _present(self) -> list[str]:
        return [one.instance for one in self._presence.present("gossip")]

    def _on_notice(self, _subject: str, data: bytes, _reply: str) -> None:
        try:
            notice = frames.decode(data, EventNotice)
        except FrameError as error:
            log.warning("notice of an event not understood", reason=str(error))
            return
        self._exchange.noticed(notice, self._present, self._loop.time())
        self._nudge.set()

    async def run(self) -> None:
        """Exchange events for as long as the process lives."""
        await self._view.leader.wait_for_cluster()
        await self._bus.subscribe(subjects.pool_events(self._view.cluster), self._on_notice)
        while True:
            await self._wait()
            for act in self._exchange.due(self._loop.time()):
                match act:
                    case Tell(notice):
                        self._tell_pool(notice)
                    case Propose():
                        await self._propose(act)
                        await asyncio.sleep(1 / PROPOSALS_PER_S)

    async def _wait(self) -> None:
        next_at = self._exchange.next_at()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(None if next_at == float("inf") else next_at):
                await self._nudge.wait()
        self._nudge.clear()

    def _tell_pool(self, notice: EventNotice) -> None:
        try:
            self._tell(*to_pool(notice))
        except ValueError as error:
            log.warning("the pool cannot be told of an event", name=notice.name, reason=str(error))
            return
        self.to_pool += 1
        log.info("event told to the pool", name=notice.name, id=notice.event_id)

    async def _propose(self, act: Propose) -> None:
        command = act.command
        try:
            done = await self._proposer.propose(command, PROPOSE_TIMEOUT_S)
        except ProposeError as error:
            log.debug("event of the pool not in the store yet", name=command.name, reason=str(error))
            self._exchange.again(act, self._loop.time())
            return
        if done.result.error:
            log.warning("event of the pool refused", name=command.name, reason=done.result.error)
            return
        self.from_pool += 1
        log.info("event of the pool in the store", name=command.name, id=command.event_id, new=done.result.value)
        await self._bus.publish(subjects.pool_events(self._view.cluster), frames.encode(_notice(command)))


def _notice(command: EventFire) -> EventNotice:
    return EventNotice(
        command.event_id,
        command.name,
        command.payload,
        command.node_filter,
        command.service_filter,
        command.tag_filter,
        command.version,
        in_pool=True,
    )
