"""A large pool and its network in virtual time: latency, loss, members that die, are cut off, or get too little CPU.

Everything random comes from one seed. Packets are lost one by one; streams repeat what is lost and only take longer. A
member short of CPU runs for a moment and then stands still for nine times as long, as under a quota that its machine's
other work uses up: what arrives meanwhile waits, and its timers fire late.
"""

import heapq
import random
from collections import Counter, deque
from typing import Any

from msgspec import Struct

from lictor_sim.swim.member import BulkMember, Call, Parcel, identities, shared_list
from lictor_swim import (
    LAN,
    MemberFailed,
    MemberSuspected,
    PacketsBlocked,
    SwimConfig,
    WireError,
    endpoint_of,
)
from lictor_swim.wire.stream import StreamMessage

LATENCY_S_MIN = 0.0002
LATENCY_S_SPREAD = 0.001
"""One way within a data centre: 0.2 to 1.2 ms."""

SOCKET_PACKETS_MAX = 2048
"""What a stalled process's socket holds (2 MiB of small packets); further ones are lost."""

RUN_SHARE = 0.1
STALL_CYCLE_S = 2.0
"""Short of CPU: 0.2 s of running in every 2 s, each member at its own moment."""

TIMER, PACKET, CALL, ANSWER, RESUME = range(5)
"""What can happen to a member."""

PACKET_OVERHEAD_BYTES = 28
"""IP and UDP headers."""


class Sighting(Struct, frozen=True, gc=False):
    """A member held another for suspect or dead."""

    at: float
    observer: int
    subject: int
    accuser: str


