"""A bus in memory, for tests of everything that speaks over one: same face, same promises, loss on demand.

A `Hub` is the network; each `FakeBus` is one process's connection to it. Delivery happens in a task per subscription,
in order, as nats-py does it.
"""

import asyncio
import itertools
from collections.abc import Callable

from lictor_bus.connection import BusDisconnectedError, BusTimeoutError, Callback, NoRespondersError


def matches(pattern: str, subject: str) -> bool:
    """Whether a NATS subject matches a pattern with `*` and `>`."""
    wanted, given = pattern.split("."), subject.split(".")
    for position, part in enumerate(wanted):
        if part == ">":
            return len(given) > position
        if position >= len(given) or (part not in {"*", given[position]}):
            return False
    return len(wanted) == len(given)


class FakeSubscription:
    """A running subscription of a `FakeBus`."""

    def __init__(self, bus: "FakeBus", pattern: str, callback: Callback, queue: str) -> None:
        self.bus, self.pattern, self.callback, self.queue = bus, pattern, callback, queue
        self._pending: asyncio.Queue[tuple[str, bytes, str]] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._deliver(), name=f"deliver {pattern}")

    def put(self, subject: str, data: bytes, reply: str) -> None:
        """Hand over one message."""
        self._pending.put_nowait((subject, data, reply))

    async def _deliver(self) -> None:
        while True:
            waiting = self.callback(*await self._pending.get())
            if waiting is not None:
                await waiting

    async def close(self) -> None:
        """Stop receiving."""
        self.bus.hub.subscriptions.remove(self)
        self._task.cancel()


class Hub:
    """The network between fake buses; `lost(subject, data)` returning True loses a message."""

    def __init__(self) -> None:
        self.subscriptions: list[FakeSubscription] = []
        self.lost: Callable[[str, bytes], bool] = lambda _subject, _data: False
        self.turn = itertools.count()

    def route(self, subject: str, data: bytes, reply: str) -> int:
        """Deliver to every subscriber and to one of each queue group; returns how many got it."""
        if self.lost(subject, data):
            return 1
        groups: dict[str, list[FakeSubscription]] = {}
        count = 0
        for subscription in self.subscriptions:
            if not subscription.bus.connected or not matches(subscription.pattern, subject):
                continue
            if subscription.queue:
                groups.setdefault(subscription.queue, []).append(subscription)
            else:
                subscription.put(subject, data, reply)
                count += 1
        for members in groups.values():
            members[next(self.turn) % len(members)].put(subject, data, reply)
            count += 1
        return count


class FakeBus:
    """One process's connection to a `Hub`."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.connected = True
        self.reconnects = 0
        self._inbox = itertools.count()

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send to whoever listens; dropped while disconnected."""
        if self.connected:
            self.hub.route(subject, data, reply)
        await asyncio.sleep(0)

    def publish_now(self, subject: str, data: bytes) -> None:
        """Send to whoever listens."""
        if self.connected:
            self.hub.route(subject, data, "")

    async def request(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Send and wait for one answer."""
        if not self.connected:
            raise BusDisconnectedError("not connected")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def receive(_subject: str, body: bytes, _reply: str) -> None:
            if not answer.done():
                answer.set_result(body)

        inbox = f"_INBOX.{id(self)}.{next(self._inbox)}"
        subscription = await self.subscribe(inbox, receive)
        try:
            if not self.hub.route(subject, data, inbox):
                raise NoRespondersError(subject)
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as error:
            raise BusTimeoutError(subject) from error
        finally:
            await subscription.close()

    async def subscribe(
        self,
        subject: str,
        callback: Callback,
        queue: str = "",
        on_overflow: Callable[[], None] | None = None,  # noqa: ARG002  nothing overflows in memory
    ) -> FakeSubscription:
        """Call `callback` for every message, in order."""
        subscription = FakeSubscription(self, subject, callback, queue)
        self.hub.subscriptions.append(subscription)
        return subscription

    async def close(self) -> None:
        """Leave the network."""
        for subscription in [one for one in self.hub.subscriptions if one.bus is self]:
            await subscription.close()
        self.connected = False
