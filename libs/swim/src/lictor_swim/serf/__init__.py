"""Serf on top of SWIM: statuses, tags, intents, user events and queries."""

from lictor_swim.serf.asking import QueryParams
from lictor_swim.serf.config import CONSUL_LAN, SERF_FAST, SERF_LAN, SerfConfig
from lictor_swim.serf.coordinates import Coordinate, decode_coordinate, encode_coordinate
from lictor_swim.serf.events import (
    KeyOperation,
    KeyringChanged,
    KeysDone,
    LeaveCompleted,
    LeaveStarted,
    MemberChange,
    MemberEvent,
    NameLost,
    QueryAck,
    QueryAnswer,
    QueryDone,
    QueryId,
    QueryReceived,
    SerfEvent,
    SerfMember,
    Status,
    UserEventReceived,
)
from lictor_swim.serf.node import SerfNode
from lictor_swim.serf.snapshot import Clocks, Remembered, Snapshot, replay
from lictor_swim.serf.tags import decode_tags, encode_tags
from lictor_swim.serf.vivaldi import distance_s
from lictor_swim.serf.wire import Query, SerfMessage, SerfType, UserEvent, decode_serf, encode_serf

__all__ = [
    "CONSUL_LAN",
    "SERF_FAST",
    "SERF_LAN",
    "Clocks",
    "Coordinate",
    "KeyOperation",
    "KeyringChanged",
    "KeysDone",
    "LeaveCompleted",
    "LeaveStarted",
    "MemberChange",
    "MemberEvent",
    "NameLost",
    "Query",
    "QueryAck",
    "QueryAnswer",
    "QueryDone",
    "QueryId",
    "QueryParams",
    "QueryReceived",
    "Remembered",
    "SerfConfig",
    "SerfEvent",
    "SerfMember",
    "SerfMessage",
    "SerfNode",
    "SerfType",
    "Snapshot",
    "Status",
    "UserEvent",
    "UserEventReceived",
    "decode_coordinate",
    "decode_serf",
    "decode_tags",
    "distance_s",
    "encode_coordinate",
    "encode_serf",
    "encode_tags",
    "replay",
]