class SwimPool:
    """A pool that starts converged.

    Args:
        size: members.
        seed: the source of everything random.
        config: timing.
        loss: share of packets lost.
    """

    def __init__(self, size: int, seed: int, *, config: SwimConfig = LAN, loss: float = 0.0) -> None:
        self._dice = random.Random(seed)
        self.now = 0.0
        self.loss = loss
        self.lost_in: dict[int, float] = {}
        self.no_packets: set[int] = set()
        self.dead: set[int] = set()
        self.starved: set[int] = set()
        self.stall_cycle_s = STALL_CYCLE_S
        self.run_share = RUN_SHARE
        self.suspicions: list[Sighting] = []
        self.deaths: list[Sighting] = []
        self.blocked: Counter[int] = Counter()
        self.packets = 0
        self.bytes = 0
        self.events = 0
        self._heap: list[tuple[float, int, int, int, Any]] = []
        self._order = 0
        self._waiting: dict[int, deque[tuple[int, Any]]] = {}
        everybody = identities(size)
        base = shared_list(everybody)
        order = [one.name for one in everybody]
        self._dice.shuffle(order)
        self.index = {endpoint_of(one.address, one.port): index for index, one in enumerate(everybody)}
        self.endpoints = list(self.index)
        self._armed = [float("inf")] * size
        self._phase = [self._dice.random() for _ in range(size)]
        self.members = [
            BulkMember(one, config, random.Random(seed * 1_000_003 + index), base, order)
            for index, one in enumerate(everybody)
        ]
        for index, member in enumerate(self.members):
            member.start(0.0)
            self._settle(index)

    def kill(self, index: int) -> None:
        """The machine is gone: packets to it vanish, streams to it hang."""
        self.dead.add(index)

    def run_until(self, end: float) -> None:
        """Let time pass."""
        heap = self._heap
        while heap and heap[0][0] <= end:
            self.now, _, kind, index, what = heapq.heappop(heap)
            if index in self.dead:
                continue
            if kind == RESUME:
                self._resume(index)
            elif index in self.starved and not self._runs(index):
                self._postpone(kind, index, what)
            else:
                self._handle(kind, index, what)
        self.now = end

    # What happens

    def _handle(self, kind: int, index: int, what: Any) -> None:
        self.events += 1
        member = self.members[index]
        if kind == TIMER:
            if self._armed[index] != what:
                return
            self._armed[index] = float("inf")
            member.handle_timer(self.now)
        elif kind == PACKET:
            source, parcel = what
            try:
                member.receive(parcel, source, self.now)
            except WireError:
                return
        elif kind == CALL:
            self._serve(index, *what)
        else:
            stream_id, answer = what
            member.answered(stream_id, answer, self.now)
        self._settle(index)

    def _serve(self, index: int, caller: int, stream_id: int, message: StreamMessage) -> None:
        source = self.endpoints[caller]
        try:
            answer = self.members[index].serve(message, source, self.now)
        except WireError:
            return
        if answer is not None:
            self._after(self._latency(), ANSWER, caller, (stream_id, answer))

    def _settle(self, index: int) -> None:
        member = self.members[index]
        for event in member.events():
            self._note(index, event)
        for posted in member.posted():
            if isinstance(posted, Parcel):
                self._send(index, posted)
            else:
                self._call(index, posted)
        deadline = max(member.next_deadline(), self.now)
        if deadline < self._armed[index]:
            self._armed[index] = deadline
            self._push(deadline, TIMER, index, deadline)

    def _note(self, index: int, event: object) -> None:
        if isinstance(event, MemberSuspected):
            self.suspicions.append(Sighting(self.now, index, self._index_of(event.member.name), event.accuser))
        elif isinstance(event, MemberFailed):
            self.deaths.append(Sighting(self.now, index, self._index_of(event.member.name), event.accuser))
        elif isinstance(event, PacketsBlocked):
            self.blocked[self._index_of(event.member.name)] += 1

    @staticmethod
    def _index_of(name: str) -> int:
        return int(name[1:])

    def _send(self, index: int, parcel: Parcel) -> None:
        self.packets += 1
        self.bytes += PACKET_OVERHEAD_BYTES + _parcel_bytes(parcel)
        destination = self.index[parcel.destination]
        if self._dice.random() < self.loss or index in self.no_packets or destination in self.no_packets:
            return
        lost_in = self.lost_in.get(destination)
        if lost_in is not None and self._dice.random() < lost_in:
            return
        self._after(self._latency(), PACKET, destination, (self.endpoints[index], parcel))

    def _call(self, index: int, call: Call) -> None:
        # A stream repeats what is lost: about one of a hundred takes a retransmission timeout longer.
        delay_s = 3 * self._latency() + (0.2 if self._dice.random() < self.loss else 0.0)
        self._after(delay_s, CALL, self.index[call.destination], (index, call.stream_id, call.message))

    # Starvation

    def _runs(self, index: int) -> bool:
        return (self.now / self.stall_cycle_s + self._phase[index]) % 1.0 < self.run_share

    def _postpone(self, kind: int, index: int, what: Any) -> None:
        """Wait for the member's next moment; packets beyond the socket's room are lost."""
        waiting = self._waiting.setdefault(index, deque())
        if not waiting:
            rest = 1.0 - (self.now / self.stall_cycle_s + self._phase[index]) % 1.0
            self._push(self.now + rest * self.stall_cycle_s + 1e-6, RESUME, index, None)
        if kind == PACKET and len(waiting) >= SOCKET_PACKETS_MAX:
            return
        waiting.append((kind, what))

    def _resume(self, index: int) -> None:
        """The member runs again, with all that waited: timers before what came in, as libuv does it, which is worse."""
        waiting = self._waiting.pop(index, deque())
        for kind, what in sorted(waiting, key=lambda one: one[0] != TIMER):
            self._handle(kind, index, what)

    # The heap

    def _latency(self) -> float:
        return LATENCY_S_MIN + self._dice.random() * LATENCY_S_SPREAD

    def _after(self, delay_s: float, kind: int, index: int, what: Any) -> None:
        self._push(self.now + delay_s, kind, index, what)

    def _push(self, at: float, kind: int, index: int, what: Any) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, kind, index, what))


def _parcel_bytes(parcel: Parcel) -> int:
    """About what the packet takes: pings and acks as captured, claims as encoded."""
    size = sum([len(claim) + 2 for claim in parcel.claims])
    return size + (66 if parcel.message is None else 110)
