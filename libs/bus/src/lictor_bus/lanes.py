"""Lanes: how the two latency-critical conversations travel (design §3, Lanes).

Raft among members, and proposals and read asks between a catalog and the leader, name a member and a verb; which road
they take is the lane's matter. `NatsLane` is the default; `direct_lane.DirectLane` goes over TCP where it can and over
a `NatsLane` where it cannot. Both promise what NATS promises: at most once, nothing kept for later, requests that fail
in bounded time. What is no lane's matter: the feed, beacons, presence, resumes; they have many readers and use the bus.
"""

from collections.abc import Callable
from typing import Protocol

from lictor_bus import subjects
from lictor_bus.connection import Bus

VERBS = ("raft", "propose", "read")
"""What may travel on a lane; a verb's place is its number on the wire and is never given to another."""

LaneCallback = Callable[[bytes, str], None]
"""Called with a message and where its answer goes ("" for a message); it queues or answers at once, and never waits."""


class Lane(Protocol):
    """Messages and requests to members by their id."""

    async def publish(self, member_id: int, verb: str, data: bytes) -> None:
        """Send to one member; lost when it cannot be sent now."""

    def publish_now(self, member_id: int, verb: str, data: bytes) -> None:
        """As `publish`, for callers that cannot wait, or send so often that a coroutine each time would count."""

    async def request(self, member_id: int, verb: str, data: bytes, timeout_s: float) -> bytes:
        """Send and wait for one answer.

        Raises:
            BusError: no answer: nobody there, no connection, or not within `timeout_s`.
        """

    async def serve(self, verb: str, callback: LaneCallback) -> None:
        """Call `callback` for every message that comes for this member under `verb`, in order."""

    async def answer(self, reply: str, data: bytes) -> None:
        """Answer a request; lost when its asker is gone."""

    def answer_now(self, reply: str, data: bytes) -> None:
        """As `answer`, from inside a callback."""

    def bus_of(self, member_id: int) -> bool | None:
        """Whether that member said lately that its own NATS connection works; None when this lane cannot tell."""


class NatsLane:
    """A `Lane` on the members' own subjects."""

    def __init__(self, bus: Bus, cluster: Callable[[], str], member_id: int = 0) -> None:
        """`cluster` is asked at each call: a client learns it late. `member_id` is 0 where nothing is served."""
        self._bus, self._cluster, self._member_id = bus, cluster, member_id

    async def publish(self, member_id: int, verb: str, data: bytes) -> None:
        """Send to one member."""
        await self._bus.publish(subjects.member(self._cluster(), member_id, verb), data)

    def publish_now(self, member_id: int, verb: str, data: bytes) -> None:
        """Send to one member."""
        self._bus.publish_now(subjects.member(self._cluster(), member_id, verb), data)

    async def request(self, member_id: int, verb: str, data: bytes, timeout_s: float) -> bytes:
        """Send and wait for one answer."""
        return await self._bus.request(subjects.member(self._cluster(), member_id, verb), data, timeout_s)

    async def serve(self, verb: str, callback: LaneCallback) -> None:
        """Call `callback` for every message under `verb`."""

        def receive(_subject: str, data: bytes, reply: str) -> None:
            callback(data, reply)

        await self._bus.subscribe(subjects.member(self._cluster(), self._member_id, verb), receive)

    async def answer(self, reply: str, data: bytes) -> None:
        """Answer a request."""
        await self._bus.publish(reply, data)

    def answer_now(self, reply: str, data: bytes) -> None:
        """Answer a request from inside a callback."""
        self._bus.publish_now(reply, data)

    def bus_of(self, member_id: int) -> bool | None:  # noqa: ARG002  whoever is reached at all is reached over NATS
        """Unknown: over NATS alone, a member whose NATS is gone cannot say so."""
        return None
