"""The settings of a gossip process."""

from typing import Literal

from pydantic import Field

from lictor_kit.settings import Port, Settings


class GossipSettings(Settings):
    """What a gossip is told beside what every process is told."""

    gossip_port: Port = Field(
        default=8301, description="UDP and TCP port; Serf's LAN pool; Consul's own number, so that agents find it"
    )
    gossip_advertise: str = Field(
        default="",
        description="IP address; where other members reach this one; empty takes the bind address, or the host's own",
    )
    gossip_seeds: str = Field(
        default="",
        description="host or host:port, comma separated; whom to join, tried for ever; empty waits to be joined",
    )
    gossip_profile: Literal["lan", "wan", "local", "fast"] = Field(
        default="lan",
        description="timing of failure detection; lan suits wide pools; fast notices within 2 s in small ones",
    )
    gossip_slots: int = Field(
        default=1,
        ge=1,
        le=99,
        description="slots; how many gossips may share a data directory; the first is LICTOR_NODE, others node-<slot>",
    )
    gossip_leave_timeout_s: float = Field(
        default=5.0, gt=0, le=8, description="seconds; how long leaving waits for the pool to hear of it"
    )
