"""What a member of a large pool costs: one agent of ours among peers that answer, probe, gossip and exchange state.

The peers' part is made outside the measured time. Each member is probed once a second on average, as SWIM has it; each
claim reaches it in as many copies as others send it, which is the retransmit limit.
"""

import random
import time
from typing import NamedTuple

from benchmarks.gossip.pool import ack, agent, endpoint, exchange, news, ping
from lictor_swim import LAN, Datagram, Framing, OpenStream, SerfNode
from lictor_swim.broadcast_queue import retransmit_limit
from lictor_swim.push_pull import push_pull_interval_s
from lictor_swim.wire import Ping, decode_message, open_packet

WARM_UP_S = 5.0


class Cost(NamedTuple):
    """One row: CPU of a member, in percent of one processor, and what it sent."""

    members: int
    changes_s: float
    cpu_percent: float
    packets_s: float
    bytes_s: float


class _Measured:
    """The agent behind a stop-watch; what it sends is answered."""

    def __init__(self, size: int, framing: Framing) -> None:
        self.node: SerfNode = agent(size, framing)
        self.spent = 0.0
        self.packets = 0
        self.octets = 0
        self._framing = framing
        self._reply = exchange(size, framing)

    def datagram(self, data: bytes, index: int, now: float) -> None:
        began = time.process_time()
        self.node.receive_datagram(data, endpoint(index), now)
        self._settle(began, now)

    def stream(self, data: bytes, index: int, now: float) -> None:
        began = time.process_time()
        self.node.receive_stream(data, endpoint(index), now)
        self._settle(began, now)

    def timer(self, now: float) -> None:
        began = time.process_time()
        self.node.handle_timer(now)
        self._settle(began, now)

    def _settle(self, began: float, now: float) -> None:
        effects = self.node.outgoing()
        self.node.events()
        self.node.next_deadline()
        self.spent += time.process_time() - began
        for effect in effects:
            if isinstance(effect, OpenStream):
                began = time.process_time()
                self.node.stream_answered(effect.stream_id, self._reply, now)
                self.spent += time.process_time() - began
            elif isinstance(effect, Datagram):
                self.packets += 1
                self.octets += len(effect.data)
                for message in open_packet(effect.data, self._framing):
                    decoded = decode_message(message)
                    if isinstance(decoded, Ping):
                        self.datagram(ack(decoded.sequence, self._framing), 1, now)


def cost(size: int, changes_s: float, seconds: float, framing: Framing) -> Cost:
    """Run one agent for so many virtual seconds."""
    dice = random.Random(1)
    measured = _Measured(size, framing)
    request = exchange(size, framing)
    now = started = 1000.0
    probed = exchanged = changed = started
    copies = retransmit_limit(LAN.retransmit_mult, size)
    incarnation = 1
    period = push_pull_interval_s(LAN.push_pull_interval_s, size)
    while now < started + WARM_UP_S + seconds:
        now = max(now, min(measured.node.next_deadline(), probed, changed, exchanged))
        if now < started + WARM_UP_S:
            measured.spent = measured.packets = measured.octets = 0
        if now >= probed:
            probed += dice.expovariate(1 / LAN.probe_interval_s)
            measured.datagram(ping(1, dice.randrange(1, size), framing), 1, now)
        if now >= exchanged:
            exchanged += period
            measured.stream(request, 1, now)
        if now >= changed:
            if changes_s:
                incarnation += 1
                data = news(dice.randrange(1, size), incarnation, framing)
                for _ in range(copies):
                    measured.datagram(data, 1, now)
                changed += 1 / changes_s
            else:
                changed = float("inf")
        measured.timer(now)
    return Cost(size, changes_s, 100 * measured.spent / seconds, measured.packets / seconds, measured.octets / seconds)
