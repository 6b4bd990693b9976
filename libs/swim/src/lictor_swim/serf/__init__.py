"""Serf on top of SWIM: statuses, tags, intents, user events and queries."""

from lictor_swim.serf.config import CONSUL_LAN, SERF_FAST, SERF_LAN, SerfConfig
from lictor_swim.serf.coordinates import Coordinate, decode_coordinate, encode_coordinate
from lictor_swim.serf.events import (
    LeaveCompleted,
    MemberChange,
    MemberEvent,
    QueryReceived,
    SerfEvent,
    SerfMember,
    Status,
    UserEventReceived,
)
from lictor_swim.serf.node import SerfNode
from lictor_swim.serf.tags import decode_tags, encode_tags
from lictor_swim.serf.wire import Query, SerfMessage, SerfType, UserEvent, decode_serf, encode_serf

__all__ = [
    "CONSUL_LAN",
    "SERF_FAST",
    "SERF_LAN",
    "Coordinate",
    "LeaveCompleted",
    "MemberChange",
    "MemberEvent",
    "Query",
    "QueryReceived",
    "SerfConfig",
    "SerfEvent",
    "SerfMember",
    "SerfMessage",
    "SerfNode",
    "SerfType",
    "Status",
    "UserEvent",
    "UserEventReceived",
    "decode_coordinate",
    "decode_serf",
    "decode_tags",
    "encode_coordinate",
    "encode_serf",
    "encode_tags",
]
