"""Renewing sessions: the leader alone keeps their timers, so only it may say that one was begun anew (design §4).

A member that does not lead, or not yet, says so and names the leader it knows; the ask goes on to that one until time
is up. Asking twice does no harm: the second renewal is only a later one.
"""

import asyncio
from typing import Literal

import msgspec

from lictor_bus import frames, subjects
from lictor_bus.connection import Bus, BusError
from lictor_bus.leader import LeaderTracker
from lictor_bus.proposer import NoLeaderError

VERB = "renew"
ASK_TIMEOUT_S = 2.0
GIVE_UP_S = 7.0
"""As long as a strong read is held while there is no leader."""

RETRY_WAIT_S = 0.05


class RenewAsk(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Begin a session's time to live anew."""

    cluster: str
    session_id: str


class RenewAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`ok`, `unknown` (there is no such session), or `not-leader` with the leader and term that the member knows."""

    status: Literal["ok", "unknown", "not-leader"]
    leader: int = 0
    term: int = 0


class SessionRenewals:
    """Asks the leader."""

    def __init__(self, bus: Bus, leader: LeaderTracker, give_up_s: float = GIVE_UP_S) -> None:
        self._bus, self._leader, self._give_up_s = bus, leader, give_up_s

    async def renew(self, session_id: str) -> bool:
        """Begin a session's time to live anew; False if there is no such session.

        Raises:
            NoLeaderError: no leader answered in time; the session may have been renewed or not.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._give_up_s
        data = frames.encode(RenewAsk(self._leader.cluster, session_id))
        hinted = 0
        while (left := deadline - loop.time()) > 0:
            leader, hinted = hinted or self._leader.leader, 0
            if leader:
                subject = subjects.member(self._leader.cluster, leader, VERB)
                try:
                    answer = frames.decode(
                        await self._bus.request(subject, data, min(ASK_TIMEOUT_S, left)), RenewAnswer
                    )
                except (BusError, frames.FrameError):
                    answer = RenewAnswer("not-leader")
                if answer.status != "not-leader":
                    return answer.status == "ok"
                hinted = self._leader.hint(answer.leader, answer.term)
                if hinted and hinted != leader:
                    continue
                hinted = 0
            await asyncio.sleep(min(RETRY_WAIT_S, left))
        raise NoLeaderError
