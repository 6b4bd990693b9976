"""Builders shared by the tests of this member."""

import random
from collections.abc import Callable

import pytest

from lictor_swim import FAST, LAN, SERF_FAST, VERSIONS, Endpoint, Framing, Identity, SerfNode, SwimConfig, SwimNode
from lictor_swim.addresses import address_bytes
from lictor_swim.simulated import SimulatedNetwork


@pytest.fixture
def swim_node() -> Callable[..., SwimNode]:
    """A started node at 10.0.0.1:7946 named `me`, at time 0."""

    def build(config: SwimConfig = LAN, *, seed: int = 0, framing: Framing | None = None, name: str = "me") -> SwimNode:
        identity = Identity(
            name=name, address=address_bytes("10.0.0.1"), port=7946, meta=b"\xff\x80", versions=VERSIONS
        )
        node = SwimNode(identity, config, framing or Framing(compress=False), random.Random(seed))
        node.start(0.0)
        return node

    return build


@pytest.fixture
def serf_node() -> Callable[..., SerfNode]:
    """An agent, not started."""

    def build(
        name: str = "me",
        host: str = "10.0.0.1",
        *,
        swim: SwimConfig = FAST,
        seed: int = 0,
        tags: dict[str, str] | None = None,
        accepts: Callable[[str, dict[str, str]], str] | None = None,
    ) -> SerfNode:
        return SerfNode(
            name=name,
            address=address_bytes(host),
            port=7946,
            tags=tags or {},
            swim=swim,
            serf=SERF_FAST,
            framing=Framing(compress=False),
            dice=random.Random(seed),
            accepts=accepts,
        )

    return build


Pool = tuple[SimulatedNetwork, list[tuple[Endpoint, SerfNode]]]


@pytest.fixture
def serf_pool(serf_node: Callable[..., SerfNode]) -> Callable[..., Pool]:
    """Agents n0, n1, ... in one simulated network, all joined through n0."""

    def build(size: int, *, seed: int = 1, loss: float = 0.0, swim: SwimConfig = FAST) -> Pool:
        network = SimulatedNetwork(random.Random(seed), loss=loss)
        agents: list[tuple[Endpoint, SerfNode]] = []
        for index in range(size):
            endpoint = Endpoint(f"10.0.{index // 250}.{index % 250 + 1}", 7946)
            agent = serf_node(f"n{index}", endpoint.host, swim=swim, seed=seed * 10_007 + index)
            network.add(endpoint, agent)
            if index:
                agent.join(agents[0][0], network.now)
                network.settle(endpoint)
            agents.append((endpoint, agent))
        return network, agents

    return build
