"""Which cluster this process belongs to and who leads it, learnt from beacons (design rules 3.2, 3.8, 3.11).

The first cluster heard is adopted for the life of the process, unless one is pinned by configuration; beacons of
another cluster are remembered so that readiness can tell. Lower terms and epochs are ignored.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from lictor_bus import frames, subjects
from lictor_bus.connection import Bus
from lictor_bus.frames import Beacon, FoundingHello, FrameError

LEADER_FRESH_S = 3.0
"""A beacon comes every 250 ms; three seconds without one, and the leader counts as unknown."""

FOREIGN_FRESH_S = 10.0
VETO_EVERY_S = 0.5

log = structlog.get_logger()


class LeaderTracker:
    """The newest beacon of our cluster, and a way to wait for a better one."""

    def __init__(self, bus: Bus, pinned_cluster: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self.cluster = pinned_cluster
        self.beacon: Beacon | None = None
        self.heard_at = float("-inf")
        self._vetoed_at = float("-inf")
        self._foreign: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[Beacon], None]] = []
        self._on_change: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Begin to listen for beacons."""
        await self._bus.subscribe(subjects.BEACONS, self._on_beacon)
        await self._bus.subscribe(subjects.FOUNDING, self._on_founding)

    def listen(self, listener: Callable[[Beacon], None]) -> None:
        """Call `listener` with every accepted beacon."""
        self._listeners.append(listener)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever what `changed` waits for has happened."""
        self._on_change.append(listener)

    def _on_beacon(self, _subject: str, data: bytes, _reply: str) -> None:
        try:
            heard = frames.decode(data, Beacon)
        except FrameError as error:
            log.warning("beacon not understood", reason=str(error))
            return
        if self.cluster and heard.cluster != self.cluster:
            if heard.cluster not in self._foreign and len(self._foreign) < 16:
                log.error("beacon of another cluster", ours=self.cluster, theirs=heard.cluster)
                self._foreign[heard.cluster] = self._clock()
            elif heard.cluster in self._foreign:
                self._foreign[heard.cluster] = self._clock()
            return
        self.cluster = heard.cluster
        known = self.beacon
        if known and (heard.epoch, heard.term) < (known.epoch, known.term):
            return
        contact = (heard.leader, heard.term, heard.reconnects)
        changed = known is None or contact != (known.leader, known.term, known.reconnects)
        self.beacon = heard
        self.heard_at = self._clock()
        for listener in self._listeners:
            listener(heard)
        if changed:
            waiting, self._changed = self._changed, asyncio.Event()
            waiting.set()
            for on_change in self._on_change:
                on_change()

    async def _on_founding(self, _subject: str, data: bytes, _reply: str) -> None:
        """Somebody is founding a cluster: whoever knows one vetoes (design §6)."""
        try:
            hello = frames.decode(data, FoundingHello)
        except FrameError as error:
            log.warning("founding hello not understood", reason=str(error))
            return
        if self.beacon is None or hello.cluster or self._clock() - self._vetoed_at < VETO_EVERY_S:
            return
        self._vetoed_at = self._clock()
        await self._bus.publish(subjects.FOUNDING, frames.encode(FoundingHello(0, 0, 0, (), cluster=self.cluster)))

    @property
    def foreign_clusters(self) -> tuple[str, ...]:
        """Other clusters heard lately on the same NATS."""
        now = self._clock()
        return tuple(sorted(name for name, at in self._foreign.items() if now - at < FOREIGN_FRESH_S))

    @property
    def leader(self) -> int:
        """The leader's member id, 0 when none has been heard of lately."""
        return self.beacon.leader if self.beacon and self.silence_s() < LEADER_FRESH_S else 0

    @property
    def term(self) -> int:
        """The term of the newest beacon, 0 before the first."""
        return self.beacon.term if self.beacon else 0

    def silence_s(self) -> float:
        """Seconds since the newest beacon."""
        return self._clock() - self.heard_at

    def hint(self, leader: int, term: int) -> int:
        """A "not leader" answer names somebody: whom to ask next, 0 for nobody."""
        return leader if term >= self.term else self.leader

    async def changed(self) -> None:
        """Wait until another leader or term is heard of, or another NATS connection of the leader: ask again now."""
        await self._changed.wait()

    async def wait_for_cluster(self) -> Beacon:
        """Wait for the first beacon of our cluster."""
        while self.beacon is None:
            await self._changed.wait()
        return self.beacon
