"""Who may be in this pool: the rules by which Consul's LAN pools keep strangers out (`agent/consul/merge.go`).

An agent of another datacenter or segment, and a second node under one id, would make one pool of two that are not.
Plain Serf agents carry no tags of Consul's and are welcome. Names and tags become rows, lines and messages, so they
must be text. Everybody who says to be alive is judged, so the ids of the members are kept by id, from what the node
tells of them.
"""

from lictor_gossip.shown_text import is_text, shown
from lictor_swim import MemberChange, MemberEvent

ROLES = ("node", "consul")
"""Of Consul's and our own agents and servers; who has neither is of another make."""


class Admission:
    """Judges who joins; `observe` it every change of the members.

    Args:
        own: this node's name.
        node_id: its id.
        datacenter: its datacenter.
    """

    def __init__(self, own: str, node_id: str, datacenter: str) -> None:
        self._datacenter = datacenter
        self._name_of = {node_id: own}
        self._id_of = {own: node_id}

    def observe(self, event: MemberEvent) -> None:
        """A member is there, has changed its tags, or is gone: one that left may come back under another name."""
        name, node_id = event.member.name, event.member.tags.get("id", "")
        former = self._id_of.pop(name, "")
        if self._name_of.get(former) == name:
            del self._name_of[former]
        if node_id and event.change not in (MemberChange.LEFT, MemberChange.REAPED):
            self._name_of[node_id], self._id_of[name] = name, node_id

    def __call__(self, name: str, tags: dict[str, str]) -> str:
        """Why a node with these tags may not be in the pool; empty when it may."""
        if not name.isprintable() or not all(is_text(key) and is_text(value) for key, value in tags.items()):
            return f"Node '{shown(name)}' has a name that cannot be printed, or tags that are no text"
        if tags.get("role") in ROLES and tags.get("dc", "") != self._datacenter:
            return f"Node '{name}' is of datacenter '{tags.get('dc', '')}', this pool is of '{self._datacenter}'"
        if tags.get("segment", ""):
            return f"Node '{name}' is of segment '{tags['segment']}', this pool is of the default one"
        node_id = tags.get("id", "")
        holder = self._name_of.get(node_id, name) if node_id else name
        return "" if holder == name else f"Node '{name}' has the node id {node_id} of '{holder}'"
