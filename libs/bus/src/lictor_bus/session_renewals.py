"""Renewing sessions at the leader (design §4, Sessions): a renewal is no write, it only moves the leader's timer.

A leader answers while it is sure to lead. While the end of a session is being written down it answers when that is
done, so an answer "renewed" is never overtaken by an end that was decided before it.
"""

import asyncio

from lictor_bus import frames, subjects
from lictor_bus.connection import Bus, BusError
from lictor_bus.frames import SessionRenew, SessionRenewed
from lictor_bus.leader import LeaderTracker
from lictor_bus.proposer import NoLeaderError

ASK_TIMEOUT_S = 2.0
GIVE_UP_S = 7.0
"""As long as Consul holds a request while there is no leader (`rpc_hold_timeout`); less than the shortest TTL, 10 s."""

RETRY_WAIT_S = 0.05


class SessionRenewals:
    """Asks whoever leads to renew."""

    def __init__(self, bus: Bus, leader: LeaderTracker, give_up_s: float = GIVE_UP_S) -> None:
        self._bus, self._leader, self._give_up_s = bus, leader, give_up_s

    async def renew(self, session_id: str) -> bool:
        """Start a session's TTL again; False if there is no such session.

        Raises:
            NoLeaderError: no leader answered in time; the session may be renewed nevertheless.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._give_up_s
        hinted = 0
        while loop.time() < deadline:
            leader, hinted = hinted or self._leader.leader, 0
            if not leader:
                await self._pause(deadline - loop.time())
                continue
            answer = await self._ask(leader, session_id, deadline - loop.time())
            if answer is not None and answer.status in {"renewed", "unknown"}:
                return answer.status == "renewed"
            if answer is not None and answer.status == "not-leader":
                hinted = self._leader.hint(answer.leader, answer.term)
                hinted = hinted if hinted != leader else 0
            if not hinted:
                await self._pause(RETRY_WAIT_S)
        raise NoLeaderError

    async def _ask(self, leader: int, session_id: str, left_s: float) -> SessionRenewed | None:
        subject = subjects.member(self._leader.cluster, leader, "session-renew")
        data = frames.encode(SessionRenew(self._leader.cluster, session_id))
        timeout_s = min(ASK_TIMEOUT_S, max(0.05, left_s))
        try:
            return frames.decode(await self._bus.request(subject, data, timeout_s), SessionRenewed)
        except (BusError, frames.FrameError):
            return None

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._leader.changed(), max(0.0, min(0.25, seconds)))
        except TimeoutError:
            return
