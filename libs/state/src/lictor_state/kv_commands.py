"""Commands about keys, sessions and locks.

Part of the log's format, as `commands` says, which gives all of them.
"""

import msgspec

from lictor_state.rows import ServiceCheck


class KVSet(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=9):
    """`PUT /v1/kv/:key`; with `cas`, only at that ModifyIndex (0: only if absent). Result: bool.

    `acquire` and `release` name a session: write only by taking the key's lock, or by giving it back.
    """

    key: str
    value: bytes | None
    flags: int = 0
    cas: int | None = None
    acquire: str = ""
    release: str = ""


class KVDelete(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=10):
    """`DELETE /v1/kv/:key`; with `cas`, only at that ModifyIndex. Result: bool."""

    key: str
    cas: int | None = None


class KVDeleteTree(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=11):
    """`DELETE /v1/kv/:prefix?recurse`. Result: bool."""

    prefix: str


class SessionCreate(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=20):
    """`PUT /v1/session/create`: the node and all checks must be there and well. Result: the session's id."""

    session_id: str
    node: str
    name: str = ""
    node_checks: tuple[str, ...] | None = None
    service_checks: tuple[ServiceCheck, ...] | None = None
    behavior: str = "release"
    ttl_ns: int = 0
    lock_delay_ns: int = 15_000_000_000
    checks: tuple[str, ...] = ()
    ttl: str = ""


class SessionDestroy(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=21):
    """`PUT /v1/session/destroy/:id`, and the leader's word that a TTL ran out. Result: True, also for unknown ids."""

    session_id: str


class LockDelayEnd(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=22):
    """A key's lock delay is over. Result: bool, False if its row is not the one of `create_index`."""

    key: str
    create_index: int


class TombstonesReap(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=23):
    """Forget tombstones of indexes up to this one, a bounded number. Result: bool, whether some are left."""

    up_to_index: int
