"""Kinds, roles and states by name, for what runs with every message and every round.

`MessageKind.APPEND` says the same and is what everything else uses. But Python 3.11 looks up a member of an enum in
its class the long way round (50 to 90 ns, some thirty times per round of a leader), and a name of a module at once (5
to 10 ns).
"""

from typing import Final

from lictor_raft.messages import EntryKind, MessageKind, Role

APPEND: Final = MessageKind.APPEND
APPEND_RESPONSE: Final = MessageKind.APPEND_RESPONSE
HEARTBEAT: Final = MessageKind.HEARTBEAT
HEARTBEAT_RESPONSE: Final = MessageKind.HEARTBEAT_RESPONSE
SNAPSHOT: Final = MessageKind.SNAPSHOT
STORAGE_APPEND: Final = MessageKind.STORAGE_APPEND
STORAGE_APPEND_RESPONSE: Final = MessageKind.STORAGE_APPEND_RESPONSE
STORAGE_APPLY: Final = MessageKind.STORAGE_APPLY
STORAGE_APPLY_RESPONSE: Final = MessageKind.STORAGE_APPLY_RESPONSE

FOLLOWER: Final = Role.FOLLOWER
LEADER: Final = Role.LEADER

NORMAL: Final = EntryKind.NORMAL
