"""The node id of a server: a UUID made of its member id, the same on every start (RFC 9562, version 5)."""

import uuid


def node_id(member_id: int) -> str:
    """What Consul's clients know a server by."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"lictor raft-store {member_id:x}"))
