"""The queue of updates that are piggybacked on other packets (SWIM §4.1: infection-style dissemination).

Each update goes out a limited number of times, λ·log of the pool's size; those that went out least go first, so that
news spreads before it repeats. An update about a node replaces an older one about the same node.
"""

import bisect
import math

from msgspec import Struct

GOSSIP_BYTES_MAX = 1400
"""Longest update that a packet can carry, in every profile."""

NEVER_QUEUED = 0
"""The id of an update that fits no packet; it is not pending."""


class _Entry(Struct, order=True):
    """Sorts by fewest transmissions, then longest message, then newest."""

    transmits: int
    negative_length: int
    negative_id: int
    name: str
    message: bytes
    queued_at: float


class QueueMeasure(Struct, frozen=True, gc=False):
    """How full a queue is: entries, and seconds since the oldest one came in (0 when empty)."""

    depth: int
    oldest_age_s: float


def retransmit_limit(multiplier: int, pool_size: int) -> int:
    """How often each update goes out in a pool of this size."""
    return multiplier * math.ceil(math.log10(pool_size + 1))


class BroadcastQueue:
    """Updates that wait to go out.

    Args:
        depth_max: most entries; beyond it those that went out most are dropped, as they are known widest.
        message_bytes_max: longer updates are not queued: they fit no packet and would only wait.
    """

    __slots__ = ("_by_id", "_by_name", "_entries", "_message_bytes_max", "_next_id", "depth_max")

    def __init__(self, depth_max: int, message_bytes_max: int) -> None:
        self.depth_max = depth_max
        self._message_bytes_max = message_bytes_max
        self._entries: list[_Entry] = []
        self._by_name: dict[str, _Entry] = {}
        self._by_id: set[int] = set()
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._entries)

    def measure(self, now: float) -> QueueMeasure:
        """Depth and oldest age; an old entry in a deep queue means that more comes in than the pool can pass on."""
        oldest = min((entry.queued_at for entry in self._entries), default=now)
        return QueueMeasure(len(self._entries), now - oldest)

    def enqueue(self, message: bytes, name: str = "", *, now: float) -> int:
        """Add an update; returns its id.

        Args:
            message: the bytes to send, type byte included.
            name: the node that it is about: it replaces what waits about that node. Empty: it replaces nothing.
            now: from when on it waits.
        """
        old = self._by_name.pop(name, None) if name else None
        if old is not None:
            self._remove(old)
        if len(message) > self._message_bytes_max:
            return NEVER_QUEUED
        entry = _Entry(0, -len(message), -self._next_id, name, message, now)
        self._next_id += 1
        bisect.insort(self._entries, entry)
        self._by_id.add(-entry.negative_id)
        if name:
            self._by_name[name] = entry
        if len(self._entries) > self.depth_max:
            self._forget(self._entries.pop())
        return -entry.negative_id

    def is_pending(self, broadcast_id: int) -> bool:
        """Whether an update is still to go out: neither sent often enough nor replaced."""
        return broadcast_id in self._by_id

    def take(self, overhead_bytes: int, budget_bytes: int, limit: int) -> list[bytes]:
        """Updates for one packet; each counts as sent once more.

        Args:
            overhead_bytes: what framing adds to each.
            budget_bytes: room in the packet.
            limit: an update that has gone out this often is done.
        """
        taken: list[_Entry] = []
        kept: list[_Entry] = []
        free = budget_bytes
        for index, entry in enumerate(self._entries):
            if free <= overhead_bytes:
                kept.extend(self._entries[index:])
                break
            size = overhead_bytes - entry.negative_length
            if size <= free:
                free -= size
                taken.append(entry)
            else:
                kept.append(entry)
        if not taken:
            return []
        self._entries = kept
        for entry in taken:
            entry.transmits += 1
            if entry.transmits >= limit:
                self._forget(entry)
            else:
                bisect.insort(self._entries, entry)
        return [entry.message for entry in taken]

    def _remove(self, entry: _Entry) -> None:
        del self._entries[bisect.bisect_left(self._entries, entry)]
        self._by_id.discard(-entry.negative_id)

    def _forget(self, entry: _Entry) -> None:
        self._by_id.discard(-entry.negative_id)
        if entry.name and self._by_name.get(entry.name) is entry:
            del self._by_name[entry.name]
