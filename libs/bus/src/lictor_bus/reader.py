"""Strong reads: the leader's index, asked once for all reads that wait at one moment (design §3, Reads, rule 3.12).

A read never joins an ask that has already been sent: the leader might have taken its index before the write that the
reader has just seen acknowledged. So few asks are under way, and one group waits for the next.
"""

import asyncio
from collections.abc import Callable

from lictor_bus import frames
from lictor_bus.connection import Bus, BusError
from lictor_bus.frames import ReadAnswer, ReadAsk
from lictor_bus.lanes import Lane, NatsLane
from lictor_bus.leader import LeaderTracker
from lictor_bus.proposer import NoLeaderError

ASK_TIMEOUT_S = 2.0
GIVE_UP_S = 7.0
"""As long as Consul holds a read while there is no leader (`rpc_hold_timeout`)."""

RETRY_WAIT_S = 0.05
ASKS_IN_FLIGHT_MAX = 2
"""Of each mode: one under way, and one for who came too late to join it. More would only make the groups smaller; with
32 readers two cost a seventh less of the asker's time than four, and a quarter less of the leader's."""

TURNS_MAX = 8
"""Of the loop, some twenty microseconds in all, that an ask waits for as many readers as usual: those who have just
been answered are about to ask again. A reader that is alone never waits. It saves a tenth of all work for a read."""


Settled = Callable[[ReadAnswer | None], None]
"""Told the leader's answer, or None when no leader gave one in time; must not raise."""


class _Line:
    """Reads of one mode that wait for the next ask."""

    def __init__(self) -> None:
        self.waiting: list[Settled] = []
        self.work = asyncio.Event()
        self._usual = 0

    async def take(self) -> list[Settled]:
        """All that wait, as soon as there are any; those who are about to come are waited for a moment."""
        while True:
            while not self.waiting:
                self.work.clear()
                await self.work.wait()
            for _ in range(TURNS_MAX):
                if len(self.waiting) >= self._usual:
                    break
                await asyncio.sleep(0)
            if self.waiting:
                break  # else another asker has taken them while this one waited for more
        group, self.waiting = self.waiting, []
        self._usual = (self._usual + len(group)) // 2
        return group


class ReadGate:
    """Hands strong reads the index that their view must have reached; run `run()` as one of the process's tasks."""

    def __init__(self, bus: Bus, leader: LeaderTracker, give_up_s: float = GIVE_UP_S, lane: Lane | None = None) -> None:
        """Asks travel on `lane`; without one, over NATS."""
        self._lane = lane or NatsLane(bus, lambda: leader.cluster)
        self._leader = leader
        self._give_up_s = give_up_s
        self._lines = {False: _Line(), True: _Line()}

    def join(self, settled: Settled, *, consistent: bool) -> None:
        """Have `settled` told the leader's answer to an ask sent after this call; all of one ask are told in one go."""
        line = self._lines[consistent]
        line.waiting.append(settled)
        if not line.work.is_set():
            line.work.set()

    async def ask(self, *, consistent: bool) -> ReadAnswer:
        """The leader's answer to an ask sent after this call.

        Raises:
            NoLeaderError: no leader with a lease (or, `consistent`, with a quorum) answered in time.
        """
        waiting: asyncio.Future[ReadAnswer | None] = asyncio.get_running_loop().create_future()

        def settled(answer: ReadAnswer | None) -> None:
            if not waiting.done():
                waiting.set_result(answer)

        self.join(settled, consistent=consistent)
        answer = await waiting
        if answer is None:
            raise NoLeaderError
        return answer

    async def run(self) -> None:
        """Send asks, for ever."""
        async with asyncio.TaskGroup() as askers:
            for consistent, line in self._lines.items():
                for _ in range(ASKS_IN_FLIGHT_MAX):
                    askers.create_task(self._serve(line, consistent=consistent), name="read asks")

    async def _serve(self, line: _Line, *, consistent: bool) -> None:
        """Ask for one group after the other."""
        while True:
            group = await line.take()
            answer: ReadAnswer | None = None
            try:
                answer = await self._find_leader(consistent=consistent)
            finally:  # at the stop too, nobody waits for ever
                for settled in group:
                    settled(answer)

    async def _find_leader(self, *, consistent: bool) -> ReadAnswer | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._give_up_s
        hinted = 0
        while loop.time() < deadline:
            leader = hinted or self._leader.leader
            hinted = 0
            if not leader:
                await self._pause(deadline - loop.time())
                continue
            data = frames.encode(ReadAsk(self._leader.cluster, consistent))
            try:
                timeout_s = min(ASK_TIMEOUT_S, max(0.05, deadline - loop.time()))
                answer = frames.decode(await self._lane.request(leader, "read", data, timeout_s), ReadAnswer)
            except (BusError, frames.FrameError):
                await self._pause(RETRY_WAIT_S)
                continue
            if answer.status == "ok":
                return answer
            hinted = self._leader.hint(answer.leader, answer.term) if answer.status == "not-leader" else 0
            hinted = hinted if hinted != leader else 0
            if not hinted:
                await self._pause(RETRY_WAIT_S)
        return None

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, min(0.25, seconds))):
                await self._leader.changed()
        except TimeoutError:
            return
