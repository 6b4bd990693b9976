"""Orders to the gossip of a node: what `catalog` asks the one process that is a member of the pool in its node's name.

Consul's `agent/leave`, `agent/join`, `agent/force-leave` and `operator/keyring` each become one request on the node's
own subject (`subjects.node_order`), answered by that gossip alone; no responder means that none runs for it. `leave`
carries nothing and is answered `ok` or `failed`, `pool` carries nothing and is answered with `PoolMembers`. The others
are MessagePack arrays; fields are only added at the end.
"""

from typing import Literal

import msgspec

LEAVE, JOIN, FORCE_LEAVE, KEYRING, POOL = "leave", "join", "force-leave", "keyring", "pool"

ANSWER_TIMEOUT_S = 8.0
"""Leaving is told to the pool and to the store, joining tries every address of a name: each takes a few seconds."""

KEYRING_TIMEOUT_S = 20.0
"""A key query waits for every member: 3.2 s for up to 9 on the LAN profile, 12.8 s for thousands, if one is silent."""

KeyringVerb = Literal["list", "install", "use", "remove"]


class JoinOrder(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Exchange state with this member: `host` or `host:port`."""

    address: str


class ForceLeaveOrder(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A failed node is to count as one that left; with `prune` it is forgotten."""

    node: str
    prune: bool = False


class KeyringOrder(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The pool's encryption keys; `key` is base64, `local_only` and `relay_factor` are Consul's."""

    verb: KeyringVerb
    key: str = ""
    relay_factor: int = 0
    local_only: bool = False


class OrderAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What became of an order: empty when it was done, else Consul's words for why not."""

    error: str = ""


class KeyringAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the members of the pool said about their keys.

    Attributes:
        error: why the pool could not do it as a whole, empty when every member did.
        messages: what single members had to say, by node.
        keys: how many members have each key (base64).
        primary_keys: how many members encrypt with each key.
        nodes: how many members were asked.
    """

    error: str = ""
    messages: dict[str, str] = {}
    keys: dict[str, int] = {}
    primary_keys: dict[str, int] = {}
    nodes: int = 0


Ordered = JoinOrder | ForceLeaveOrder
