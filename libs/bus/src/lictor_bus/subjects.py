"""Every NATS subject of Lictor, in one place.

Store subjects carry the cluster id, so that two clusters on one NATS never mix (design rule 3.11). Member ids are
written in hex. `*` and `>` are NATS wildcards.
"""

BEACONS = "store.*.beacon"
FOUNDING = "founding"
PRESENCE_HELLO = "presence-hello"


def member(cluster: str, member_id: int, verb: str) -> str:
    """The subject of one raft-store member for `raft`, `propose`, `read`, `resume`, `renew` and so on."""
    return f"store.{cluster}.{member_id:x}.{verb}"


def beacon(cluster: str) -> str:
    """Where the leader says that it leads, how far it has applied, and who the members are."""
    return f"store.{cluster}.beacon"


def feed(cluster: str, stream: str) -> str:
    """Where the leader publishes the changes of one stream."""
    return f"feed.{cluster}.{stream}"


def presence(role: str) -> str:
    """Where processes of one role announce themselves; `*` for all roles."""
    return f"presence.{role}"


def node_question(cluster: str, node: str) -> str:
    """Where the gossip of a node answers the leader's question whether it is alive.

    Node names may hold dots and spaces, which subjects may not: the name is written in hex.
    """
    return f"node.{cluster}.{node.lower().encode().hex()}.alive"


def failure_reports(cluster: str) -> str:
    """Where reporters send the leader their lists of failed nodes."""
    return f"node.{cluster}.reports"


def holds(cluster: str) -> str:
    """Where a gossip that stops on purpose asks the leader to hold decisions about its node."""
    return f"node.{cluster}.holds"


def node_order(cluster: str, node: str, order: str) -> str:
    """Where the gossip of a node takes an order from the HTTP API, e.g. `leave`."""
    return f"node.{cluster}.{node.lower().encode().hex()}.order.{order}"


def pool_events(cluster: str) -> str:
    """Where gossips hear of user events that are in the store."""
    return f"pool.{cluster}.events"


def pool_coordinates(cluster: str) -> str:
    """Where gossips say where their nodes are; catalogs listen as one queue group."""
    return f"pool.{cluster}.coordinates"


def pool_stories(cluster: str) -> str:
    """Where all gossips are asked what they hold against a node."""
    return f"pool.{cluster}.stories"


def ca_sign(cluster: str) -> str:
    """Where the catalogs of a cluster sign certificate requests, as one queue group."""
    return f"ca.{cluster}.sign"
