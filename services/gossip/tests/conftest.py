"""Drivers on loopback addresses, with ports that are free; and this directory on the path for its own modules."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from serf_agents import free_endpoint

from lictor_gossip.swim_driver import SwimDriver
from lictor_swim import FAST, SERF_FAST, Endpoint, Framing, Keyring, SerfEvent, SerfNode, address_bytes


@pytest.fixture
def endpoint() -> Callable[[int], Endpoint]:
    """A free endpoint at 127.0.0.11 and following."""
    return lambda index: free_endpoint(f"127.0.0.{11 + index}")


@pytest.fixture
def driver() -> Callable[..., SwimDriver]:
    """A driver of the agent `n<index>`, not entered yet."""

    def build(
        index: int,
        bind: Endpoint,
        *,
        stream_timeout_s: float = 1.0,
        on_event: Callable[[SerfEvent], None] | None = None,
        node: SerfNode | None = None,
        keyring: Keyring | None = None,
    ) -> SwimDriver:
        agent = node or SerfNode(
            name=f"n{index}",
            address=address_bytes(bind.host),
            port=bind.port,
            tags={"index": str(index)},
            swim=FAST,
            serf=SERF_FAST,
            framing=Framing(keyring=keyring, compress=False),
            dice=random.SystemRandom() if keyring else random.Random(index),
        )
        return SwimDriver(agent, bind, stream_timeout_s=stream_timeout_s, on_event=on_event)

    return build
