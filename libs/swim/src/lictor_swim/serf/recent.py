"""Rings of recent Lamport times: how Serf recognises a user event or query that it has seen before.

A ring has a fixed number of slots; a message's slot is its time modulo that number. What is older than the ring is
refused, since nobody could tell whether it is new.
"""

from typing import Generic, TypeVar

from lictor_swim.serf.lamport import LamportClock

RING_SLOTS = 512
"""As in Serf: the last 512 Lamport times."""

SLOT_ENTRIES_MAX = 16
"""Most different messages of one Lamport time; concurrent senders share a time, but not in numbers like this."""

EntryT = TypeVar("EntryT")


class RecentRing(Generic[EntryT]):
    """What was seen at the last `RING_SLOTS` times of a clock."""

    def __init__(self) -> None:
        self.clock = LamportClock()
        self.oldest_accepted = 0
        self._slots: list[tuple[int, list[EntryT]] | None] = [None] * RING_SLOTS

    def admit(self, ltime: int, entry: EntryT) -> bool:
        """Witness the time; whether the entry is neither too old nor seen before. If so, it is remembered."""
        self.clock.witness(ltime)
        if ltime < self.oldest_accepted:
            return False
        if self.clock.time > RING_SLOTS and ltime < self.clock.time - RING_SLOTS:
            return False
        index = ltime % RING_SLOTS
        slot = self._slots[index]
        if slot is None or slot[0] != ltime:
            if slot is not None and slot[0] > ltime:
                return False
            self._slots[index] = (ltime, [entry])
            return True
        if entry in slot[1] or len(slot[1]) >= SLOT_ENTRIES_MAX:
            return False
        slot[1].append(entry)
        return True

    def slots(self) -> list[tuple[int, list[EntryT]]]:
        """What is remembered, by time."""
        return [slot for slot in self._slots if slot is not None]
