"""A network for agents in one process, from one seed: virtual time, latency, loss, partitions and crashes.

It plays the driver for any number of `SwimNode` or `SerfNode`: nothing in it knows which. Simulations and tests use it;
a run is a function of its dice.
"""

import heapq
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from lictor_swim.addresses import Endpoint
from lictor_swim.dice import Dice
from lictor_swim.outbox import Datagram, Effect, OpenStream

_LATENCY_S_MIN = 0.0002
_LATENCY_S_SPREAD = 0.001


class Agent(Protocol):
    """What the network drives."""

    def start(self, now: float) -> None:
        """Begin."""
        ...

    def receive_datagram(self, data: bytes, source: Endpoint, now: float) -> None:
        """A packet arrived."""
        ...

    def receive_stream(self, data: bytes, source: Endpoint, now: float) -> bytes | None:
        """A stream's request arrived."""
        ...

    def stream_answered(self, stream_id: int, data: bytes, now: float) -> None:
        """A stream's answer arrived."""
        ...

    def stream_failed(self, stream_id: int, reason: str, now: float) -> None:
        """A stream came to nothing."""
        ...

    def handle_timer(self, now: float) -> None:
        """The deadline has come."""
        ...

    def next_deadline(self) -> float:
        """The next deadline."""
        ...

    def outgoing(self) -> list[Effect]:
        """Effects to carry out."""
        ...

    def events(self) -> Sequence[Any]:
        """Events to record."""
        ...


class SimulatedNetwork:
    """Joins agents by lossy packets and by streams.

    Args:
        dice: decides latencies and losses.
        loss: share of packets that are lost; streams repeat what is lost and only take longer.
    """

    def __init__(self, dice: Dice, *, loss: float = 0.0) -> None:
        self.now = 0.0
        self.loss = loss
        self.packets = 0
        self.log: list[tuple[float, Endpoint, Any]] = []
        self._dice = dice
        self._agents: dict[Endpoint, Agent] = {}
        self._groups: dict[Endpoint, int] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._armed: dict[Endpoint, float] = {}

    def add(self, endpoint: Endpoint, agent: Agent) -> None:
        """Start an agent."""
        self._agents[endpoint] = agent
        self._armed[endpoint] = float("inf")
        agent.start(self.now)
        self.settle(endpoint)

    def kill(self, endpoint: Endpoint) -> None:
        """The machine is gone: packets to it vanish, streams to it hang."""
        del self._agents[endpoint]

    def partition(self, *groups: Sequence[Endpoint]) -> None:
        """Only members of the same group reach each other; without groups, everyone reaches everyone."""
        self._groups = {endpoint: number for number, group in enumerate(groups) for endpoint in group}

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        self.run_until(lambda: False, seconds)

    def run_until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Let time pass until the condition holds; whether it came to hold within the limit."""
        end = self.now + limit_s
        while self._queue and self._queue[0][0] <= end:
            if condition():
                return True
            self.now, _, action = heapq.heappop(self._queue)
            action()
        held = condition()
        if not held:
            self.now = end
        return held

    def settle(self, endpoint: Endpoint) -> None:
        """Carry out what an agent wants, after it was called from outside."""
        agent = self._agents[endpoint]
        self.log.extend((self.now, endpoint, event) for event in agent.events())
        for effect in agent.outgoing():
            match effect:
                case Datagram(destination, data):
                    self._send(endpoint, destination, data)
                case OpenStream():
                    self._after(self._latency(), partial(self._request, endpoint, agent, effect))
        self._arm(endpoint)

    def _arm(self, endpoint: Endpoint) -> None:
        deadline = max(self._agents[endpoint].next_deadline(), self.now)
        if deadline < self._armed[endpoint]:
            self._armed[endpoint] = deadline
            self._after(deadline - self.now, partial(self._fire, endpoint, deadline))

    def _fire(self, endpoint: Endpoint, deadline: float) -> None:
        agent = self._agents.get(endpoint)
        if agent is None or self._armed[endpoint] != deadline:
            return
        self._armed[endpoint] = float("inf")
        agent.handle_timer(self.now)
        self.settle(endpoint)

    def _send(self, source: Endpoint, destination: Endpoint, data: bytes) -> None:
        self.packets += 1
        if self._dice.random() >= self.loss:
            self._after(self._latency(), partial(self._deliver, source, destination, data))

    def _deliver(self, source: Endpoint, destination: Endpoint, data: bytes) -> None:
        agent = self._agents.get(destination)
        if agent is not None and self._reaches(source, destination):
            agent.receive_datagram(data, source, self.now)
            self.settle(destination)

    def _request(self, source: Endpoint, client: Agent, stream: OpenStream) -> None:
        agent = self._agents.get(stream.destination)
        if agent is None or not self._reaches(source, stream.destination):
            return
        reply = agent.receive_stream(stream.data, source, self.now)
        self.settle(stream.destination)
        self._after(self._latency(), partial(self._reply, source, client, stream.stream_id, reply))

    def _reply(self, source: Endpoint, client: Agent, stream_id: int, reply: bytes | None) -> None:
        if self._agents.get(source) is not client:
            return
        if reply is None:
            client.stream_failed(stream_id, "closed without an answer", self.now)
        else:
            client.stream_answered(stream_id, reply, self.now)
        self.settle(source)

    def _reaches(self, source: Endpoint, destination: Endpoint) -> bool:
        return self._groups.get(source) == self._groups.get(destination)

    def _latency(self) -> float:
        return _LATENCY_S_MIN + self._dice.random() * _LATENCY_S_SPREAD

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (self.now + delay_s, self._order, action))
