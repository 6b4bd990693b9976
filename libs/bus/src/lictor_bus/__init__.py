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
from lictor_bus.direct_lane import DirectLane
from lictor_bus.fake import FakeBus, Hub
from lictor_bus.lanes import Lane, NatsLane
from lictor_bus.leader import LeaderTracker
from lictor_bus.presence import Presence, PresenceRecord
from lictor_bus.proposer import (
    Committed,
    NoLeaderError,
    NoSpaceError,
    OutcomeUnknownError,
    OverloadedError,
    ProposeError,
    Proposer,
    RefusedError,
)
from lictor_bus.reader import ReadGate
from lictor_bus.saved_view import SavedView
from lictor_bus.saved_view_file import ViewSaver
from lictor_bus.session_renewals import SessionRenewals
from lictor_bus.view import View

__all__ = [
    "Bus",
    "BusDisconnectedError",
    "BusError",
    "BusTimeoutError",
    "Committed",
    "DirectLane",
    "FakeBus",
    "Hub",
    "Lane",
    "LeaderTracker",
    "NatsBus",
    "NatsLane",
    "NoLeaderError",
    "NoRespondersError",
    "NoSpaceError",
    "OutcomeUnknownError",
    "OverloadedError",
    "Presence",
    "PresenceRecord",
    "ProposeError",
    "Proposer",
    "ReadGate",
    "RefusedError",
    "SavedView",
    "SessionRenewals",
    "View",
    "ViewSaver",
    "connect",
    "tell_contact",
]
