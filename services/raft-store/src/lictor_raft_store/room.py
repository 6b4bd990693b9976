"""Room for the log: what a member whose disk is full still does, and how it says so.

A full disk is a state and not an end. While the log's spare segment cannot be allocated (`wal`), the log is *short*: it
has the rest of the current segment and no more. A leader then takes no new commands; what it has accepted before still
fits, because it accepts at most a quarter of a segment without having applied it (`UNCOMMITTED_FRACTION`), and the
shortage begins with a nearly empty segment. A follower goes on until only the reserve is left; then the log is *out*:
appends with entries are dropped before the core sees them, as a network would lose them. The reserve is kept for what
must never stop: a vote, a term, the empty entry of a new leader, a snapshot's mark. Each takes 256 bytes, so a 64 MiB
segment's reserve is enough for 16,000 of them: hours of continuous elections.

Heartbeats, reads and elections go on in every state. A leader that is short gives leadership, once, to a voter that is
not, as far as presence tells. A log that has filled its disk by itself is helped by a snapshot, which `snapshotting`
takes when it is told. There is no retry here: the log's writer asks for space once a second.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

import structlog

from lictor_bus import Presence
from lictor_raft import Entry, Message, MessageKind, RawNode, Role
from lictor_raft_store.metrics import StoreMetrics

UNCOMMITTED_FRACTION = 4
"""A leader accepts one part in this many of a segment: with 40 bytes of framing for each of 65,536 open entries and one
command above the limit, the whole backlog stays below half a segment of the default size."""

RESERVE_FRACTION = 16
"""One part in this many of a segment is kept for votes, terms and marks."""

ENTRY_OVERHEAD_BYTES = 40
"""Record header, term, index and padding of one entry in the log."""

BATCH_OVERHEAD_BYTES = 256
"""Frame of a batch and its hard state."""

HAND_OVER_RETRY_S = 1.0
"""While no voter with room is known, how often a leader that is short looks for one."""

log = structlog.get_logger()


class Room(StrEnum):
    """How much the log can still take."""

    OK = "ok"
    SHORT = "short"
    OUT = "out"


class Allocated(Protocol):
    """What the log has allocated on the disk; `wal.Wal` is the real one."""

    @property
    def short(self) -> bool:
        """Whether the next segment could not be allocated."""

    @property
    def room_bytes(self) -> int:
        """What the current segment still takes."""


class LogRoom:
    """The room of one log, seen from the loop; what was handed to the writer and is not written yet counts as used."""

    def __init__(self, allocated: Allocated, segment_bytes: int) -> None:
        self._allocated = allocated
        self._reserve = segment_bytes // RESERVE_FRACTION
        self._under_way = 0
        self._turned_away = False

    @property
    def state(self) -> Room:
        """How much the log can still take."""
        if not self._allocated.short:
            return Room.OK
        return Room.OUT if self._turned_away or self._left() <= 0 else Room.SHORT

    def begin(self, body_bytes: int) -> None:
        """A batch goes to the writer."""
        self._under_way += body_bytes + BATCH_OVERHEAD_BYTES

    def end(self, body_bytes: int) -> None:
        """It is written."""
        self._under_way -= body_bytes + BATCH_OVERHEAD_BYTES

    def admit(self, messages: list[Message]) -> list[Message]:
        """The messages without the appends whose entries would not fit; everything stepped before is under way."""
        if not self._allocated.short:
            self._turned_away = False
            return messages
        left = self._left()
        admitted = []
        for message in messages:
            if message.kind is MessageKind.APPEND and message.entries:
                left -= _log_bytes(message.entries)
                if left < 0:
                    self._turned_away = True
                    continue
            admitted.append(message)
        return admitted

    def _left(self) -> int:
        return self._allocated.room_bytes - self._under_way - self._reserve


def _log_bytes(entries: Sequence[Entry]) -> int:
    return BATCH_OVERHEAD_BYTES + sum([ENTRY_OVERHEAD_BYTES + len(entry.data) for entry in entries])


class RoomWatch:
    """Says once when the log runs short and when it has room again, and lets a leader hand over."""

    def __init__(
        self,
        room: LogRoom,
        node: RawNode,
        presence: Presence,
        metrics: StoreMetrics,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        """Begin with room; `changed` is called whenever that changes."""
        self._room, self._node, self._presence, self._metrics, self._clock = room, node, presence, metrics, clock
        self._changed = changed
        self._state = Room.OK
        self._handed_over = False
        self._look_again = 0.0

    @property
    def reason(self) -> str:
        """Why this member takes no new commands; empty while it does."""
        if self._room.state is Room.OK:
            return ""
        return (
            f"No space left for the log of {self._presence.node}: writes are refused until there is; reads, followers "
            "and elections go on, and writes resume by themselves"
        )

    def look(self) -> None:
        """Compare with the last look; called with each turn of the driver's loop."""
        state = self._room.state
        if state is not self._state:
            self._note(state)
        if state is not Room.OK and not self._handed_over and self._node.role is Role.LEADER:
            self._hand_over()

    def _note(self, state: Room) -> None:
        was, self._state = self._state, state
        self._metrics.room.set(0 if state is Room.OK else 1)
        self._presence.update({**self._presence.record, "room": str(state)})
        if state is Room.OK:
            log.info("room for the log again, writes are taken")
            self._handed_over = False
        elif was is Room.OK:
            log.error("no room for the log: new writes and the leader's own decisions wait for space on the disk")
        elif state is Room.OUT:
            log.error("the log is full to its reserve: entries from the leader wait for space on the disk")
        self._changed()

    def _hand_over(self) -> None:
        """Give leadership to the voter that holds most of the log among those with room."""
        if (now := self._clock()) < self._look_again:
            return
        self._look_again = now + HAND_OVER_RETRY_S
        roomy = {
            one.record.get("member")
            for one in self._presence.present("raft-store")
            if one.record.get("room", Room.OK) == Room.OK
        }
        status = self._node.status()
        heirs = {
            member: peer
            for member, peer in status.peers.items()
            if member in roomy and member != status.id and not peer.is_learner and peer.recent_active
        }
        if heirs:
            self._handed_over = True
            heir = max(heirs, key=lambda one: heirs[one].match)
            log.warning("no room for the log: leadership is handed over", to=f"{heir:x}")
            self._node.transfer_leader(heir)
