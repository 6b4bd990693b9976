"""Key queries wait for busy members, and not for longer than they must."""

from collections.abc import Callable
from typing import Any

from lictor_swim import KeysDone
from lictor_swim.serf.key_rotation import PATIENCE_S


def asked(network: Any, endpoint: Any, agent: Any) -> float:
    """Seconds until the keys of the pool are listed."""
    began = network.now
    asked_as = agent.keys.list_keys(network.now)
    network.settle(endpoint)

    def is_done() -> bool:
        told = [event for _, who, event in network.log if who == endpoint and isinstance(event, KeysDone)]
        return any(event.query == asked_as for event in told)

    assert network.run_until(is_done, 10.0)
    return float(network.now - began)


def test_a_key_query_ends_when_all_have_answered_and_waits_for_one_that_is_silent(
    serf_pool: Callable[..., Any],
) -> None:
    network, agents = serf_pool(3)
    network.run_for(2.0)
    endpoint, agent = agents[0]
    assert asked(network, endpoint, agent) < 1.0
    network.kill(agents[2][0])
    assert PATIENCE_S <= asked(network, endpoint, agent) < PATIENCE_S + 0.3
