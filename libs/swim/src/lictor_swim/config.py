"""Settings of a SWIM node: timing profiles and what each number is for.

The LAN, WAN and local profiles carry memberlist's defaults, so that a mixed pool behaves as one. `FAST` is ours: for
small clusters on one network, where a dead node should be known within a second or so.
"""

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace


class Versions(NamedTuple):
    """The version vector that a node announces: memberlist's range and choice, then Serf's (the delegate's)."""

    protocol_min: int
    protocol_max: int
    protocol_current: int
    delegate_min: int
    delegate_max: int
    delegate_current: int

    def encode(self) -> bytes:
        """The six bytes on the wire."""
        return bytes(self)


VERSIONS = Versions(1, 5, 2, 2, 5, 5)
"""What a `serf agent` announces: memberlist 1 to 5 speaking 2, Serf 2 to 5 speaking 5."""


class SwimConfig(Struct, frozen=True, kw_only=True):
    """Timing and sizes. Times are in seconds.

    Attributes:
        probe_interval_s: between two probes by this node, at full health.
        probe_timeout_s: until a direct probe is helped by indirect ones; above the usual round trip.
        indirect_checks: relays asked per failed direct probe (k in the SWIM paper).
        stream_ping: whether a probe also tries TCP, which tells a lossy path from a dead node.
        suspicion_mult: scales the shortest suspicion; 2 less is the number of confirmations that reach it.
        suspicion_max_mult: the longest suspicion over the shortest (Lifeguard).
        awareness_max: the health score stays below it (Lifeguard); a probe waits up to this many intervals.
        gossip_interval_s: between two rounds of gossip.
        gossip_nodes: nodes gossiped to per round.
        gossip_to_the_dead_s: how long a dead node still gets gossip, so that it can learn of it and refute; then its
            record is dropped.
        retransmit_mult: each broadcast goes out this many times log10 of the pool's size (λ in the SWIM paper).
        push_pull_interval_s: between two exchanges of full state; it grows with pools above 32 nodes.
        dead_node_reclaim_s: after this long a dead node's name may appear at another address; 0: never.
        stream_timeout_s: for one stream, connecting included.
        packet_bytes: budget of one packet before compression; fits an Ethernet frame.
    """

    probe_interval_s: float
    probe_timeout_s: float
    indirect_checks: int = 3
    stream_ping: bool = True
    suspicion_mult: int
    suspicion_max_mult: int = 6
    awareness_max: int = 8
    gossip_interval_s: float
    gossip_nodes: int = 3
    gossip_to_the_dead_s: float
    retransmit_mult: int = 4
    push_pull_interval_s: float
    dead_node_reclaim_s: float = 0.0
    stream_timeout_s: float
    packet_bytes: int = 1400

    def __post_init__(self) -> None:
        """Check what the protocol needs."""
        if not 0 < self.probe_timeout_s < self.probe_interval_s:
            raise ValueError("probe_timeout_s must be above 0 and below probe_interval_s")
        for name in ("suspicion_mult", "suspicion_max_mult", "awareness_max", "retransmit_mult", "gossip_nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("gossip_interval_s", "push_pull_interval_s", "stream_timeout_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")


LAN = SwimConfig(
    probe_interval_s=1.0,
    probe_timeout_s=0.5,
    suspicion_mult=4,
    gossip_interval_s=0.2,
    gossip_to_the_dead_s=30.0,
    push_pull_interval_s=30.0,
    stream_timeout_s=10.0,
)
WAN = SwimConfig(
    probe_interval_s=5.0,
    probe_timeout_s=3.0,
    suspicion_mult=6,
    gossip_interval_s=0.5,
    gossip_nodes=4,
    gossip_to_the_dead_s=60.0,
    push_pull_interval_s=60.0,
    stream_timeout_s=30.0,
)
LOCAL = SwimConfig(
    probe_interval_s=1.0,
    probe_timeout_s=0.2,
    indirect_checks=1,
    suspicion_mult=3,
    gossip_interval_s=0.1,
    gossip_to_the_dead_s=15.0,
    retransmit_mult=2,
    push_pull_interval_s=15.0,
    stream_timeout_s=1.0,
)
FAST = SwimConfig(
    probe_interval_s=0.2,
    probe_timeout_s=0.1,
    suspicion_mult=3,
    suspicion_max_mult=2,
    awareness_max=4,
    gossip_interval_s=0.05,
    gossip_to_the_dead_s=15.0,
    push_pull_interval_s=5.0,
    dead_node_reclaim_s=2.0,
    stream_timeout_s=2.0,
)
RECLAIM_S = 30.0
"""Consul's choice for what memberlist leaves off: a machine that comes back at another address gets its name again."""

PROFILES: dict[str, SwimConfig] = {
    "lan": replace(LAN, dead_node_reclaim_s=RECLAIM_S),
    "wan": replace(WAN, dead_node_reclaim_s=RECLAIM_S),
    "local": LOCAL,
    "fast": FAST,
}
"""What a service offers by name."""
