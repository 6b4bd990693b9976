"""Answers session renewals: the verb `renew` of a member's subject (design §4, Sessions).

Only a leader that has applied an entry of its own term answers, and only while it is sure to lead: under its lease at
once, otherwise after one quorum round for all renewals that wait. A renewal of a session whose end is proposed is
answered when the end is applied.
"""

import asyncio
from collections.abc import Callable

import structlog

from lictor_bus import Bus, BusError, frames, subjects
from lictor_bus.frames import FrameError, ReadAnswer, ReadAsk
from lictor_bus.session_renewals import VERB, RenewAnswer, RenewAsk
from lictor_raft_store.leader_duties.session_timers import SessionTimers
from lictor_raft_store.store_api import StoreApi

WAITING_MAX = 65_536
"""Renewals waiting for a quorum round or an end; beyond it they are answered as if nobody led, and come again."""

BUSY = RenewAnswer("not-leader")

CONFIRM_TIMEOUT_S = 2.0

log = structlog.get_logger()


class RenewalApi:
    """The bus face of the session timers; run `run()` as one of the member's tasks."""

    def __init__(
        self, bus: Bus, member_id: int, store: StoreApi, timers: SessionTimers, clock: Callable[[], float]
    ) -> None:
        self._bus, self._member_id, self._store, self._timers, self._clock = bus, member_id, store, timers, clock
        self._unsure: list[tuple[str, str]] = []
        self._ending: dict[str, list[str]] = {}
        self._ending_count = 0
        self._outbox: list[tuple[str, bytes]] = []
        self._work = asyncio.Event()

    async def open(self) -> None:
        """Begin to listen."""
        subject = subjects.member(self._store.cluster, self._member_id, VERB)
        await self._bus.subscribe(subject, self._on_renew)

    async def run(self) -> None:
        """Send answers, and confirm leadership for renewals that came without a lease."""
        while True:
            await self._work.wait()
            self._work.clear()
            await self._send()
            if self._unsure:
                group, self._unsure = self._unsure, []
                sure = await self._confirm()
                for session_id, reply in group:
                    if sure and self._store.leading:
                        self._renew(session_id, reply)
                    else:
                        self._answer(reply, self._refusal())
                await self._send()

    def _on_renew(self, _subject: str, data: bytes, reply: str) -> None:
        try:
            wanted = frames.decode(data, RenewAsk)
        except FrameError as error:
            log.warning("session renewal not understood", reason=str(error))
            return
        if wanted.cluster != self._store.cluster or not self._store.leading:
            self._answer(reply, self._refusal())
        elif self._store.driver.node.lease_read(self._clock()) is not None:
            self._renew(wanted.session_id, reply)
        elif len(self._unsure) < WAITING_MAX:
            self._unsure.append((wanted.session_id, reply))
            self._work.set()
        else:
            self._answer(reply, BUSY)

    def _renew(self, session_id: str, reply: str) -> None:
        outcome = self._timers.renew(self._store.driver.machine.store, session_id, self._clock())
        if outcome != "ending":
            self._answer(reply, RenewAnswer("ok" if outcome == "renewed" else "unknown"))
        elif self._ending_count < WAITING_MAX:
            self._ending.setdefault(session_id, []).append(reply)
            self._ending_count += 1
        else:
            self._answer(reply, BUSY)

    def applied(self) -> None:
        """The state has moved on: renewals that waited for an end hear of it."""
        store = self._store.driver.machine.store
        for session_id in [one for one in self._ending if store.session(one) is None]:
            for reply in self._ending.pop(session_id):
                self._ending_count -= 1
                self._answer(reply, RenewAnswer("unknown"))

    def leadership_changed(self) -> None:
        """Who waited for an end asks the next leader."""
        for replies in self._ending.values():
            for reply in replies:
                self._answer(reply, self._refusal())
        self._ending, self._ending_count = {}, 0

    async def _confirm(self) -> bool:
        """One strong read, asked of this member itself: its answer says that it led when it was asked."""
        subject = subjects.member(self._store.cluster, self._member_id, "read")
        ask = frames.encode(ReadAsk(self._store.cluster, consistent=False))
        try:
            answer = frames.decode(await self._bus.request(subject, ask, CONFIRM_TIMEOUT_S), ReadAnswer)
        except (BusError, FrameError) as error:
            log.debug("leadership not confirmed", reason=str(error) or type(error).__name__)
            return False
        return answer.status == "ok"

    def _refusal(self) -> RenewAnswer:
        node = self._store.driver.node
        return RenewAnswer("not-leader", node.leader, node.term)

    def _answer(self, reply: str, answer: RenewAnswer) -> None:
        self._outbox.append((reply, frames.encode(answer)))
        self._work.set()

    async def _send(self) -> None:
        outbox, self._outbox = self._outbox, []
        for reply, data in outbox:
            await self._bus.publish(reply, data)
