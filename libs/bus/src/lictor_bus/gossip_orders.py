"""Orders to the gossip of a node: what `catalog` asks the one process that is a member of the pool in its node's name.

Consul's `agent/leave`, `agent/join`, `agent/force-leave` and `operator/keyring` each become one request on the node's
own subject (`subjects.node_order`), answered by that gossip alone; no responder means that none runs for it. `leave`
carries nothing and is answered `ok` or `failed`. The others are MessagePack arrays; fields are only added at the end.
"""

from typing import Literal

import msgspec

LEAVE, JOIN, FORCE_LEAVE, KEYRING = "leave", "join", "force-leave", "keyring"

ANSWER_TIMEOUT_S = 8.0
"""Leaving is told to the pool and to the store, joining tries every address of a name: each takes a few seconds."""

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


Ordered = JoinOrder | ForceLeaveOrder | KeyringOrder
