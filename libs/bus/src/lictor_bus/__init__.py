"""NATS: subjects, frames, proposer, strong reads, change feed, view and presence."""

from lictor_bus.connection import (
    Bus,
    BusDisconnectedError,
    BusError,
    BusTimeoutError,
    NatsBus,
    NoRespondersError,
    connect,
)
from lictor_bus.contact import tell_contact
from lictor_bus.fake import FakeBus, Hub
from lictor_bus.leader import LeaderTracker
from lictor_bus.presence import Presence, PresenceRecord
from lictor_bus.proposer import (
    Committed,
    NoLeaderError,
    OutcomeUnknownError,
    OverloadedError,
    ProposeError,
    Proposer,
    RefusedError,
)
from lictor_bus.reader import ReadGate
from lictor_bus.session_renewals import SessionRenewals
from lictor_bus.view import View

__all__ = [
    "Bus",
    "BusDisconnectedError",
    "BusError",
    "BusTimeoutError",
    "Committed",
    "FakeBus",
    "Hub",
    "LeaderTracker",
    "NatsBus",
    "NoLeaderError",
    "NoRespondersError",
    "OutcomeUnknownError",
    "OverloadedError",
    "Presence",
    "PresenceRecord",
    "ProposeError",
    "Proposer",
    "ReadGate",
    "RefusedError",
    "SessionRenewals",
    "View",
    "connect",
    "tell_contact",
]
