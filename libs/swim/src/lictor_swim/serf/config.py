"""Settings of Serf's layer; the defaults are Serf's own."""

from msgspec import Struct


class SerfConfig(Struct, frozen=True, kw_only=True):
    """Times in seconds.

    Attributes:
        broadcast_timeout_s: how long leaving waits for each of its two announcements to go out.
        leave_propagate_delay_s: after both, how long the node stays to pass them on.
        reap_interval_s: between two looks for members and intents to forget.
        recent_intent_timeout_s: how long an intent about an unknown node is kept for when it appears.
        reconnect_interval_s: between two attempts to reach a failed member again.
        reconnect_timeout_s: a failed member is forgotten after this.
        tombstone_timeout_s: a member that left is forgotten after this.
        name_conflict_resolution: whether a node that sees its own name elsewhere has the pool vote on it.
        coordinates: whether to keep a network coordinate and to send it in acks.
    """

    broadcast_timeout_s: float = 5.0
    leave_propagate_delay_s: float = 1.0
    reap_interval_s: float = 15.0
    recent_intent_timeout_s: float = 300.0
    reconnect_interval_s: float = 30.0
    reconnect_timeout_s: float = 24 * 3600.0
    tombstone_timeout_s: float = 24 * 3600.0
    name_conflict_resolution: bool = True
    coordinates: bool = True


SERF_LAN = SerfConfig()
SERF_FAST = SerfConfig(
    broadcast_timeout_s=1.0, leave_propagate_delay_s=0.3, reap_interval_s=5.0, reconnect_interval_s=2.0
)
"""For small clusters that should settle within seconds; goes with the FAST profile of SWIM."""

CONSUL_LAN = SerfConfig(
    leave_propagate_delay_s=3.0,
    reconnect_timeout_s=72 * 3600.0,
    tombstone_timeout_s=72 * 3600.0,
    name_conflict_resolution=False,
)
"""Consul's choices: departures reach a large pool, gone nodes are shown for three days, and nobody is voted out."""
