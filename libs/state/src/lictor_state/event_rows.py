"""User events: the newest ones of the cluster, as rows, so that every replica lists the same.

Consul's agents each remember what reached them by gossip. Here an event is one entry of the log, whether a client fired
it or gossip heard it from a Serf pool (several members hear the same one: the id tells).
"""

import msgspec

EVENTS_MAX = 256
"""What an agent of Consul remembers; the oldest goes first."""


class EventRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One user event. Key: its id (a UUID).

    The filters are regular expressions, empty for everybody: the node's name, the name of a service of its agent, and
    one of that service's tags. `ltime` is Serf's Lamport time.
    """

    event_id: str
    name: str
    payload: bytes | None
    node_filter: str = ""
    service_filter: str = ""
    tag_filter: str = ""
    version: int = 1
    ltime: int = 0
    create_index: int = 0
