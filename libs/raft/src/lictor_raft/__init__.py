"""Raft consensus as a pure library."""

from lictor_raft.confchange import (
    ConfChange,
    ConfChangeKind,
    decode_conf_change,
    encode_conf_change,
    next_conf_state,
)
from lictor_raft.config import Config, ReadMode
from lictor_raft.core import Dice
from lictor_raft.errors import (
    ConfChangeRefused,
    ConfigError,
    InvariantViolated,
    LogCompacted,
    LogDamaged,
    LogUnavailable,
    ProposalDropped,
    RaftError,
    ReadDropped,
    ReadyMisuse,
    SnapshotUnavailable,
)
from lictor_raft.invariants import Observation, check_invariants
from lictor_raft.local_cluster import LocalCluster, LocalMember
from lictor_raft.messages import (
    MEMBER_ID_MAX,
    NO_MEMBER,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Message,
    MessageKind,
    ReadState,
    Role,
    Snapshot,
    SnapshotMeta,
    SoftState,
)
from lictor_raft.node import PeerStatus, RawNode, Ready, Status
from lictor_raft.progress import ProgressState
from lictor_raft.storage import FOUNDING_INDEX, FOUNDING_TERM, MemoryStorage, Storage

__all__ = [
    "FOUNDING_INDEX",
    "FOUNDING_TERM",
    "MEMBER_ID_MAX",
    "NO_MEMBER",
    "ConfChange",
    "ConfChangeKind",
    "ConfChangeRefused",
    "ConfState",
    "Config",
    "ConfigError",
    "Dice",
    "Entry",
    "EntryKind",
    "HardState",
    "InvariantViolated",
    "LocalCluster",
    "LocalMember",
    "LogCompacted",
    "LogDamaged",
    "LogUnavailable",
    "MemoryStorage",
    "Message",
    "MessageKind",
    "Observation",
    "PeerStatus",
    "ProgressState",
    "ProposalDropped",
    "RaftError",
    "RawNode",
    "ReadDropped",
    "ReadMode",
    "ReadState",
    "Ready",
    "ReadyMisuse",
    "Role",
    "Snapshot",
    "SnapshotMeta",
    "SnapshotUnavailable",
    "SoftState",
    "Status",
    "Storage",
    "check_invariants",
    "decode_conf_change",
    "encode_conf_change",
    "next_conf_state",
]
