"""What a node says of itself: its tags in the pool, and its registration in the catalog (Consul's client agents)."""

import socket

from lictor_gossip.node_slot import NodeSlot
from lictor_gossip.reporting import LICTOR_TAG
from lictor_gossip.settings import GossipSettings
from lictor_state.commands import AgentJoin
from lictor_swim import Versions

CONSUL_VERSIONS = Versions(1, 5, 2, 2, 5, 4)
"""What Consul's agents announce: memberlist 1 to 5 speaking 2, Serf 2 to 5 speaking 4."""


def own_address(settings: GossipSettings) -> str:
    """Where others reach this node: as advertised, else the bind address, or what the host's name leads to."""
    if settings.gossip_advertise:
        return settings.gossip_advertise
    wildcard = settings.bind in {"0.0.0.0", "::"}
    return socket.gethostbyname(socket.gethostname()) if wildcard else settings.bind


def tags(slot: NodeSlot, settings: GossipSettings) -> dict[str, str]:
    """The tags that Consul's client agents carry, and our own."""
    return {
        "role": "node",
        "dc": settings.datacenter,
        "segment": "",
        "id": slot.node_id,
        "vsn": "2",
        "vsn_min": "2",
        "vsn_max": "3",
        "build": f"{settings.consul_version}:lictor",
        "acls": "0",
        LICTOR_TAG: "1",
    }


def registration(slot: NodeSlot, run_id: str, address: str, settings: GossipSettings) -> AgentJoin:
    """The command that registers this run of the node."""
    family = "ipv6" if ":" in address else "ipv4"
    return AgentJoin(
        node=slot.node,
        node_id=slot.node_id,
        run_id=run_id,
        address=address,
        port=settings.gossip_port,
        datacenter=settings.datacenter,
        tags=tags(slot, settings),
        tagged_addresses={"lan": address, f"lan_{family}": address, "wan": address, f"wan_{family}": address},
        meta={"consul-network-segment": "", "consul-version": settings.consul_version},
    )
