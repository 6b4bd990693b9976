"""Exchange of full state between two nodes (memberlist's push/pull): what it checks, and how often it happens.

Gossip spreads news; push/pull repairs what gossip missed, and is how a node joins.
"""

import math
from collections.abc import Iterable
from itertools import chain

from lictor_swim.events import MemberState
from lictor_swim.wire.messages import NodeState

_SCALE_THRESHOLD = 32
_VERSION_BYTES = 6


def push_pull_interval_s(base_s: float, pool_size: int) -> float:
    """The interval for a pool of this size: above 32 nodes it grows with the logarithm, to bound the load."""
    if pool_size <= _SCALE_THRESHOLD:
        return base_s
    return base_s * (math.ceil(math.log2(pool_size) - math.log2(_SCALE_THRESHOLD)) + 1)


def incompatibility(remote: Iterable[NodeState], local: Iterable[NodeState]) -> str:
    """Why two lists cannot be merged; empty when they can.

    All living nodes together have a range of protocol versions that each of them understands; every node's current
    version must lie inside, for memberlist's protocol and for the delegate's (Serf's). One misfit refuses the merge.
    """
    # A pool has thousands of members and a handful of version vectors: one member stands for all that share one.
    spoken: dict[bytes, str] = {}
    living: set[bytes] = set()
    for node in chain(remote, local):
        spoken.setdefault(node.versions, node.name)
        if node.state == MemberState.ALIVE:
            living.add(node.versions)
    for versions, name in spoken.items():
        if len(versions) != _VERSION_BYTES:
            return f"Node '{name}' has a version vector of {len(versions)} bytes, not {_VERSION_BYTES}"
    for offset, what in ((0, "protocol version"), (3, "delegate protocol version")):
        lowest = max((versions[offset] for versions in living), default=0)
        highest = min((versions[offset + 1] for versions in living), default=255)
        for versions, name in spoken.items():
            current = versions[offset + 2]
            if not lowest <= current <= highest:
                return f"Node '{name}' {what} ({current}) is incompatible: [{lowest}, {highest}]"
    return ""
