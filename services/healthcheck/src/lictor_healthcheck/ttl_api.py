"""The answering side of TTL updates: `catalog` asks, the check's owner answers.

Consul's pass, warn, fail and update of a check reach every healthcheck of the check's node as one request
(`lictor_bus.ttl_updates`). Exactly the owner answers; the others stay silent, so that the first answer is the right
one. 200 means that the timer is reset and the store shows the status. A check registered a moment ago may not have
come to this process's view yet: it is waited for, briefly.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from lictor_bus.ttl_updates import TtlAnswer, TtlUpdate, ttl_subject
from lictor_healthcheck.checks import CRITICAL, PASSING, WARNING, Kind, kind_of
from lictor_healthcheck.driver import CheckDriver
from lictor_healthcheck.metrics import HealthcheckMetrics
from lictor_healthcheck.ownership import on_node, rendezvous
from lictor_healthcheck.proposals import Result

UPDATES_MAX = 1024
"""Updates being answered at once; more are told to come again, since each waits for a write."""

UNKNOWN_WAIT_S = 1.0
"""A view is milliseconds behind a registration that was answered; after this the check does not exist."""

UNKNOWN_POLL_S = 0.02
ANSWER_WAIT_S = 9.0
"""Below the ten seconds for which a proposal itself goes on trying."""

log = structlog.get_logger()
_decoder = msgspec.msgpack.Decoder(TtlUpdate)
_encoder = msgspec.msgpack.Encoder()


class UpdateBus(Protocol):
    """What is needed of `lictor_bus.Bus`."""

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send to whoever listens."""
        ...


class TtlApi:
    """Answers updates of one node's TTL checks; run `run()` as one of the process's tasks."""

    def __init__(self, bus: UpdateBus, driver: CheckDriver, metrics: HealthcheckMetrics) -> None:
        self._bus = bus
        self._driver = driver
        self._metrics = metrics
        self._node = driver.own.node.lower()
        self._tasks: asyncio.TaskGroup | None = None
        self._answering = 0

    def subject(self, cluster: str) -> str:
        """Where this node's updates arrive."""
        return ttl_subject(cluster, self._node)

    async def run(self) -> None:
        """Own the answers under way, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            await asyncio.Event().wait()

    async def on_update(self, _subject: str, data: bytes, reply: str) -> None:
        """Take one request; answering it goes on beside the subscription."""
        if self._tasks is None or not reply:
            return
        try:
            update = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("ttl update not understood", reason=str(error))
            await self._reply(reply, TtlAnswer(400, f"update not understood: {error}"))
            return
        if self._answering >= UPDATES_MAX:
            await self._reply(reply, TtlAnswer(503, "too many updates are being answered, try again later"))
            return
        self._answering += 1
        self._tasks.create_task(self._serve(update, reply), name=f"ttl update {update.check_id}")

    async def _serve(self, update: TtlUpdate, reply: str) -> None:
        try:
            answer = await self.answer(update)
            if answer is not None:
                await self._reply(reply, answer)
        finally:
            self._answering -= 1

    async def _reply(self, reply: str, answer: TtlAnswer) -> None:
        self._metrics.ttl_update(answer.status_code)
        await self._bus.publish(reply, _encoder.encode(answer))

    async def answer(self, update: TtlUpdate) -> TtlAnswer | None:
        """Act on an update; None when another healthcheck of this node owns the check."""
        key = (self._node, update.check_id)
        if not await self._in_time(lambda: self._driver.own in self._driver.sharers):
            # Silence would mean that another one owns the check; who does is not known yet.
            return TtlAnswer(500, "the node's healthcheck has just started, try again")
        await self._in_time(lambda: self._driver.projection.check(key) is not None)
        if not self._answers_for(update.check_id):
            return None
        row = self._driver.projection.check(key)
        if row is None:
            return TtlAnswer(404, unknown_check(update.check_id))
        if not row.agent or kind_of(row.definition) is not Kind.TTL:
            return TtlAnswer(500, f'CheckID "{update.check_id}" does not have associated TTL')
        if update.status not in {PASSING, WARNING, CRITICAL}:
            return TtlAnswer(400, f"Invalid check status: '{update.status}'")
        if not self._driver.may_speak():
            return TtlAnswer(500, "the node's healthcheck is cut off from the cluster")
        try:
            outcome = self._driver.ttl_update(key, update.status, update.output)
        except KeyError:  # presence has not settled yet; whoever it was before may have answered
            return TtlAnswer(500, "the check is changing hands, try again")
        if outcome is None:
            return TtlAnswer(200)
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                settled = await asyncio.shield(outcome)
        except TimeoutError:
            return TtlAnswer(500, "outcome unknown")
        if settled.result is Result.COMMITTED:
            return TtlAnswer(200)
        return TtlAnswer(500, settled.reason)

    def _answers_for(self, check_id: str) -> bool:
        return rendezvous((self._node, check_id), on_node(self._node, self._driver.sharers)) == self._driver.own

    @staticmethod
    async def _in_time(condition: Callable[[], bool]) -> bool:
        """Wait a moment for what a start or a registration brings; whether it came."""
        deadline = asyncio.get_running_loop().time() + UNKNOWN_WAIT_S
        while not condition():
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(UNKNOWN_POLL_S)
        return True


def unknown_check(check_id: str) -> str:
    """Consul's message for an id that names no check."""
    return f'Unknown check ID "{check_id}". Ensure that the check ID is passed, not the check name.'
